//! [`Reason`]: the stable names of every verdict that is not "admitted" (design §6).

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Why an image is not admitted. The same word in denials, conditions, metrics, CLI JSON and exit text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])* $name,)* }

        impl Reason {
            /// Every reason, in the order of the design's table.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];

            /// The CamelCase word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)* }
            }

            /// What it means, in a sentence.
            pub const fn description(self) -> &'static str {
                match self { $(Reason::$name => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

reasons! {
    /// No required role lists the tag.
    NotSigned,
    /// A required delegation is not declared, or not in the snapshot.
    DelegationMissing,
    /// A required delegation is there but may not be believed.
    DelegationUnusable,
    /// Some valid signatures, too few.
    ThresholdNotMet,
    /// Required delegations, or policies, name different digests.
    ConflictingDigests,
    /// Tag and digest disagree.
    DigestMismatch,
    /// The digest is signed under no tag by the required delegations.
    DigestNotSigned,
    /// The digest was signed once; its tag or its signer was removed.
    DigestRevoked,
    /// The image would be admitted, but arrives without its digest.
    NotSealed,
    /// The root is not the pinned one, nor reached from it.
    RootMismatch,
    /// Nothing says which root to trust.
    RootNotPinned,
    /// No signature is valid.
    InvalidSignature,
    /// Metadata is past its expiry.
    Expired,
    /// A version below one seen before.
    Rollback,
    /// Metadata is absent, unreadable or not what its parent says.
    InvalidMetadata,
    /// The trust server knows no such repository.
    RepositoryNotFound,
    /// The trust server refuses the credentials.
    Unauthorized,
    /// The trust server does not answer.
    TrustServerUnreachable,
    /// Verified data is older than `maxStaleness`.
    TooStale,
    /// The image string cannot be read.
    InvalidReference,
    /// A policy that could match cannot be decoded or compiled.
    InvalidPolicy,
    /// No policy matches and unmatched images are denied.
    NoPolicy,
    /// Policies are not loaded yet.
    NotSynced,
    /// The admission's own deadline came first.
    DeadlineExceeded,
    /// A kind or version that the webhook does not know.
    UnsupportedObject,
    /// Floors or pins could not be read or written.
    StateUnavailable,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
