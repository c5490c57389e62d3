//! What strangers may send to `tagseal serve`, played at a process of its own: what it holds in memory meanwhile and
//! afterwards, and how long other people's admissions take.
//!
//! The plain run plays two attacks at once, some of them smaller (`is_soak` says which), and a bystander's p99 stays below five
//! seconds. `make soak` plays them one after the other in their whole size, and the p99 stays below five times its own.

mod anchors;
mod files;
mod hostile;
mod large;
mod past;
mod paths;
mod policies;
mod process;
mod raw;
mod reviews;
mod roots;
mod set_bounds;
mod signatures;
mod transport;
mod webhook;
