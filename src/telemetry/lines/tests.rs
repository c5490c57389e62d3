use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// What is done with each write: so many bytes of it are taken, or it fails.
type Answer = Result<usize, ErrorKind>;

/// Takes what it is told to take, and waits until it is told.
struct Reader {
    answers: Receiver<Answer>,
    seen: Sender<Vec<u8>>,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // When nobody tells any more, everything is taken.
        let most = self.answers.recv().unwrap_or(Ok(usize::MAX))?;
        let taken = &bytes[..most.min(bytes.len())];
        self.seen.send(taken.to_vec()).unwrap();
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct World {
    lines: Lines,
    metrics: Metrics,
    answers: Sender<Answer>,
    seen: Receiver<Vec<u8>>,
}

impl World {
    fn new() -> Self {
        let (metrics, (answers, told), (sees, seen)) = (Metrics::default(), channel(), channel());
        let lines = Lines::to(Reader { answers: told, seen: sees }, metrics.clone()).unwrap();
        Self { lines, metrics, answers, seen }
    }

    fn push(&self, number: usize) {
        self.lines.push(&format!("line {number}"));
    }

    /// What was written when everybody reads again.
    fn ends(self) -> String {
        drop(self.answers);
        self.lines.flush(LIMIT);
        String::from_utf8(self.seen.try_iter().flatten().collect()).unwrap()
    }

    fn dropped(&self) -> u64 {
        let page = self.metrics.render();
        let series = page.lines().find_map(|line| line.strip_prefix("tagseal_log_lines_dropped_total "));
        series.unwrap().parse().unwrap()
    }

    /// Waits until the thread that writes has taken what there was, and stands.
    fn stands(&self) {
        while self.lines.0.lock().lines > 0 {
            thread::yield_now();
        }
    }
}

fn numbered(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("line {number}\n")).collect()
}

#[test]
fn lines_are_written_in_their_order_and_all_of_them() {
    let world = World::new();
    (0..5000).for_each(|number| world.push(number));
    // Whoever reads takes a few bytes at a time.
    [3, 1, 70, 2].into_iter().for_each(|bytes| world.answers.send(Ok(bytes)).unwrap());
    assert_eq!(world.ends(), numbered(0..5000));
}

#[test]
fn a28_while_nobody_reads_nobody_waits_and_what_does_not_fit_is_counted() {
    let world = World::new();
    world.push(0);
    world.stands();
    (1..=MAX_LINES + 7).for_each(|number| world.push(number));
    assert_eq!(world.dropped(), 7);
    // A flush is over in time, though nothing goes on.
    world.lines.flush(Duration::from_millis(10));
    assert_eq!(world.ends(), numbered(0..MAX_LINES + 1));
}

#[test]
fn a28_what_waits_is_bounded_in_bytes_too() {
    let world = World::new();
    world.push(0);
    world.stands();
    let long = "x".repeat(MAX_BYTES / 4 - 1);
    (0..5).for_each(|_| world.lines.push(&long));
    assert_eq!(world.dropped(), 1);
    assert_eq!(world.lines.0.lock().bytes.len(), MAX_BYTES);
    assert_eq!(world.ends().lines().count(), 5);
}

#[test]
fn a28_a_write_that_fails_costs_its_lines_and_tears_none_of_the_next() {
    let world = World::new();
    world.push(0);
    world.stands();
    (1..4).for_each(|number| world.push(number));
    world.answers.send(Err(ErrorKind::BrokenPipe)).unwrap();
    // Of the next three, one and a half are written.
    world.answers.send(Ok("line 1\nlin".len())).unwrap();
    world.answers.send(Err(ErrorKind::StorageFull)).unwrap();
    world.stands();
    world.lines.flush(LIMIT);
    assert_eq!(world.dropped(), 3);
    world.push(4);
    assert_eq!(world.ends(), "line 1\nlin\nline 4\n");
}

#[test]
fn a28_a_sink_that_takes_nothing_right_now_is_tried_again() {
    let world = World::new();
    world.push(0);
    world.answers.send(Err(ErrorKind::WouldBlock)).unwrap();
    world.answers.send(Err(ErrorKind::Interrupted)).unwrap();
    assert_eq!((world.dropped(), world.ends()), (0, numbered(0..1)));
}
