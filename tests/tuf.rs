//! The update machine and what it yields, driven without I/O.

mod checks;
mod conformance;
mod delegations;
mod driver;
mod exhaustion;
mod fuzz;
mod hashes;
mod roots;
mod samples;
mod server;
mod sharing;
mod stopping;
mod successors;
