//! What ends soon: it is signed anew where its keys are here, and said where they are not.

use jiff::Timestamp;

use super::apply::Workshop;
use super::draft::{Draft, malformed};
use super::error::{PublishError, list_of};
use super::is_server_key;
use crate::notary::Remote;
use crate::publish::document::{DAY, Document, Keyring};
use crate::publish::operation::Operation;
use crate::tuf::{KeyId, RoleName};

/// What ends within so many days is signed anew: six months, from when on notary renews roots and warns of other roles
/// (Notary v1, "Publishing" and "Warnings").
pub(super) const RENEWED_DAYS: i32 = 183;

/// What ends within so many days, and is not signed anew, is said.
const SAID_DAYS: i32 = 30;

impl Workshop<'_> {
    /// Signs anew whatever ends within six months, or as soon as an operation says, and whose keys are here. Whatever stands in
    /// the way, the publish goes on.
    pub(super) fn renew(&mut self, draft: &mut Draft, operations: &[Operation]) -> Result<(), PublishError> {
        let asked = operations.iter().filter_map(|operation| match operation {
            Operation::Renew { by } => Some(*by),
            _ => None,
        });
        let asked = asked.max();
        let by = asked.unwrap_or_else(|| self.in_days(RENEWED_DAYS));
        self.renew_root(draft, by)?;
        let on_the_way = draft.on_the_way();
        let ends = |file: &Document| !file.is_dirty() && file.ends_before(by);
        let ending = draft.targets.iter().filter(|(_, file)| ends(&file.0)).map(|(role, _)| role.clone());
        for role in ending.collect::<Vec<_>>() {
            let Some(ring) = draft.keyring(&role).filter(|_| draft.is_vouched_for(&role)) else { continue };
            // What expired counts again when it is renewed: that is for whoever asks for it, or for what needs it.
            let is_wanted =
                asked.is_some() || !draft.base.expired.contains(&role) || on_the_way.contains(&role);
            if is_wanted
                && self.opens_enough(&ring, &role.to_string())?
                && let Some(file) = draft.targets.get_mut(&role)
            {
                file.0.touch();
                draft.renewed.insert(role);
            }
        }
        self.renew_snapshot(draft, by)
    }

    /// The root, if its keys are here, and the certificates of root keys that end by then.
    fn renew_root(&mut self, draft: &mut Draft, by: Timestamp) -> Result<(), PublishError> {
        let root = RoleName::root();
        let worn = draft.root.certificates_that_end_before(by);
        let is_ending = !draft.root.0.is_dirty() && draft.root.0.ends_before(by);
        if worn.is_empty() && !is_ending {
            return Ok(());
        }
        let ring = draft.root.keyring(&root);
        if !self.opens_enough(&ring, "root")? {
            let (gun, keys) = (self.remote.gun(), list_of(&ring.canonical_ids()));
            let what = match draft.root.0.ends_before(by) {
                true => {
                    let (ends, deny) = self.end_of(&draft.root.0);
                    format!("the root of {gun} {ends}{deny}")
                }
                false => format!("the certificate of the root key of {gun} expires within six months"),
            };
            self.warnings.push(match ring.threshold {
                1 => format!("{what}: whoever has {keys} renews it with `tagseal trust renew {gun}`"),
                threshold => format!(
                    "{what}: {threshold} of {keys} renew it: begin with `tagseal trust witness root {gun} --pending FILE`"
                ),
            });
            return Ok(());
        }
        if !draft.root.0.is_dirty() {
            draft.root.0.touch();
            draft.renewed.insert(root.clone());
        }
        self.renew_certificates(draft, by)
    }

    /// New certificates for the root keys that are here and whose certificates end by then.
    pub(super) fn renew_certificates(
        &mut self,
        draft: &mut Draft,
        by: Timestamp,
    ) -> Result<(), PublishError> {
        for key in draft.root.certificates_that_end_before(by) {
            let Ok(unlocked) = self.keys.unlock(key.canonical) else { continue };
            let certificate = unlocked.root_certificate(self.remote.gun(), self.now)?;
            draft.root.replace_certificate(key.id, &certificate).map_err(malformed(&RoleName::root()))?;
        }
        Ok(())
    }

    /// A snapshot that is signed here is signed with every upload; without one it is due by itself.
    fn renew_snapshot(&mut self, draft: &mut Draft, by: Timestamp) -> Result<(), PublishError> {
        let snapshot = RoleName::snapshot();
        let is_ending = draft.snapshot.as_ref().is_some_and(|snapshot| snapshot.0.ends_before(by));
        let ring = draft.root.keyring(&snapshot);
        if is_ending
            && !draft.is_dirty()
            && !self.keys.held(&ring.canonical_ids())?.is_empty()
            && self.opens_enough(&ring, "snapshot")?
        {
            draft.renewed.insert(snapshot);
        }
        Ok(())
    }

    /// Whether enough of the keys are here and can be opened. A passphrase that is missing is said.
    fn opens_enough(&mut self, ring: &Keyring, role: &str) -> Result<bool, PublishError> {
        let held = self.keys.held(&ring.canonical_ids())?;
        if (held.len() as u64) < ring.threshold {
            return Ok(false);
        }
        let (mut opened, mut refused) = (0, None);
        for id in held {
            match self.keys.unlock(id) {
                Ok(_) => opened += 1,
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused.filter(|_| opened < ring.threshold) {
            self.warnings.push(format!("{role} ends soon, and was not renewed: {error}"));
        }
        Ok(opened >= ring.threshold)
    }

    /// Says what ends above what is published, and is not signed anew by it. Whether consumers deny what is below it already.
    pub(super) async fn say_what_ends(&mut self, draft: &Draft) -> Result<bool, PublishError> {
        let soon = self.in_days(SAID_DAYS);
        let mut denied = !draft.root.0.is_dirty() && draft.root.0.ends_before(self.now);
        for role in draft.on_the_way() {
            let file = draft.targets.get(&role).filter(|file| !file.0.is_dirty() && file.0.ends_before(soon));
            let Some((file, ring)) = file.zip(draft.keyring(&role)) else { continue };
            self.say(&role, &file.0, &ring, &format!("tagseal trust witness {role}"));
            denied |= file.0.ends_before(self.now);
        }
        Ok(denied | self.say_snapshot(draft, soon).await?)
    }

    /// A snapshot whose key is the server's ends all the time, and is renewed by the server.
    async fn say_snapshot(&mut self, draft: &Draft, soon: Timestamp) -> Result<bool, PublishError> {
        let role = RoleName::snapshot();
        let ring = draft.root.keyring(&role);
        let ids = ring.canonical_ids();
        let ending = draft.snapshot.as_ref().filter(|snapshot| snapshot.0.ends_before(soon));
        let Some(snapshot) = ending.filter(|_| !draft.is_dirty() && draft.base.files.contains_key(&role))
        else {
            return Ok(false);
        };
        if !self.keys.held(&ids)?.is_empty() || server_has_key(self.remote, &role, &ids).await {
            return Ok(false);
        }
        self.say(&role, &snapshot.0, &ring, "tagseal trust rotate snapshot --server-managed");
        Ok(snapshot.0.ends_before(self.now))
    }

    fn say(&mut self, role: &RoleName, file: &Document, ring: &Keyring, command: &str) {
        let (gun, keys) = (self.remote.gun(), list_of(&ring.canonical_ids()));
        let (ends, deny) = self.end_of(file);
        let who = match ring.threshold {
            1 => format!("whoever has {keys} renews it with `{command} {gun}`"),
            threshold => {
                format!("{threshold} of {keys} renew it: begin with `{command} {gun} --pending FILE`")
            }
        };
        self.warnings.push(format!("{role} of {gun} {ends}{deny}: {who}"));
    }

    /// `expires at TIME`, or `expired at TIME` and what that means.
    fn end_of(&self, file: &Document) -> (String, &'static str) {
        let at = file.expires().map(|expires| expires.to_string()).unwrap_or_default();
        match file.ends_before(self.now) {
            true => (format!("expired at {at}"), ", and clusters and clients deny all that is below it"),
            false => (format!("expires at {at}"), ""),
        }
    }

    pub(super) fn in_days(&self, days: i32) -> Timestamp {
        self.now.saturating_add(DAY * days).unwrap_or(Timestamp::MAX)
    }
}

/// Whether one of these keys is the server's; also where the server does not say.
pub(super) async fn server_has_key(remote: &Remote, role: &RoleName, ids: &[KeyId]) -> bool {
    match is_server_key(remote, role, ids).await {
        Ok(is_servers) => is_servers,
        Err(error) => !matches!(error, PublishError::Malformed { .. }),
    }
}
