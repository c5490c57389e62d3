//! The one integration-test binary.

mod crds;
mod policy;
mod support;
