//! [`MoveError`]: why a repository was not moved, and what to do about it.

use super::super::error::{PublishError, list_of};
use crate::tuf::{Gun, KeyId, RoleName};

/// Why a repository was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// Reading, signing or uploading failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// One of the two servers failed.
    #[error("{server}: {error}")]
    AtServer {
        /// Which.
        server: String,
        /// Why.
        error: Box<PublishError>,
    },
    /// Both names are of one server.
    #[error(
        "{from} and {to} show the same files of {gun}, under the same keys: they are one server, and nothing is to be moved"
    )]
    SameServer {
        /// Which repository.
        gun: Gun,
        /// The first name.
        from: String,
        /// The second.
        to: String,
    },
    /// There is another repository of this name.
    #[error(
        "{to} has another repository {gun}, and it is not written over: its {role} keys are {}, and those of {gun} at {from} \
         are {}. If nobody needs it, `tagseal trust delete {gun} --server {to}` deletes it",
        list_of(.theirs), list_of(.ours)
    )]
    Occupied {
        /// Which repository.
        gun: Gun,
        /// Where it is.
        from: Box<str>,
        /// Where the other is.
        to: Box<str>,
        /// `root` or `targets`.
        role: RoleName,
        /// The canonical IDs of the other's keys.
        theirs: Box<[KeyId]>,
        /// Those of the keys of the one that was to be moved.
        ours: Box<[KeyId]>,
    },
    /// Both servers have what the other has not.
    #[error(
        "{gun} was published to at {from} and at {to} since it was moved, and what {role} lists differs: nothing was moved. \
         Publish at {to} what is missing there"
    )]
    Parted {
        /// Which repository.
        gun: Gun,
        /// Where it was.
        from: String,
        /// Where it was moved to.
        to: String,
        /// The first role that differs.
        role: RoleName,
    },
    /// Too few root keys are here.
    #[error(
        "moving {gun} takes its root key: {threshold} of {} have to sign, and of these {} are here. Restore the others with \
         `tagseal trust key restore`, or run this where they are",
        list_of(.keys), list_of(.here)
    )]
    RootKeysMissing {
        /// Which repository.
        gun: Gun,
        /// How many have to sign.
        threshold: u64,
        /// The canonical IDs of the root keys.
        keys: Vec<KeyId>,
        /// Those that are here.
        here: Vec<KeyId>,
    },
    /// The certificate of a root key has expired.
    #[error(
        "the certificate of a root key of {gun} has expired, and no server takes a root under it: delete the repository with \
         `tagseal trust delete` and publish it anew; its keys stay"
    )]
    CertificateExpired {
        /// Which repository.
        gun: Gun,
    },
    /// The server takes nothing that counts for nobody.
    #[error(
        "{to} takes no role that has expired, or that its present keys did not sign: {}. Whoever has its keys signs it anew at \
         the old server, with `tagseal trust witness ROLE {gun}`; a delegation stays behind with `--leave-out ROLE`",
        list_of_roles(.roles)
    )]
    Unacceptable {
        /// Which repository.
        gun: Gun,
        /// The new server.
        to: String,
        /// The roles, and what is wrong with each.
        roles: Vec<(RoleName, &'static str)>,
    },
    /// No such delegation.
    #[error("--leave-out {role}: {gun} has no such delegation")]
    NothingToLeaveOut {
        /// Which repository.
        gun: Gun,
        /// The role.
        role: RoleName,
    },
    /// It would take too many uploads.
    #[error(
        "clients have seen version {timestamp} of the timestamp of {gun}, and the new server counts its own one up with each \
         upload: that would take {uploads} uploads, and at most {limit} are made; allow more with `--max-uploads {uploads}`"
    )]
    TooManyUploads {
        /// Which repository.
        gun: Gun,
        /// The version of the timestamp.
        timestamp: u64,
        /// How many there would be.
        uploads: u64,
        /// How many there may be.
        limit: u64,
    },
    /// It has too many roots.
    #[error(
        "the root of {gun} is version {version}, and the new server takes each version in an upload of its own: that would \
         take {uploads} uploads, and at most {limit} are made; allow more with `--max-uploads {uploads}`"
    )]
    TooManyRoots {
        /// Which repository.
        gun: Gun,
        /// The version of its root.
        version: u64,
        /// How many uploads there would be.
        uploads: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The new server did not count its timestamps up as it should.
    #[error(
        "{to} has version {is} of the timestamp of {gun}, which is not above {floor}, the one that clients have seen: they \
         would refuse it; run the command again"
    )]
    TimestampBehind {
        /// Which repository.
        gun: Gun,
        /// The new server.
        to: String,
        /// Its version.
        is: u64,
        /// The one to exceed.
        floor: u64,
    },
}

fn list_of_roles(roles: &[(RoleName, &'static str)]) -> String {
    roles.iter().map(|(role, what)| format!("{role} ({what})")).collect::<Vec<_>>().join(", ")
}
