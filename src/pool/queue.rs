//! [`Queue`]: which job is next. No threads and no clock.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::PoolLimits;

/// A job. It returns what hands its result over.
pub(super) type Work = Box<dyn FnOnce() -> Box<dyn FnOnce() + Send> + Send>;

/// How much of a pool somebody may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Threads at once. At least one.
    pub threads: usize,
    /// Jobs that wait.
    pub jobs: usize,
    /// Bytes of all jobs that wait or run.
    pub bytes: usize,
}

/// Which bound a job would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The pool's queue has no place.
    Jobs,
    /// The pool has no room for the job's bytes.
    Bytes,
    /// The share has as many jobs in the queue as it may have.
    JobsOfShare,
    /// The share holds as many bytes as it may hold.
    BytesOfShare,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jobs => "too many jobs wait",
            Self::Bytes => "too many bytes are being worked on",
            Self::JobsOfShare => "too many jobs of the same origin wait",
            Self::BytesOfShare => "too many bytes of the same origin are being worked on",
        })
    }
}

/// A job that waits.
pub(super) struct Job {
    id: u64,
    pub(super) bytes: usize,
    pub(super) work: Work,
}

#[derive(Default)]
struct Share {
    running: usize,
    bytes: usize,
    waiting: VecDeque<Job>,
}

impl Share {
    fn may_begin(&self, limits: &PoolLimits) -> bool {
        !self.waiting.is_empty() && self.running < limits.share.threads.max(1)
    }
}

/// Jobs that wait, by share, and what is known of those that run.
pub(super) struct Queue {
    limits: PoolLimits,
    shares: HashMap<Arc<str>, Share>,
    /// Shares that may begin a job, each once; the first is next.
    turns: VecDeque<Arc<str>>,
    threads: usize,
    waiting: usize,
    running: usize,
    bytes: usize,
    returned: u64,
    next_id: u64,
}

impl Queue {
    pub(super) fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            shares: HashMap::new(),
            turns: VecDeque::new(),
            threads: 0,
            waiting: 0,
            running: 0,
            bytes: 0,
            returned: 0,
            next_id: 0,
        }
    }

    /// Adds a job: its share and ID, and whether a thread has to be started. The thread counts from now on, until
    /// [`Self::next`] has nothing for it.
    pub(super) fn enter(
        &mut self,
        share: &str,
        bytes: usize,
        work: Work,
    ) -> Result<(Arc<str>, u64, bool), Full> {
        self.has_room(share, bytes)?;
        let share = self.shares.get_key_value(share).map_or_else(|| share.into(), |(key, _)| Arc::clone(key));
        let of_share = self.shares.entry(Arc::clone(&share)).or_default();
        let could_begin = of_share.may_begin(&self.limits);
        let id = self.next_id;
        self.next_id += 1;
        of_share.waiting.push_back(Job { id, bytes, work });
        of_share.bytes += bytes;
        self.waiting += 1;
        self.bytes += bytes;
        if !could_begin && of_share.may_begin(&self.limits) {
            self.turns.push_back(Arc::clone(&share));
        }
        let needs_thread = !self.turns.is_empty() && self.threads < self.limits.all.threads.max(1);
        self.threads += usize::from(needs_thread);
        Ok((share, id, needs_thread))
    }

    fn has_room(&self, share: &str, bytes: usize) -> Result<(), Full> {
        let (waiting, held) = self.shares.get(share).map_or((0, 0), |of| (of.waiting.len(), of.bytes));
        let PoolLimits { all, share } = self.limits;
        let exceeds = |held: usize, bound: usize| held.saturating_add(bytes) > bound;
        if waiting >= share.jobs {
            return Err(Full::JobsOfShare);
        }
        if exceeds(held, share.bytes) {
            return Err(Full::BytesOfShare);
        }
        if self.waiting >= all.jobs {
            return Err(Full::Jobs);
        }
        if exceeds(self.bytes, all.bytes) {
            return Err(Full::Bytes);
        }
        Ok(())
    }

    /// The next job, of the share whose turn it is. `None`: the thread that asks ends.
    pub(super) fn next(&mut self) -> Option<(Arc<str>, Job)> {
        let next = self.turns.pop_front().and_then(|share| {
            let of_share = self.shares.get_mut(&share)?;
            let job = of_share.waiting.pop_front()?;
            of_share.running += 1;
            if of_share.may_begin(&self.limits) {
                self.turns.push_back(Arc::clone(&share));
            }
            Some((share, job))
        });
        match next {
            Some(_) => {
                self.waiting -= 1;
                self.running += 1;
            }
            None => self.threads -= 1,
        }
        next
    }

    /// A job returned.
    pub(super) fn done(&mut self, share: &Arc<str>, bytes: usize) {
        self.running -= 1;
        self.returned += 1;
        self.bytes -= bytes;
        if let Some(of_share) = self.shares.get_mut(share) {
            let could_begin = of_share.may_begin(&self.limits);
            of_share.running -= 1;
            of_share.bytes -= bytes;
            if !could_begin && of_share.may_begin(&self.limits) {
                self.turns.push_back(Arc::clone(share));
            }
        }
        self.forget_idle(share);
    }

    /// Takes a job out that nobody waits for any more, if it still waits.
    pub(super) fn leave(&mut self, share: &Arc<str>, id: u64) -> Option<Job> {
        let of_share = self.shares.get_mut(share)?;
        let at = of_share.waiting.iter().position(|job| job.id == id)?;
        let job = of_share.waiting.remove(at)?;
        of_share.bytes -= job.bytes;
        self.waiting -= 1;
        self.bytes -= job.bytes;
        if of_share.waiting.is_empty() {
            self.turns.retain(|turn| turn != share);
        }
        self.forget_idle(share);
        Some(job)
    }

    fn forget_idle(&mut self, share: &Arc<str>) {
        if self.shares.get(share).is_some_and(|of| of.running == 0 && of.waiting.is_empty()) {
            self.shares.remove(share);
        }
    }

    /// Jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Jobs that run.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Bytes of both.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Jobs that returned.
    pub(super) fn returned(&self) -> u64 {
        self.returned
    }

    /// Shares that hold something.
    #[cfg(test)]
    pub(super) fn shares(&self) -> usize {
        self.shares.len()
    }
}
