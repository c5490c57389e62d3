//! What strangers may send to `tagseal serve`, played at a process of its own: what it holds in memory meanwhile and
//! afterwards, and how long other people's admissions take.

mod anchors;
mod files;
mod hostile;
mod large;
mod paths;
mod policies;
mod process;
mod raw;
mod reviews;
mod roots;
mod signatures;
mod transport;
mod webhook;
