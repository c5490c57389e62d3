//! The sandbox: its parts, each by itself, its story, and its command.

mod cluster;
mod command;
mod pulls;
mod registry;
mod server;
mod session;
mod story;
