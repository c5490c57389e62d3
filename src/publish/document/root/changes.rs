//! What a root says beside what another one says, for whoever is asked to sign it.

use std::collections::BTreeSet;

use super::super::Keyring;
use super::Root;
use crate::foreign::Foreign;
use crate::tuf::RoleName;
use crate::tuf::canonical::Value;

/// The members that are told in words of their own.
const TOLD: [&str; 5] = ["_type", "expires", "keys", "roles", "version"];

impl Root {
    /// Each change in a line; without a root before it, all that it says. How many of its keys sign the root is always said.
    pub(in crate::publish) fn changes_from(&self, before: Option<&Self>) -> Vec<String> {
        let names = |root: &Self| {
            root.0.object("roles").into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        let mut roles: BTreeSet<String> = names(self);
        roles.extend(before.map(names).unwrap_or_default());
        let mut changes = Vec::new();
        for name in &roles {
            let (new, old) = (self.listed(name), before.map(|root| root.listed(name)).unwrap_or_default());
            let role = Foreign(name);
            changes.extend(old.difference(&new).map(|key| format!("- {role} {key}")));
            changes.extend(new.difference(&old).map(|key| format!("+ {role} {key}")));
            let now = self.quorum(name);
            match before.map(|root| root.quorum(name)) {
                Some(was) if was == now && *name != RoleName::root().as_str() => {}
                Some(was) => changes.push(format!("{role}: {now} (before: {was})")),
                None => changes.push(format!("{role}: {now}")),
            }
        }
        let other = |root: &Self| {
            let members = root.0.signed.iter().filter(|(name, _)| !TOLD.contains(&name.as_str()));
            members.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
        };
        if let Some(before) = before.filter(|before| other(before) != other(self)) {
            let (old, new) = (other(before), other(self));
            let names =
                old.iter().chain(&new).filter(|member| !(old.contains(member) && new.contains(member)));
            let names: BTreeSet<String> = names.map(|(name, _)| Foreign(name).to_string()).collect();
            changes.push(format!("what it says of {}", names.into_iter().collect::<Vec<_>>().join(", ")));
        }
        changes
    }

    /// The role's keys as lines: by the ID that key stores know them by, or, where tagseal takes no such key, by the listed one.
    fn listed(&self, role: &str) -> BTreeSet<String> {
        let ring = self.ring(role);
        let ids = self.0.object("roles").and_then(|roles| roles.get(role)?.get("keyids")?.as_array());
        let line = |id: &Value| {
            let id = id.as_str().unwrap_or_default();
            match ring.keys.iter().find(|key| key.id.to_string() == id) {
                Some(key) if key.id == key.canonical => format!("key {}", key.canonical),
                Some(key) => format!("key {} (certificate {})", key.canonical, &id[..12]),
                None => format!("key {}, which cannot sign", Foreign(id)),
            }
        };
        ids.unwrap_or_default().iter().map(line).collect()
    }

    /// `2 of 3 keys have to sign`.
    fn quorum(&self, role: &str) -> String {
        let ring = self.ring(role);
        match (ring.threshold, ring.canonical_ids().len()) {
            (1, 1) => "its one key has to sign".to_owned(),
            (threshold, keys) => format!("{threshold} of {keys} keys have to sign"),
        }
    }

    fn ring(&self, role: &str) -> Keyring {
        let role = self.0.object("roles").and_then(|roles| roles.get(role));
        Keyring::read(role.unwrap_or(&Value::Null), self.0.object("keys"))
    }
}
