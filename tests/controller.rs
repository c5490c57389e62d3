//! The controller against an API server in memory, which records every request and serves no other.

pub mod api_server;
mod cable;
mod certificates;
mod coverage;
mod events;
mod exemptions;
mod figures;
mod in_flight;
mod in_force;
mod leader;
mod leadership;
mod namespaces;
mod outage;
mod policies;
mod pull_secrets;
mod references;
mod repositories;
mod rounds;
mod status;
mod trust_data;
mod warm_up;
mod world;
