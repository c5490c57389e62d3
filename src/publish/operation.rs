//! [`Operation`]: what a publisher changes about a repository.

use bytes::Bytes;
use jiff::Timestamp;

use crate::digest::Digest;
use crate::tuf::{KeyId, RoleName};

use super::key::PublicForm;

/// One change. A publish applies a list of them, and uploads once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Make the repository if the server has none: root, targets; timestamp and snapshot keys are the server's, the snapshot
    /// key a local one where `snapshot_key_is_local`.
    Init {
        /// Which root key; `None`: the one that the trust directory has, or a new one.
        root_key: Option<KeyId>,
        /// Whether to sign the snapshot here, as `notary init` does (docker leaves it to the server).
        snapshot_key_is_local: bool,
    },
    /// List a target.
    AddTarget {
        /// In which roles.
        roles: SigningRoles,
        /// The tag.
        name: String,
        /// The manifest's digest.
        digest: Digest,
        /// The manifest's size in bytes.
        length: u64,
    },
    /// List a target no more.
    RemoveTarget {
        /// In which roles.
        roles: SigningRoles,
        /// The tag; `None`: all of them.
        name: Option<String>,
    },
    /// Delegate a role, or add keys and paths to one that is delegated.
    Delegate {
        /// `targets/…`; its parent has to exist.
        role: RoleName,
        /// Keys to add.
        keys: Vec<PublicForm>,
        /// `None` keeps it, or 1 for a new role.
        threshold: Option<u64>,
        /// Path prefixes to add; `[""]` is everything.
        paths: Vec<String>,
    },
    /// Take keys (by the ID that metadata or key stores know them by) or paths from a role.
    Restrict {
        /// Which role.
        role: RoleName,
        /// Keys to take out.
        keys: Vec<KeyId>,
        /// Path prefixes to take out.
        paths: Vec<String>,
    },
    /// Delegate a role no more.
    Undelegate {
        /// Which role.
        role: RoleName,
    },
    /// Sign roles anew, content unchanged.
    Witness {
        /// The root, `targets`, delegation roles.
        roles: Vec<RoleName>,
        /// Files (by their sha256) that the publisher looked at and vouches for, though the present keys of their roles did
        /// not sign them. The server often holds the snapshot key, and could hand a publisher anything to sign.
        looked_at: Vec<Digest>,
    },
    /// Add signatures to a role file that another signer began, and that too few keys signed.
    Adopt {
        /// Which role.
        role: RoleName,
        /// The file.
        file: Bytes,
        /// Files (by their sha256) that the publisher looked at, and is ready to sign.
        looked_at: Vec<Digest>,
    },
    /// Sign anew, content unchanged, every role whose keys are here and whose present keys signed what it lists, if it ends
    /// before then or expired. Where it is asked for, it takes the place of what every publish renews in passing.
    Renew {
        /// When.
        by: Timestamp,
    },
    /// A new root key, made or given; signed by the old ones too.
    RotateRoot {
        /// `None`: make one.
        new_key: Option<KeyId>,
    },
    /// Other keys of the root or of `targets`, or another threshold; the keys that are not named stay.
    ChangeKeys {
        /// `root` or `targets`.
        role: RoleName,
        /// How many of the keys have to sign; `None` keeps it.
        threshold: Option<u64>,
        /// Keys to add. One that the role has already, under another certificate, is listed by the new one.
        add: Vec<KeyToAdd>,
        /// Keys to take out, by the ID that metadata or key stores know them by.
        remove: Vec<KeyId>,
    },
    /// A new local key for `targets` or `snapshot`.
    RotateLocal {
        /// Which role.
        role: RoleName,
        /// `None`: make one.
        new_key: Option<KeyId>,
    },
    /// A new key that the server makes, for `timestamp` or `snapshot`.
    RotateServerManaged {
        /// Which role.
        role: RoleName,
    },
}

/// A key that a base role gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyToAdd {
    /// A private key of the trust directory.
    Held(KeyId),
    /// The public half of somebody else's: for the root a certificate.
    Given(PublicForm),
}

/// In which roles a target is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningRoles {
    /// Docker's rule: every direct delegation whose key is here and whose paths allow, or `targets` where nothing is
    /// delegated (Notary v1, "Publishing").
    Docker,
    /// These and no others.
    These(Vec<RoleName>),
}
