//! `tagseal test`: policies against cases, by live servers and by recorded ones.

mod example;
mod files;
mod recorded;
mod world;
