//! What a test's code logged, on the thread of the test.

use std::io;
use std::sync::{Arc, Mutex, Once};

use serde_json::Value;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;

/// What was logged since it was made, INFO and above.
pub struct Log {
    lines: Lines,
    _guard: DefaultGuard,
}

impl Log {
    /// As lines of text.
    pub fn text() -> Self {
        let lines = Lines::listen();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false);
        let subscriber = subscriber.with_max_level(Level::INFO).with_writer(lines.clone()).finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// As JSON.
    pub fn json() -> Self {
        let lines = Lines::listen();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).without_time().with_target(false);
        let subscriber = subscriber.with_max_level(Level::INFO).with_writer(lines.clone()).finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub fn read(&self) -> String {
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of JSON since the last time.
    pub fn take(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.lines.0.lock().unwrap());
        let lines = String::from_utf8(bytes).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// It was told, quotes and all.
    #[track_caller]
    pub fn told(&self, text: &str) {
        let log = self.read().replace("\\\"", "\"");
        assert!(log.contains(text), "no {text:?} in\n{log}");
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn listen() -> Self {
        static ONCE: Once = Once::new();
        // tracing asks once for each place that logs whether anybody listens, and asks the thread that comes by first. That
        // may be another test's, which does not.
        ONCE.call_once(|| tracing::subscriber::set_global_default(Undecided).unwrap());
        Self::default()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Listens to nothing, and wants to be asked each time.
struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
