//! Tests for policies: images, and what the policies are expected to say of them.
//!
//! [`read`] takes a file apart, [`judge`] asks [`View`](crate::admission::judge::View) about each case, and a [`Judged`] says
//! where the verdict is another than the expected one. Trust data comes from live servers or from a recorded folder
//! ([`Recording`](crate::recording::Recording)).

mod compare;
mod elsewhere;
mod file;
mod judge;
mod junit;
mod show;

pub use self::compare::{Compared, Difference, Outcome};
pub use self::elsewhere::Elsewhere;
pub use self::file::{Case, Expected, PolicySource, Test, Trust, read};
pub use self::judge::{Court, Judged, judge};
pub use self::junit::junit;
pub use self::show::{json, summary, text};
