//! The queue under random orders of jobs that come, begin, end and leave.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::queue::{Job, Queue, Work};
use super::{Part, PoolLimits};

#[derive(Debug, Clone)]
enum Step {
    Comes {
        share: u8,
        bytes: usize,
    },
    /// A thread that has nothing to do asks for a job.
    Asks,
    Ends(usize),
    Leaves(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8, 0..40_usize).prop_map(|(share, bytes)| Step::Comes { share, bytes }),
        Just(Step::Asks),
        any::<usize>().prop_map(Step::Ends),
        any::<usize>().prop_map(Step::Leaves),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    (1..4_usize, 1..6_usize, 1..100_usize).prop_map(|(threads, jobs, bytes)| Part { threads, jobs, bytes })
}

fn work() -> Work {
    Box::new(|| Box::new(|| ()))
}

type Share = std::sync::Arc<str>;

/// A model of the queue, kept beside it: what the queue must report.
struct World {
    queue: Queue,
    limits: PoolLimits,
    /// Threads that were started and have no job.
    idle: usize,
    waiting: Vec<(Share, u64, usize)>,
    running: Vec<(Share, usize)>,
}

impl World {
    fn take(&mut self, step: &Step) {
        match *step {
            Step::Comes { share, bytes } => {
                if let Ok((share, id, needs_thread)) = self.queue.enter(&share.to_string(), bytes, work()) {
                    self.waiting.push((share, id, bytes));
                    self.idle += usize::from(needs_thread);
                }
            }
            Step::Asks if self.idle > 0 => self.ask(),
            Step::Ends(n) if !self.running.is_empty() => {
                let (share, bytes) = self.running.swap_remove(n % self.running.len());
                self.queue.done(&share, bytes);
                self.idle += 1;
                // The thread that did it asks at once.
                self.ask();
            }
            Step::Leaves(n) if !self.waiting.is_empty() => {
                let (share, id, _) = self.waiting.swap_remove(n % self.waiting.len());
                assert!(self.queue.leave(&share, id).is_some());
                assert!(self.queue.leave(&share, id).is_none());
            }
            _ => {}
        }
        self.check();
    }

    fn ask(&mut self) {
        self.idle -= 1;
        let Some((share, Job { bytes, .. })) = self.queue.next() else { return };
        // The first of its share.
        let of_share = self.waiting.iter().filter(|(of, ..)| *of == share).map(|(_, id, _)| *id).min();
        let at = self.waiting.iter().position(|(_, id, _)| Some(*id) == of_share).unwrap();
        assert_eq!(self.waiting.swap_remove(at).2, bytes);
        self.running.push((share, bytes));
    }

    fn check(&self) {
        let PoolLimits { all, share } = self.limits;
        assert_eq!(self.queue.waiting(), self.waiting.len());
        assert_eq!(self.queue.running(), self.running.len());
        let bytes = self.waiting.iter().map(|(.., bytes)| bytes).chain(self.running.iter().map(|(_, b)| b));
        assert_eq!(self.queue.bytes(), bytes.sum::<usize>());
        assert!(self.idle + self.running.len() <= all.threads);
        assert!(self.waiting.len() <= all.jobs && self.queue.bytes() <= all.bytes);
        // By share: waiting, running, bytes.
        let mut shares = BTreeMap::<&str, (usize, usize, usize)>::new();
        for (of, _, bytes) in &self.waiting {
            let of = shares.entry(of).or_default();
            *of = (of.0 + 1, of.1, of.2 + bytes);
        }
        for (of, bytes) in &self.running {
            let of = shares.entry(of).or_default();
            *of = (of.0, of.1 + 1, of.2 + bytes);
        }
        assert_eq!(self.queue.shares(), shares.len());
        for (waiting, running, bytes) in shares.values() {
            assert!(*waiting <= share.jobs && *running <= share.threads && *bytes <= share.bytes);
        }
        // No job waits while a thread is idle or could be started.
        let may_begin = shares.values().any(|(waiting, running, _)| *waiting > 0 && *running < share.threads);
        assert!(!may_begin || self.idle > 0 || self.running.len() == all.threads);
    }
}

proptest! {
    #![proptest_config(crate::random::cases(512))]

    #[test]
    fn no_bound_is_exceeded_and_no_job_is_forgotten(
        all in part(),
        share in part(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let limits = PoolLimits { all, share };
        let mut world =
            World { queue: Queue::new(limits), limits, idle: 0, waiting: Vec::new(), running: Vec::new() };
        for step in &steps {
            world.take(step);
        }
        // Whatever waits is done in the end, and nothing is left of it.
        while world.idle > 0 || !world.running.is_empty() {
            world.take(&Step::Asks);
            world.take(&Step::Ends(0));
        }
        prop_assert_eq!((world.queue.waiting(), world.queue.shares(), world.queue.bytes()), (0, 0, 0));
    }
}
