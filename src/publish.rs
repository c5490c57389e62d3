//! The publisher's side of Notary v1: keys, documents, signing, publishing; in docker's and notary's own formats.
//!
//! [`key`] signs, [`external`] has a program sign, [`key_file`] is a key at rest, [`trust_dir`] keeps keys and metadata, [`operation`] says what is to
//! change, and [`publisher`] reads a repository, applies operations, signs, uploads and commits.

pub mod backup;
mod document;
pub mod external;
pub mod key;
pub mod key_file;
pub mod operation;
pub mod passphrase;
pub mod pending;
pub mod publisher;
pub mod trust_dir;
