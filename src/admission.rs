//! What an AdmissionReview asks and what it is answered: image sites, verdict, patch. No HTTP.

mod changes;
mod counts;
mod decide;
mod exempting;
pub mod judge;
mod line;
mod object;
mod observer;
mod patch;
mod policies;
mod reading;
mod record;
mod response;
pub mod review;
pub mod sites;
mod subject;
mod text;
mod verdict;

pub use counts::DecisionCounts;
pub use decide::{Admission, AnswerError};
pub use object::{Child, Entry, ImageField, Metadata, Node, Text};
pub use observer::{Decided, Observer};
pub use policies::{PolicyReview, Surroundings};
pub use response::Answered;
pub use subject::Subject;
pub use verdict::{Decision, Hook, Judged, Verdict};
