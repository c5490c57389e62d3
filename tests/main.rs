//! The one integration-test binary.

mod notary;
mod support;
