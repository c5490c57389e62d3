//! Uploading, and learning what became of it.

use std::collections::BTreeMap;

use super::Publisher;
use super::draft::{Base, Draft};
use super::error::PublishError;
use super::server_key;
use super::sign::Upload;
use crate::digest::Digest;
use crate::notary::{Rejection, RemoteError};
use crate::publish::document::Root;
use crate::publish::key::PublicForm;
use crate::tuf::{Fetch, FileName, RoleName};

/// What became of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// The server has it.
    Arrived,
    /// The server said no.
    Refused(Rejection),
}

impl Publisher<'_> {
    /// Uploads. Where no answer comes, the server is asked for the files by their hashes.
    pub(super) async fn send(&self, upload: &Upload) -> Result<Sent, PublishError> {
        let cause = match self.remote.upload(&upload.files).await {
            Ok(()) => return Ok(Sent::Arrived),
            Err(cause) if cause.is_undecided() => cause,
            Err(RemoteError::Rejected(rejection)) => return Ok(Sent::Refused(rejection)),
            Err(cause) => return Err(PublishError::Remote(cause)),
        };
        match (self.has(upload).await, cause) {
            (Ok(true), _) => Ok(Sent::Arrived),
            (Ok(false), RemoteError::Rejected(rejection)) => Ok(Sent::Refused(rejection)),
            (Ok(false), cause) => Err(PublishError::NotArrived { cause }),
            (Err(_), cause) => Err(PublishError::UnknownOutcome { cause }),
        }
    }

    /// Whether the server has the upload. Every file is asked for: somebody else may have uploaded one of the same bytes.
    async fn has(&self, upload: &Upload) -> Result<bool, RemoteError> {
        for (role, bytes) in &upload.files {
            let file = FileName::by_hash(role.clone(), Digest::of(bytes));
            let found = self.remote.fetch(&Fetch { file, max_bytes: bytes.len() as u64 }).await?;
            if found.as_ref() != Some(bytes) {
                return Ok(false);
            }
        }
        Ok(!upload.files.is_empty())
    }

    /// What a refusal means, and what to do about it.
    pub(super) async fn diagnose(
        &self,
        draft: &Draft,
        upload: &Upload,
        server_keys: &BTreeMap<usize, PublicForm>,
        rejection: Rejection,
    ) -> PublishError {
        let gun = self.remote.gun().clone();
        let name = rejection.detail.as_ref().map(|(name, _)| name.as_str()).unwrap_or_default();
        let (snapshot, timestamp) = (RoleName::snapshot(), RoleName::timestamp());
        let sent_snapshot = upload.files.iter().any(|(role, _)| *role == snapshot);
        if matches!(name, "ErrBadRoot" | "ErrBadHierarchy" | "ErrBadSnapshot" | "ErrValidation") {
            // What the server made a moment ago is its own, though it does not show it before a root lists it.
            let is_new = |role| {
                let keyring = draft.root.keyring(role);
                server_keys.values().any(|key| keyring.has(key.canonical_id()))
            };
            let is_foreign = async |role| !is_new(role) && self.is_servers(draft, role).await == Some(false);
            if !sent_snapshot && is_foreign(&snapshot).await {
                let keys = draft.root.keyring(&snapshot).canonical_ids();
                return PublishError::SnapshotKeyNotHeld { gun, keys };
            }
            if is_foreign(&timestamp).await {
                return PublishError::TimestampKeyLost { gun };
            }
        }
        let previous = draft.base.files.get(&RoleName::root()).and_then(|bytes| Root::read(bytes).ok());
        let advice = match previous.is_some_and(|root| root.has_expired_certificate(self.clock.now())) {
            true => Some(
                "the certificate of the root key has expired, and under it the server takes nothing, not even its successor: \
                 delete the repository with `tagseal trust delete` and publish it anew; its keys stay",
            ),
            false => advice(&rejection),
        };
        let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
        PublishError::Refused { rejection: rejection.into(), advice }
    }

    /// Whether the key that the root lists for `role` is the server's; `None` where the server does not say.
    async fn is_servers(&self, draft: &Draft, role: &RoleName) -> Option<bool> {
        let answer = self.remote.server_key(role).await.ok()?;
        Some(draft.root.keyring(role).has(server_key(role, &answer).ok()?.canonical_id()))
    }
}

/// What to do about the server's errors (Notary v1, "Errors" and "Server rules").
fn advice(rejection: &Rejection) -> Option<&'static str> {
    let name = rejection.detail.as_ref().map(|(name, _)| name.as_str());
    Some(match (rejection.code.as_str(), name) {
        (_, Some("ErrBadRoot")) => {
            "it wants the root signed by the keys of the one before, and by certificates that are valid now"
        }
        (_, Some("ErrBadTargets")) => {
            "a role above the one that was signed may have expired: sign it anew with `tagseal trust witness`"
        }
        (_, Some("ErrBadSnapshot" | "ErrBadHierarchy")) => {
            "somebody else may be publishing: run the command again; if it stays so, look at the repository with `tagseal \
             trust inspect`"
        }
        ("VERSION", _) => {
            "it has a newer version of one of these roles than it serves; a cache before it may be behind: try again in some \
             minutes"
        }
        ("INVALID_ROLE", _) => {
            "some builds of the notary server cut the folders off role names and take no delegations (notary issue 1630): \
             update the server"
        }
        ("MALFORMED_UPLOAD" | "NO_FILENAME" | "MALFORMED_JSON", _) => {
            "something between here and the server may have changed the upload"
        }
        ("UPDATING" | "NO_STORAGE" | "NO_CRYPTOSERVICE" | "NO_KEYALGORITHM" | "UNKNOWN", _) => {
            "the server is at fault: check its log"
        }
        ("", _) => "it may be no notary server, or something stands before it",
        _ => return None,
    })
}

impl Rejection {
    /// Whether somebody else may be publishing at this moment, though what they publish is not to be seen yet (Notary v1,
    /// "Errors").
    pub(super) fn is_of_a_race(&self) -> bool {
        matches!(self.code.as_str(), "VERSION" | "UPDATING")
    }
}

impl Upload {
    /// Whether all of it is what was read.
    pub(super) fn is_in(&self, read: &Base) -> bool {
        self.files.iter().all(|(role, bytes)| read.hash(role) == Some(Digest::of(bytes)))
    }
}
