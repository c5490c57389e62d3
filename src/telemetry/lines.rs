//! [`Lines`]: log lines on their way to standard error. Whoever logs leaves its line in a bounded queue and goes on; a thread of its
//! own writes, and waits for whoever reads. What the queue has no room for is dropped and counted.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::metrics::Metrics;

/// What waits to be written: so many lines at most ...
const MAX_LINES: usize = 10_000;
/// ... of so many bytes in all. They are allocated only while nobody reads.
const MAX_BYTES: usize = 4 << 20;
/// What is kept allocated.
const KEPT_BYTES: usize = 64 << 10;
/// How long until a write is tried again that would have had to wait: some other process made standard error so.
const PAUSE: Duration = Duration::from_millis(20);

thread_local! {
    /// Whether this is the thread that writes.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// Lines that wait to be written. Clones share everything.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write.
    filled: Condvar,
    /// All that there was is written, or lost.
    emptied: Condvar,
    metrics: Metrics,
}

#[derive(Default)]
struct Queue {
    /// Whole lines.
    bytes: Vec<u8>,
    lines: usize,
    /// Lines that were dropped and of which no line says so yet.
    dropped: u64,
    /// Whether lines that are not in the queue any more are still being written.
    is_writing: bool,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lines")
    }
}

impl Lines {
    /// Starts the thread that writes to `sink`.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn to(sink: impl Write + Send + 'static, metrics: Metrics) -> io::Result<Self> {
        let shared =
            Shared { queue: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new(), metrics };
        let lines = Self(Arc::new(shared));
        let shared = Arc::clone(&lines.0);
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_to(sink))?;
        Ok(lines)
    }

    /// Leaves a line to be written, and never waits for whoever reads.
    pub fn push(&self, line: &str) {
        let mut queue = self.0.lock();
        let is_full = queue.lines >= MAX_LINES || queue.bytes.len() + line.len() >= MAX_BYTES;
        // The thread that writes has one line of its own to say: how many were dropped.
        if is_full && !WRITES.get() {
            queue.dropped += 1;
            drop(queue);
            self.0.metrics.log_lines_dropped(1);
            return;
        }
        queue.bytes.extend_from_slice(line.as_bytes());
        queue.bytes.push(b'\n');
        queue.lines += 1;
        drop(queue);
        self.0.filled.notify_one();
    }

    /// Waits until all lines so far are written, for so long at most.
    pub fn flush(&self, at_most: Duration) {
        let is_under_way = |queue: &mut Queue| queue.lines > 0 || queue.is_writing;
        // What did not get out in time is lost, as it would be with the process.
        let _ = self.0.emptied.wait_timeout_while(self.0.lock(), at_most, is_under_way);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all that there is at once, again and again.
    fn write_to(&self, sink: impl Write) {
        WRITES.set(true);
        let mut sink = Sink { sink, is_inside_a_line: false };
        let mut bytes = Vec::new();
        loop {
            let dropped = self.take(&mut bytes);
            let lost = sink.write(&bytes);
            self.lock().dropped += lost;
            self.metrics.log_lines_dropped(lost);
            bytes.clear();
            bytes.shrink_to(KEPT_BYTES);
            if dropped > 0 && lost == 0 {
                let mut queue = self.lock();
                queue.dropped -= dropped;
                drop(queue);
                tracing::warn!(
                    dropped,
                    "log lines were dropped, because whoever reads standard error did not keep up"
                );
            }
        }
    }

    /// Waits for lines, and takes all of them into `bytes`, which is empty. Answers how many were dropped before.
    fn take(&self, bytes: &mut Vec<u8>) -> u64 {
        let mut queue = self.lock();
        queue.is_writing = false;
        if queue.lines == 0 {
            self.emptied.notify_all();
        }
        let mut queue =
            self.filled.wait_while(queue, |queue| queue.lines == 0).unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut queue.bytes, bytes);
        queue.lines = 0;
        queue.is_writing = true;
        queue.dropped
    }
}

/// What lines are written to.
struct Sink<W> {
    sink: W,
    /// Whether the last write failed within a line, whose rest is lost.
    is_inside_a_line: bool,
}

impl<W: Write> Sink<W> {
    /// Writes whole lines, and answers how many were lost.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.is_inside_a_line && self.write_all(b"\n").is_err() {
            return count(lines);
        }
        self.is_inside_a_line = false;
        let Err(written) = self.write_all(lines) else { return 0 };
        let (before, rest) = lines.split_at(written.min(lines.len()));
        self.is_inside_a_line = before.last().is_some_and(|last| *last != b'\n');
        count(rest)
    }

    /// `Err`: how many bytes were written before it failed.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.sink.write(rest) {
                Ok(0) => return Err(written),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(PAUSE),
                Err(_) => return Err(written),
            }
        }
        Ok(())
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count().try_into().unwrap_or(u64::MAX)
}

/// What the log's formatter writes to: each call is one whole line.
#[derive(Debug)]
pub struct LineWriter<'a> {
    lines: &'a Lines,
    shown: fn(&str) -> Cow<'_, str>,
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.lines.push(&(self.shown)(text.trim_end_matches('\n')));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes the writers of the log's formatter; each line is shown as `shown` makes it.
#[derive(Debug)]
pub(super) struct Writers {
    pub(super) lines: Lines,
    pub(super) shown: fn(&str) -> Cow<'_, str>,
}

impl<'a> MakeWriter<'a> for Writers {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { lines: &self.lines, shown: self.shown }
    }
}

#[cfg(test)]
mod tests;
