//! Adopting a role file that another signer began: checked against what the server has, and shown before it is signed.

use bytes::Bytes;

use super::{Workshop, check_lists_targets};
use crate::digest::Digest;
use crate::publish::document::{Signed, Targets, signatures_of};
use crate::publish::publisher::draft::{Draft, malformed};
use crate::publish::publisher::error::PublishError;
use crate::tuf::RoleName;

impl Workshop<'_> {
    pub(super) fn adopt(
        &mut self,
        draft: &mut Draft,
        role: &RoleName,
        file: &Bytes,
        looked_at: &[Digest],
    ) -> Result<(), PublishError> {
        check_lists_targets(role, "a witness")?;
        let Some(ring) = draft.keyring(role) else {
            return Err(PublishError::NotDelegated { role: role.clone() });
        };
        let broken = malformed(role);
        let new = Targets::read(file).map_err(&broken)?;
        let message = new.0.message().map_err(&broken)?;
        let all: Vec<Signed> = signatures_of(file).map_err(&broken)?;
        let valid = all.into_iter().filter(|signed| ring.verifies(signed, &message)).collect::<Vec<_>>();
        let published = draft.targets.get(role);
        let base = published.map_or(0, |published| published.0.version()).max(draft.floor(role));
        let (version, why) =
            (new.0.version(), |why: String| PublishError::PendingUnusable { role: role.clone(), why });
        if valid.is_empty() {
            return Err(why("no key that the role has now signed it".to_owned()));
        }
        if version != base + 1 {
            return Err(why(format!("it is version {version}, and the server has version {base} by now")));
        }
        if new.0.ends_before(self.now) {
            return Err(why("it has expired".to_owned()));
        }
        let sha256 = Digest::of(file);
        if !looked_at.contains(&sha256) {
            let changes = new.changes_from(published);
            let signed_by = valid.iter().map(|signed| draft.signer(ring.canonical_of(signed.key))).collect();
            return Err(PublishError::PendingNotLookedAt { role: role.clone(), sha256, changes, signed_by });
        }
        draft.adopt(role, new, valid);
        Ok(())
    }
}
