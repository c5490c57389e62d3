//! The sandbox's parts, each by itself.

mod server;
