//! The endpoint that judges policies: what is refused at `kubectl apply`, what is warned of, what never is refused.

mod bodies;
mod coverage;
mod defects;
mod exemptions;
mod pull_rights;
mod references;
mod refusals;
mod world;
