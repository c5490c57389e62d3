//! The resolver against fake trust servers, by the lines of the attack catalogue.

mod background;
mod budget;
mod delegations;
mod digests;
mod disk;
mod edits;
mod edits_random;
mod first_use;
mod flights;
mod floors;
mod freshness;
mod grants;
mod health;
mod metrics;
mod outages;
mod past;
mod refusals;
mod resets;
mod revocation;
mod root_keys;
mod state;
mod unseen;
mod warm;
mod world;
