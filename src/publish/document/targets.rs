//! [`Targets`]: what `targets` or a delegation role lists and delegates.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::{Document, DocumentError, Keyring, member_array, member_object, named, number, shape, text};
use crate::digest::Digest;
use crate::foreign::Foreign;
use crate::publish::key::PublicForm;
use crate::tuf::RoleName;
use crate::tuf::canonical::Value;

/// Three years.
const DAYS: i32 = 1095;

/// The file of `targets` or of a delegation role that is being edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::publish) struct Targets(pub(in crate::publish) Document);

impl Targets {
    /// An empty file.
    pub(in crate::publish) fn new() -> Self {
        let empty = || Value::Object(BTreeMap::new());
        let delegations = Value::object([("keys", empty()), ("roles", Value::Array(Vec::new()))]);
        Self(Document::new("Targets", [("delegations", delegations), ("targets", empty())]))
    }

    /// Reads a verified file, or one that the verified snapshot names.
    pub(in crate::publish) fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        Document::read(bytes).map(Self)
    }

    /// The names that it lists.
    pub(in crate::publish) fn names(&self) -> Vec<String> {
        self.0.object("targets").map(|targets| targets.keys().cloned().collect()).unwrap_or_default()
    }

    /// What it lists, each name with its digest.
    pub(in crate::publish) fn listing(&self) -> Vec<String> {
        let Some(targets) = self.0.object("targets") else { return Vec::new() };
        let line = |(name, target): (&String, &Value)| match digest(target) {
            Some(digest) => format!("{} {digest}", Foreign(name)),
            None => format!("{} without a sha256", Foreign(name)),
        };
        targets.iter().map(line).collect()
    }

    /// What it says of the roles that it delegates: each key, each path and each threshold in a line.
    fn delegations(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in self.roles() {
            let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
            let role = Foreign(name);
            let ring = RoleName::parse(name).ok().and_then(|role| self.keyring(&role));
            let strings = |member: &str| {
                let all = entry.get(member).and_then(Value::as_array).unwrap_or_default();
                all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect::<Vec<_>>()
            };
            for id in strings("keyids") {
                let listed = ring.iter().flat_map(|ring| &ring.keys).find(|key| key.id.to_string() == id);
                lines.push(match listed {
                    Some(key) => format!("{role} key {}", key.canonical),
                    None => format!("{role} key {}, which cannot sign", Foreign(&id)),
                });
            }
            let paths = strings("paths").into_iter().map(|path| match path.is_empty() {
                true => format!("{role} may list every tag"),
                false => format!("{role} may list {}", Foreign(&format!("{path}*"))),
            });
            lines.extend(paths);
            let threshold = ring.map_or(1, |ring| ring.threshold);
            lines.push(format!("{role} takes {threshold} of its keys"));
        }
        lines
    }

    /// What it says beside what another version of it says, each change in a line.
    pub(in crate::publish) fn changes_from(&self, before: Option<&Self>) -> Vec<String> {
        let (old, new) = (before.map(Self::listing).unwrap_or_default(), self.listing());
        let taken = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
        let added = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
        let mut changes: Vec<String> = taken.chain(added).collect();
        let (old, new) = (before.map(Self::delegations).unwrap_or_default(), self.delegations());
        changes.extend(old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}")));
        changes.extend(new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}")));
        let raw = |file: &Self| file.0.signed.get("delegations").cloned();
        if old == new && before.is_some_and(|before| raw(before) != raw(self)) {
            changes.push(
                "something about the roles that it delegates, which changes nobody's rights".to_owned(),
            );
        }
        changes
    }

    /// Whether it lists the name.
    pub(in crate::publish) fn lists(&self, name: &str) -> bool {
        self.0.object("targets").is_some_and(|targets| targets.contains_key(name))
    }

    /// The digest that it lists under the name.
    pub(in crate::publish) fn digest_of(&self, name: &str) -> Option<Digest> {
        digest(self.0.object("targets")?.get(name)?)
    }

    /// Lists a target. What it said of another image under that name goes; where nothing is new, nothing changes.
    pub(in crate::publish) fn add(
        &mut self,
        name: &str,
        digest: Digest,
        length: u64,
    ) -> Result<(), DocumentError> {
        let sha256 = text(&STANDARD.encode(digest.as_bytes()));
        let targets = self.0.object_mut("targets")?;
        let is_same = targets.get(name).is_some_and(|listed| {
            listed.get("hashes").and_then(|hashes| hashes.get("sha256")) == Some(&sha256)
                && listed.get("length").and_then(Value::as_integer) == i64::try_from(length).ok()
        });
        if !is_same {
            let entry =
                Value::object([("hashes", Value::object([("sha256", sha256)])), ("length", number(length))]);
            targets.insert(name.to_owned(), entry);
            self.0.touch();
        }
        Ok(())
    }

    /// Lists a target no more.
    pub(in crate::publish) fn remove(&mut self, name: &str) -> Result<(), DocumentError> {
        if self.0.object_mut("targets")?.remove(name).is_some() {
            self.0.touch();
        }
        Ok(())
    }

    /// The roles that it delegates, in its order.
    pub(in crate::publish) fn delegated(&self) -> Vec<RoleName> {
        let names = self.roles().iter().filter_map(|role| role.get("name")?.as_str());
        names.filter_map(|name| RoleName::parse(name).ok()).collect()
    }

    /// The keys of a role that it delegates.
    pub(in crate::publish) fn keyring(&self, role: &RoleName) -> Option<Keyring> {
        let keys = self.0.object("delegations").and_then(|delegations| delegations.get("keys")?.as_object());
        self.role(role).map(|role| Keyring::read(role, keys))
    }

    /// The path prefixes of a role that it delegates.
    pub(in crate::publish) fn paths(&self, role: &RoleName) -> Option<Vec<String>> {
        let paths = self.role(role)?.get("paths").and_then(Value::as_array).unwrap_or_default();
        Some(paths.iter().filter_map(|path| path.as_str().map(str::to_owned)).collect())
    }

    /// Delegates a role to nobody and for nothing yet; of the lowest priority.
    pub(in crate::publish) fn delegate(&mut self, role: &RoleName) -> Result<(), DocumentError> {
        if self.role(role).is_some() {
            return Ok(());
        }
        let empty = || Value::Array(Vec::new());
        let entry =
            [("keyids", empty()), ("name", named(role)), ("paths", empty()), ("threshold", number(1))];
        member_array(self.0.object_mut("delegations")?, "roles")?.push(Value::object(entry));
        self.0.touch();
        Ok(())
    }

    /// Delegates a role no more.
    pub(in crate::publish) fn undelegate(&mut self, role: &RoleName) -> Result<(), DocumentError> {
        let roles = member_array(self.0.object_mut("delegations")?, "roles")?;
        roles.retain(|entry| entry.get("name") != Some(&named(role)));
        self.0.touch();
        self.drop_unlisted_keys()
    }

    /// Adds a key to a role that it delegates.
    pub(in crate::publish) fn add_key(
        &mut self,
        role: &RoleName,
        key: &PublicForm,
    ) -> Result<(), DocumentError> {
        let id = key.id().to_string();
        let ids = member_array(self.role_mut(role)?, "keyids")?;
        if ids.iter().any(|listed| listed.as_str() == Some(&id)) {
            return Ok(());
        }
        ids.push(text(&id));
        let keys = member_object(self.0.object_mut("delegations")?, "keys")?;
        keys.insert(id, key.to_value());
        self.0.touch();
        Ok(())
    }

    /// Takes the keys with these listed IDs from a role that it delegates.
    pub(in crate::publish) fn remove_keys(
        &mut self,
        role: &RoleName,
        ids: &[String],
    ) -> Result<(), DocumentError> {
        let listed = member_array(self.role_mut(role)?, "keyids")?;
        listed.retain(|id| id.as_str().is_none_or(|id| !ids.iter().any(|gone| gone == id)));
        self.0.touch();
        self.drop_unlisted_keys()
    }

    /// Sets how many keys have to sign a role that it delegates.
    pub(in crate::publish) fn set_threshold(
        &mut self,
        role: &RoleName,
        threshold: u64,
    ) -> Result<(), DocumentError> {
        let before = self.role_mut(role)?.insert("threshold".to_owned(), number(threshold));
        if before != Some(number(threshold)) {
            self.0.touch();
        }
        Ok(())
    }

    /// Sets the path prefixes of a role that it delegates.
    pub(in crate::publish) fn set_paths(
        &mut self,
        role: &RoleName,
        paths: &[String],
    ) -> Result<(), DocumentError> {
        if self.paths(role).as_deref() == Some(paths) {
            return Ok(());
        }
        let paths = paths.iter().map(|path| text(path)).collect();
        self.role_mut(role)?.insert("paths".to_owned(), Value::Array(paths));
        self.0.touch();
        Ok(())
    }

    /// The version after its own and after `floor`, for three years.
    pub(in crate::publish) fn renew(&mut self, floor: u64, now: Timestamp) -> Result<(), DocumentError> {
        self.0.renew(floor, now, DAYS)
    }

    fn roles(&self) -> &[Value] {
        let roles = self.0.object("delegations").and_then(|delegations| delegations.get("roles")?.as_array());
        roles.unwrap_or_default()
    }

    fn role(&self, role: &RoleName) -> Option<&Value> {
        self.roles().iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(role.as_str()))
    }

    fn role_mut(&mut self, role: &RoleName) -> Result<&mut BTreeMap<String, Value>, DocumentError> {
        let roles = member_array(self.0.object_mut("delegations")?, "roles")?;
        let entry = roles.iter_mut().find(|entry| entry.get("name") == Some(&named(role)));
        match entry {
            Some(Value::Object(entry)) => Ok(entry),
            _ => Err(shape(format!("it does not delegate {role}"))),
        }
    }

    /// A key that no role lists any more goes, as notary has it.
    fn drop_unlisted_keys(&mut self) -> Result<(), DocumentError> {
        let ids = self.roles().iter().filter_map(|role| role.get("keyids")?.as_array()).flatten();
        let listed: Vec<String> = ids.filter_map(|id| id.as_str().map(str::to_owned)).collect();
        let keys = member_object(self.0.object_mut("delegations")?, "keys")?;
        keys.retain(|id, _| listed.contains(id));
        Ok(())
    }
}

/// The digest of a listed target.
fn digest(target: &Value) -> Option<Digest> {
    let sha256 = target.get("hashes")?.get("sha256")?.as_str()?;
    let bytes: [u8; 32] = STANDARD.decode(sha256).ok()?.try_into().ok()?;
    Some(Digest::from_bytes(bytes))
}
