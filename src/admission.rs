//! What an AdmissionReview asks and what it is answered: image sites, verdict, patch. No HTTP.
