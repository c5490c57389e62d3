//! What an AdmissionReview asks and what it is answered: image sites, verdict, patch. No HTTP.

pub mod judge;
pub mod object;
pub mod patch;
pub mod response;
pub mod review;
pub mod sites;
