//! The `tagseal` binary itself, run as a user runs it: what it does, what it says, and how it ends.

mod expiry;
mod external;
mod from_cluster;
mod holders;
mod inspect;
mod inventory;
mod keys;
mod krm;
mod life;
mod moving;
mod pin;
mod refusals;
mod renew;
mod revoking;
pub mod run;
pub mod serve;
mod shown;
mod stalled;
mod together;
mod verify;
mod verify_files;
