//! The update machine and what it yields, driven without I/O.

mod conformance;
mod driver;
mod samples;
