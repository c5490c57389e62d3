//! Log lines, as JSON or text.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use tracing_subscriber::EnvFilter;

use super::lines::{Lines, Writers};
use super::metrics::Metrics;
use super::panic::log_panics;
use crate::foreign::{json, one_line};

/// What is logged unless `RUST_LOG` says otherwise. kube's own account of every retry would bury what tagseal says of it.
const FILTER: &str = "warn,kube_client=off,kube_runtime=off,tagseal=info";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Starts logging for the process, panics included. `RUST_LOG` sets the filter. From now on nothing else may write to standard
/// error, which may have nobody who reads it. A subscriber that somebody else installed (a test, say) stays.
///
/// # Errors
/// When there can be no thread that writes, or no second handle of standard error.
pub fn start(format: LogFormat, metrics: Metrics) -> io::Result<Lines> {
    // Not through `std::io::stderr`, whose lock this thread would hold for as long as nobody reads.
    let sink = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let lines = Lines::to(sink, metrics)?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    let shown = match format {
        LogFormat::Json => json,
        LogFormat::Text => text,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Writers { lines: lines.clone(), shown })
        .log_internal_errors(false);
    let _ = match format {
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => log.with_ansi(false).try_init(),
    };
    log_panics();
    Ok(lines)
}

/// A line for people. It may hold what somebody else wrote, so it has no colours: their escapes would be let through with it.
fn text(line: &str) -> Cow<'_, str> {
    one_line(line, usize::MAX)
}
