//! Publishing against the embedded server: operations, refusals, faults on the way, and random sequences against a model.

mod between;
mod faults;
mod model;
mod operations;
mod refusals;
mod renewing;
mod together;
mod world;

use crate::support::deal;
