//! [`PublishError`]: why nothing was published, and what to do about it.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::digest::Digest;
use crate::notary::{Rejection, RemoteError};
use crate::publish::external::ExternalError;
use crate::publish::key::KeyFault;
use crate::publish::key_file::KeyFileError;
use crate::publish::passphrase::PassphraseError;
use crate::publish::trust_dir::TrustDirError;
use crate::tuf::{Gun, KeyId, RoleName, TufError};

/// Why nothing was published. Every message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    // The repository at the server.
    /// The server knows no such repository.
    #[error("{gun} has no trust data at the server: make it with `tagseal trust init {gun}`")]
    NotInitialised {
        /// Which.
        gun: Gun,
    },
    /// The trust directory knows the repository, and the server does not.
    #[error(
        "{gun} was published from this trust directory before, and {server} has no trust data for it any more: check the \
         server; if it was deleted on purpose, run `tagseal trust delete {gun}` to forget it here too, and publish again"
    )]
    GoneFromServer {
        /// Which.
        gun: Gun,
        /// The server's address.
        server: String,
    },
    /// What the server has does not verify.
    #[error(
        "the trust data that the server has for {gun} cannot be believed, so nothing is built on it: {error}"
    )]
    Untrusted {
        /// Which.
        gun: Gun,
        /// Why.
        error: Box<TufError>,
    },
    /// The root expired, and with it the server's means to vouch for anything.
    #[error(
        "the root of {gun} expired at {expires}, and the server can sign nothing under it ({cause}): where its key is, try \
         `tagseal trust rotate root {gun}`; where that is refused, `tagseal trust delete {gun}` and publish it anew: its keys \
         stay"
    )]
    RootExpired {
        /// Which repository.
        gun: Gun,
        /// When.
        expires: Timestamp,
        /// What the server said.
        cause: String,
    },
    /// The root in the trust directory cannot be read.
    #[error(
        "the root of {gun} in {path} is damaged: {error}; restore it from a backup, or remove the file to trust the \
         server's root anew"
    )]
    DamagedRoot {
        /// Which repository.
        gun: Gun,
        /// The trust directory.
        path: PathBuf,
        /// What is wrong.
        error: Box<TufError>,
    },
    /// The server did not answer, or denies access; nothing was published.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// There was no answer to the upload, and the server does not have it.
    #[error("nothing was published: {cause}. The server does not have the upload now: run the command again")]
    NotArrived {
        /// What happened to the upload.
        cause: RemoteError,
    },
    /// There was no answer to the upload, and the server cannot be asked what became of it.
    #[error(
        "{cause}; nor can the server be asked now. Run the same command again: it looks first, and publishes only what is \
         missing"
    )]
    UnknownOutcome {
        /// What happened to the upload.
        cause: RemoteError,
    },
    /// Somebody else published, again and again.
    #[error(
        "others published to {gun} first, {times} times within {seconds} s; nothing was published: run the command again, or \
         with a longer --timeout"
    )]
    Stale {
        /// Which.
        gun: Gun,
        /// How often.
        times: u32,
        /// For how long it was tried, in seconds.
        seconds: u64,
    },
    /// Somebody else published each time that the repository was read, or a cache before the server is behind.
    #[error(
        "the server has files of {gun} that its timestamp does not know of yet: others are publishing, or a cache before the \
         server is behind; nothing was published: run the command again in some minutes"
    )]
    Unsettled {
        /// Which.
        gun: Gun,
    },
    /// The server lost the timestamp key that the root lists.
    #[error(
        "the server no longer has the timestamp key of {gun} and cannot sign: whoever has the root key gives it a new one with \
         `tagseal trust rotate timestamp {gun}`"
    )]
    TimestampKeyLost {
        /// Which.
        gun: Gun,
    },
    /// The server lost both of the keys that it had.
    #[error(
        "the server no longer has the keys that the root of {gun} lists for it, of snapshot and timestamp, and cannot sign: \
         whoever has the root key gives it new ones with `tagseal trust rotate snapshot timestamp {gun}`"
    )]
    ServerKeysLost {
        /// Which.
        gun: Gun,
    },
    /// The server said no, for a reason of its own.
    #[error("the update was refused: {rejection}{advice}")]
    Refused {
        /// In its words.
        rejection: Box<Rejection>,
        /// What to do, beginning with a separator; empty where nothing is known.
        advice: String,
    },

    // Keys.
    /// Too few of the root's keys are in the trust directory.
    #[error(
        "the root key of {gun} is not here: restore one of {} with `tagseal trust key restore`, or run this where it is. \
         A root key that is lost for good means a new repository: no key of it can be replaced any more",
        list_of(.keys)
    )]
    RootKeyNotHeld {
        /// Which repository.
        gun: Gun,
        /// Canonical IDs of the keys that would do.
        keys: Vec<KeyId>,
    },
    /// The repository key is not in the trust directory.
    #[error(
        "the repository key (targets) of {gun} is not here: restore one of {}, or run this where it is. If it is lost, \
         whoever has the root key replaces it with `tagseal trust rotate targets {gun}`",
        list_of(.keys)
    )]
    TargetsKeyNotHeld {
        /// Which repository.
        gun: Gun,
        /// Canonical IDs of the keys that would do.
        keys: Vec<KeyId>,
    },
    /// The snapshot key is neither the server's nor in the trust directory.
    #[error(
        "the snapshot of {gun} is signed by a key that is neither here nor the server's: bring one of {}; or, if nobody has it \
         any more, give the snapshot to the server with `tagseal trust rotate snapshot --server-managed {gun}` (it takes the \
         root key)",
        list_of(.keys)
    )]
    SnapshotKeyNotHeld {
        /// Which repository.
        gun: Gun,
        /// Canonical IDs of the keys that would do.
        keys: Vec<KeyId>,
    },
    /// No key of a delegation role is in the trust directory.
    #[error(
        "no key of {role} is here; its keys are {}. Run this where one of them is, or have the repository's administrator \
         add yours with `tagseal trust signer add`",
        list_of(.keys)
    )]
    DelegationKeyNotHeld {
        /// Which role.
        role: RoleName,
        /// Canonical IDs of the keys that would do.
        keys: Vec<KeyId>,
    },
    /// Some keys of a role are here, but fewer than have to sign.
    #[error(
        "insufficient signatures for {role}: {threshold} keys have to sign, of which {} is here, and {} not; nothing was \
         published. Sign with `--pending FILE` what can be signed here, and hand the file to whoever has a missing key: \
         `tagseal trust witness {role} {gun} --pending FILE` adds a signature, and publishes when there are enough",
        signers(.here), signers(.missing)
    )]
    InsufficientSignatures {
        /// Which role.
        role: RoleName,
        /// Of which repository.
        gun: Gun,
        /// How many have to sign.
        threshold: u64,
        /// The keys that are here, or signed already.
        here: Vec<Signer>,
        /// Those that are not.
        missing: Vec<Signer>,
    },
    /// What is to be a root key is listed by no certificate that can stand for the repository.
    #[error(
        "{id} cannot be a root key of {gun}: {why}. Its holder makes the certificate with `tagseal trust key certificate {gun} \
         -o FILE`, and hands you that file"
    )]
    NotARootKey {
        /// Which repository.
        gun: Gun,
        /// The key, by its canonical ID.
        id: KeyId,
        /// Why.
        why: String,
    },
    /// A role has several keys, and no word says which of them is replaced.
    #[error(
        "{role} of {gun} has several keys, of which {threshold} have to sign: {}. Say which goes and which comes: `tagseal \
         trust rotate {role} {gun} --remove-key ID --add-key KEY`",
        list_of(.keys)
    )]
    SeveralKeys {
        /// Which role.
        role: RoleName,
        /// Of which repository.
        gun: Gun,
        /// How many have to sign.
        threshold: u64,
        /// The role's, by canonical ID.
        keys: Vec<KeyId>,
    },
    /// A role file that another signer began cannot be signed any more.
    #[error(
        "what was begun of {role} cannot be published any more: {why}; begin anew with `--pending` and another file"
    )]
    PendingUnusable {
        /// Which role.
        role: RoleName,
        /// Why.
        why: String,
    },
    /// A file of pending signatures is not what it says it is, or does not follow from what the trust directory knows.
    #[error("nothing is signed for {gun}: {why}")]
    PendingRefused {
        /// Which repository.
        gun: Gun,
        /// Why.
        why: String,
    },
    /// No key is here that could sign what others began, and did not yet.
    #[error(
        "no key is here that could add a signature: signed by {}, and to be signed by {}; `tagseal trust key list` shows the \
         keys that are here",
        signers(.signed), signers(.missing)
    )]
    NothingToSign {
        /// Who signed it.
        signed: Vec<Signer>,
        /// Who can besides.
        missing: Vec<Signer>,
    },
    /// A role file that another signer began is signed by whoever looked at it.
    #[error("look at what is to be signed in {role} first: {}", changes.join(", "))]
    PendingNotLookedAt {
        /// Which role.
        role: RoleName,
        /// The file.
        sha256: Digest,
        /// What it changes.
        changes: Vec<String>,
        /// Who signed it so far.
        signed_by: Vec<Signer>,
    },
    /// Docker's rule found no role to sign.
    #[error(
        "{gun} delegates signing, and no key for a delegation that may list {tag:?} is here: {}; ask the repository's \
         administrator for `tagseal trust signer add --key YOUR.pub NAME {gun}`",
        each_of(.roles)
    )]
    NoSignableRole {
        /// Which repository.
        gun: Gun,
        /// The tag.
        tag: String,
        /// The delegations, with the canonical IDs of their keys.
        roles: Vec<(RoleName, Vec<KeyId>)>,
    },
    /// Several root keys are here.
    #[error("several root keys are here: {}; say which with `--root-key ID`", list_of(.keys))]
    SeveralRootKeys {
        /// Their canonical IDs.
        keys: Vec<KeyId>,
    },
    /// No such key in the trust directory.
    #[error(
        "there is no private key {id} in the trust directory: `tagseal trust key list` shows those that are"
    )]
    NoSuchKey {
        /// Its canonical ID.
        id: KeyId,
    },
    /// There is no passphrase.
    #[error("the {role} key {id} is encrypted: {error}")]
    Passphrase {
        /// The key's role.
        role: String,
        /// Its canonical ID.
        id: KeyId,
        /// What was tried.
        error: PassphraseError,
    },
    /// Wrong, every time.
    #[error(
        "the passphrase for the {role} key {id} is wrong (tried {attempts} times); nothing was published"
    )]
    WrongPassphrase {
        /// The key's role.
        role: String,
        /// Its canonical ID.
        id: KeyId,
        /// How often it was tried.
        attempts: u32,
    },
    /// A key file cannot be used.
    #[error("the key file of {id}: {error}")]
    KeyFile {
        /// Its canonical ID.
        id: KeyId,
        /// Why.
        error: KeyFileError,
    },
    /// The program that signs with an external key gave no signature.
    #[error("the {role} key {id} did not sign, and nothing was published: {error}")]
    External {
        /// The key's role.
        role: String,
        /// Its canonical ID.
        id: KeyId,
        /// Why.
        error: Box<ExternalError>,
    },
    /// A key cannot be made or used.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The trust directory cannot be used.
    #[error(transparent)]
    TrustDir(#[from] TrustDirError),

    // What was asked for.
    /// No role of this name is delegated.
    #[error("{role} is not delegated: `tagseal trust inspect` shows the roles that are")]
    NotDelegated {
        /// Which.
        role: RoleName,
    },
    /// The role does not take this operation.
    #[error("{operation} is for {takes}, not for {role}")]
    WrongRole {
        /// What was asked.
        operation: &'static str,
        /// Which roles take it.
        takes: &'static str,
        /// Which role was named.
        role: RoleName,
    },
    /// The role's paths do not cover the name, so nobody would look at it.
    #[error("{role} may not list {name:?}: its paths are {paths:?}")]
    PathNotAllowed {
        /// Which role.
        role: RoleName,
        /// The target, or the path.
        name: String,
        /// What is allowed.
        paths: Vec<String>,
    },
    /// No tag of this name that could be removed.
    #[error("{name:?} is not signed in {gun}, at least in no role that is asked for")]
    NotListed {
        /// Which repository.
        gun: Gun,
        /// The tag.
        name: String,
    },
    /// A tag that is empty or has control characters, which Notary cannot publish.
    #[error("{name:?} cannot be signed: the name of a target is not empty and has no control characters")]
    BadTargetName {
        /// The name.
        name: String,
    },
    /// The key is not in the role.
    #[error("{id} is no key of {role}; its keys are {}", list_of(.keys))]
    KeyNotInRole {
        /// Which role.
        role: RoleName,
        /// Which key.
        id: KeyId,
        /// The role's, by canonical ID.
        keys: Vec<KeyId>,
    },
    /// The path is not among the role's.
    #[error("{path:?} is no path of {role}; its paths are {paths:?}")]
    PathNotInRole {
        /// Which role.
        role: RoleName,
        /// Which path.
        path: String,
        /// The role's.
        paths: Vec<String>,
    },
    /// Nothing to witness.
    #[error("{role} was never signed, so there is nothing to witness: sign a tag in it")]
    NeverSigned {
        /// Which role.
        role: RoleName,
    },
    /// The signatures on a role's file do not count (any more), so what it lists may be anybody's, the server's included.
    #[error(
        "what {role} lists is not signed by its present keys, so nothing is built on it: `tagseal trust witness {role} \
         REPOSITORY` shows it, and signs it as it is if you say that all of it is right; then run this again"
    )]
    NotValidlySigned {
        /// Which role.
        role: RoleName,
    },
    /// A witness of what nobody vouches for.
    #[error(
        "what {role} lists is not signed by its present keys; sign it as it is only if all of this is right: {}",
        listed.join(", ")
    )]
    NotLookedAt {
        /// Which role.
        role: RoleName,
        /// The file.
        sha256: Digest,
        /// The tags that it lists, each with its digest.
        listed: Vec<String>,
    },
    /// The role would have fewer keys than have to sign.
    #[error(
        "{role} would have {keys} distinct keys, and {threshold} have to sign it, so nobody could: add keys first, or lower \
         the threshold"
    )]
    TooFewKeys {
        /// Which role.
        role: RoleName,
        /// Distinct keys that could sign.
        keys: u64,
        /// How many have to.
        threshold: u64,
    },
    /// A file has no shape that can be edited.
    #[error("the {role} metadata cannot be edited: {what}")]
    Malformed {
        /// Which role.
        role: RoleName,
        /// What is wrong.
        what: String,
    },
    /// Notary's numbers end at 2^53.
    #[error(
        "version {version} of {role} cannot be raised: Notary's versions end at 2^53. Whoever signed it used them up; rotate \
         the key of whoever that was, delete the repository at the server and publish it anew"
    )]
    VersionExhausted {
        /// Which role.
        role: RoleName,
        /// Its version.
        version: u64,
    },
}

/// A key, and the signer whose key it is, where a delegation says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Its canonical ID.
    pub id: KeyId,
    /// The signer's name.
    pub name: Option<String>,
}

impl std::fmt::Display for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} ({name})", self.id),
            None => write!(f, "{}", self.id),
        }
    }
}

fn signers(signers: &[Signer]) -> String {
    if signers.is_empty() {
        return "none".to_owned();
    }
    signers.iter().map(Signer::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn list_of(keys: &[KeyId]) -> String {
    match keys {
        [] => "(none)".to_owned(),
        keys => keys.iter().map(KeyId::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn each_of(roles: &[(RoleName, Vec<KeyId>)]) -> String {
    let each = roles.iter().map(|(role, keys)| format!("{role} needs one of {}", list_of(keys)));
    match each.collect::<Vec<_>>().join("; ") {
        none if none.is_empty() => "none may".to_owned(),
        some => some,
    }
}
