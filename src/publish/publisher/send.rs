//! Uploading, and learning what became of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Publisher;
use super::draft::{Base, Draft};
use super::error::PublishError;
use super::is_server_key;
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
        let name = rejection.detail.as_ref().map(|(name, _)| name.as_str()).unwrap_or_default();
        let previous = draft.base.files.get(&RoleName::root()).and_then(|bytes| Root::read(bytes).ok());
        // A root that is the first lists what the server said a moment ago.
        if previous.is_some()
            && matches!(name, "ErrBadRoot" | "ErrBadHierarchy" | "ErrBadSnapshot" | "ErrValidation")
            && let Some(error) = self.about_server_keys(draft, upload, server_keys).await
        {
            return error;
        }
        let now = self.clock.now();
        let advice = if previous.is_some_and(|root| root.has_expired_certificate(now)) {
            Some(
                "the certificate of the root key has expired, and under it the server takes nothing, not even its successor: \
                 delete the repository with `tagseal trust delete` and publish it anew; its keys stay"
                    .to_owned(),
            )
        } else {
            advice_on(&rejection, now)
        };
        let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
        PublishError::Refused { rejection: rejection.into(), advice }
    }

    /// What is wrong with the keys that the root lists for the server, if anything is.
    async fn about_server_keys(
        &self,
        draft: &Draft,
        upload: &Upload,
        server_keys: &BTreeMap<usize, PublicForm>,
    ) -> Option<PublishError> {
        let gun = self.remote.gun().clone();
        let (snapshot, timestamp) = (RoleName::snapshot(), RoleName::timestamp());
        // What the server made a moment ago is its own, though it does not show it before a root lists it.
        let is_new = |role| {
            let keyring = draft.root.keyring(role);
            server_keys.values().any(|key| keyring.has(key.canonical_id()))
        };
        let is_foreign = async |role| !is_new(role) && self.is_servers(draft, role).await == Some(false);
        let is_signed_here = upload.files.iter().any(|(role, _)| *role == snapshot);
        let snapshot_is_foreign = !is_signed_here && is_foreign(&snapshot).await;
        let timestamp_is_foreign = is_foreign(&timestamp).await;
        // Where one of the two is given a new key and the other still is not the server's, both have to be.
        let both = (snapshot_is_foreign && (timestamp_is_foreign || is_new(&timestamp)))
            || (timestamp_is_foreign && is_new(&snapshot));
        if both {
            return Some(PublishError::ServerKeysLost { gun });
        }
        if timestamp_is_foreign {
            return Some(PublishError::TimestampKeyLost { gun });
        }
        let keys = draft.root.keyring(&snapshot).canonical_ids();
        snapshot_is_foreign.then_some(PublishError::SnapshotKeyNotHeld { gun, keys })
    }

    /// Whether the key that the root lists for `role` is the server's; `None` where the server does not say.
    async fn is_servers(&self, draft: &Draft, role: &RoleName) -> Option<bool> {
        is_server_key(self.remote, role, &draft.root.keyring(role).canonical_ids()).await.ok()
    }
}

/// What to do about a refusal, where nothing is known of the reason but what the server says.
pub(super) fn advice_on(rejection: &Rejection, now: Timestamp) -> Option<String> {
    clocks(rejection, now).or_else(|| advice(rejection).map(str::to_owned))
}

/// How far the clocks of publisher and server may be apart before that is told as the reason of a refusal. The server takes no
/// certificate that begins in its future.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(1);

/// What to do where this machine's clock and the server's are apart.
fn clocks(rejection: &Rejection, now: Timestamp) -> Option<String> {
    let server = rejection.server_time.filter(|server| now.duration_since(*server).abs() > CLOCKS_APART)?;
    Some(format!(
        "this machine's clock says {now:.0}, and the server's {server:.0}: set the one that is wrong, and run the command again"
    ))
}

/// What to do about the server's errors (Notary v1, "Errors" and "Server rules").
fn advice(rejection: &Rejection) -> Option<&'static str> {
    let name = rejection.detail.as_ref().map(|(name, _)| name.as_str());
    // As gRPC says it, by which a notary-server speaks to its notary-signer.
    if rejection.detail.as_ref().is_some_and(|(_, said)| said.starts_with("rpc error: code = Unavailable")) {
        return Some(
            "the server cannot reach its notary-signer, which has its keys: run the command again when it can",
        );
    }
    Some(match (&*rejection.code, name) {
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
        matches!(&*self.code, "VERSION" | "UPDATING")
    }
}

impl Upload {
    /// Whether all of it is what was read.
    pub(super) fn is_in(&self, read: &Base) -> bool {
        self.files.iter().all(|(role, bytes)| read.hash(role) == Some(Digest::of(bytes)))
    }
}
