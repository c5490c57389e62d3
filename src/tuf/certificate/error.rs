//! [`CertificateError`]: why a certificate does not make a key count.

use jiff::Timestamp;

use crate::tuf::key::KeyError;
use crate::tuf::role::Gun;

/// Why a certificate does not make a key count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM, or not certificates.
    #[error("not PEM certificates: {0}")]
    Pem(String),
    /// Not a certificate.
    #[error("not a certificate: {0}")]
    Der(String),
    /// No certificate, or too many.
    #[error("{found} certificates, 1 to {max} are accepted")]
    Count {
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A root key's certificates have exactly one leaf.
    #[error("{found} of the certificates are leaves, exactly one is to be")]
    Leaves {
        /// How many are no CA.
        found: usize,
    },
    /// A root key's leaf stands first.
    #[error("the first certificate is a CA, the leaf is to stand first")]
    LeafNotFirst,
    /// The PEM is not as Go writes it, so Notary's clients compute another key ID for it.
    #[error("the PEM is not in Notary's form (64-column lines, nothing between the blocks)")]
    Form,
    /// The common name is neither the GUN nor a prefix of it that ends in `*`.
    #[error("the certificate is for {found:?}, not for {gun}")]
    Name {
        /// The repository.
        gun: Gun,
        /// The certificate's common name.
        found: String,
    },
    /// There is no common name, or more than one, or one that cannot be read.
    #[error("the certificate does not have exactly one readable common name")]
    NoName,
    /// Not valid yet.
    #[error("the certificate of {name:?} is valid from {not_before}, it is {now}")]
    NotYetValid {
        /// The certificate's common name.
        name: String,
        /// When it starts.
        not_before: Timestamp,
        /// The time of the judgement.
        now: Timestamp,
    },
    /// Not valid any more.
    #[error("the certificate of {name:?} was valid until {not_after}, it is {now}")]
    Expired {
        /// The certificate's common name.
        name: String,
        /// When it ended.
        not_after: Timestamp,
        /// The time of the judgement.
        now: Timestamp,
    },
    /// It ends before it begins.
    #[error("the certificate of {name:?} ends before it begins")]
    Never {
        /// The certificate's common name.
        name: String,
    },
    /// Signed with SHA-1 or older.
    #[error("the certificate of {name:?} is signed with {algorithm}")]
    WeakSignature {
        /// The certificate's common name.
        name: String,
        /// The algorithm.
        algorithm: &'static str,
    },
    /// Its key cannot be used.
    #[error("the certificate of {name:?}: {error}")]
    Key {
        /// The certificate's common name.
        name: String,
        /// What is wrong with the key.
        error: Box<KeyError>,
    },
    /// The chain does not lead to a pinned authority.
    #[error("{name:?} is not issued by a pinned authority: nothing here is {issuer:?}")]
    NoIssuer {
        /// Where the chain ends.
        name: String,
        /// The issuer that was looked for.
        issuer: String,
    },
    /// The signature is not its issuer's.
    #[error("{name:?} is not signed by the {issuer:?} that is here")]
    BadSignature {
        /// The certificate.
        name: String,
        /// The issuer's name.
        issuer: String,
    },
    /// The signature algorithm is not supported for the issuer's key.
    #[error("{name:?} is signed with {algorithm}, which is not supported for the issuer's key")]
    SignatureAlgorithm {
        /// The certificate.
        name: String,
        /// The object identifier.
        algorithm: String,
    },
    /// No CA: basicConstraints or keyUsage do not let it issue certificates.
    #[error("{name:?} may not issue certificates")]
    NotAuthority {
        /// The certificate.
        name: String,
    },
    /// More certificates below an authority than it allows, or than tagseal follows.
    #[error("the chain below {name:?} is too long")]
    PathTooLong {
        /// The authority.
        name: String,
    },
    /// A critical extension that is not understood.
    #[error("{name:?} has the critical extension {oid}, which is not supported")]
    CriticalExtension {
        /// The certificate.
        name: String,
        /// The extension's object identifier.
        oid: String,
    },
    /// Too many signatures would have to be checked.
    #[error("the chain has too many possible issuers")]
    TooMuchWork,
}
