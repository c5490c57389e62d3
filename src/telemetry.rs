//! Telemetry: log lines, and the metrics that Prometheus scrapes.

mod heartbeat;
mod lines;
mod log;
mod metrics;
mod panic;

pub use heartbeat::Heartbeat;
pub use lines::Lines;
pub use log::{LogFormat, start};
pub use metrics::{
    Counter, Endpoint, Figures, Metrics, Outcome, PolicyCounts, PolicyFigures, PolicyVerdict, PoolCounts,
    ServerCounts,
};
pub use panic::panic_message;
