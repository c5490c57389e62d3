//! The one integration-test binary.

mod crds;
mod support;
