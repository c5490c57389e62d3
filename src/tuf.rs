//! Notary v1 TUF without I/O or clock, written as if it were a crate of its own.
//!
//! The update is a machine: [`Update::step`] names the next files, [`Update::feed`] takes what came. What comes
//! out is a [`TrustedRepository`], in which every value is `Verified`. `now` is always an argument.

pub mod canonical;
mod certificate;
mod decode;
mod envelope;
mod error;
mod key;
mod lineage;
mod metadata;
mod paths;
mod pin;
mod repository;
mod role;
mod root;
mod stop;
mod update;
pub mod upload;
mod verify;
mod work;

pub use certificate::{CaBundle, CertificateChain, CertificateError};
pub use error::{RootMismatch, TufError};
pub use key::{KeyError, KeyId, KeyIdentities, KeyIdentity, PublicKey};
pub use pin::{Anchor, Anchors, PinError, RootRotation};
pub use repository::{
    Delegated, HistoricTargets, Lookup, Role, RoleProblem, RoleSigner, TargetEntry, TrustedRepository,
};
pub use role::{Gun, NameError, RoleName};
pub use stop::Stop;
pub use update::{
    Answer, Fetch, FileName, Floor, Floors, FloorsAbove, RootKeys, Selector, Step, Update, UpdateInput,
    Updated,
};
pub use work::Ended;
