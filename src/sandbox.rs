//! Everything on one bare machine: an embedded Notary v1 server, a small registry, tagseal's own webhook, and the story
//! that plays on them.

pub mod cluster;
pub mod registry;
pub mod server;
pub mod stage;
pub mod story;
