//! What tagseal promises, shown through kubectl. `tagseal verify` is asked in every case too, and must agree.

mod admission;
mod availability;
mod certificates;
mod chart;
mod harness;
mod helm;
mod image;
mod mutation;
mod outages;
mod policies;
mod policy_webhook;
mod publishing;
mod quorum;
mod refusals;
mod replicas;
mod rights;
mod sandbox;
mod signing;
mod signing_docker;
mod signing_failures;
mod signing_keys;
mod signing_killed;
mod signing_model;
mod sites;
mod trust_server;
mod webhooks;
