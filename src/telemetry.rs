//! Telemetry: log lines, and the metrics that Prometheus scrapes.

mod log;
mod metrics;

pub use log::{LogFormat, start};
pub use metrics::{
    Answered, Counter, Endpoint, Figures, Metrics, PolicyCounts, PolicyFigures, PolicyVerdict, ServerCounts,
};
