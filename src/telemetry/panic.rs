//! What a panic said, for the log: it is a defect that somebody has to find.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};

/// The message of a panic that was caught.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("no message")
}

/// Panics are logged from now on, and not printed: whoever reads standard error may have stopped.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        let thread = std::thread::current();
        let (thread, message) = (thread.name(), panic_message(panic.payload()));
        tracing::error!(at, thread, backtrace, "a panic, which is a defect: {message}");
    }));
}
