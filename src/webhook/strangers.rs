//! [`Strangers`]: the connections of callers that are not verified: so many at once, and of those who ask nothing the one that came
//! first goes when another comes. So who connects and says nothing cannot keep the kubelet's probes out, which ask at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Where their connections are counted.
#[derive(Debug)]
pub(super) struct Strangers {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// How many asked something and are not gone.
    asked: usize,
    /// The others, in the order in which they came.
    silent: BTreeMap<u64, Arc<Notify>>,
    came: u64,
}

/// The place of one of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    strangers: Arc<Strangers>,
    number: u64,
    asked: AtomicBool,
    evicted: Arc<Notify>,
}

impl Strangers {
    pub(super) fn at_most(most: usize) -> Arc<Self> {
        Arc::new(Self { most, table: Mutex::default() })
    }

    /// A place for one more: a free one, or that of the one that has been silent for longest.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Share> {
        let mut table = self.table();
        if table.asked + table.silent.len() >= self.most {
            let (_, longest) = table.silent.pop_first()?;
            longest.notify_one();
        }
        let (number, evicted) = (table.came, Arc::new(Notify::new()));
        table.came += 1;
        table.silent.insert(number, Arc::clone(&evicted));
        drop(table);
        Some(Share { strangers: Arc::clone(self), number, asked: AtomicBool::new(false), evicted })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// It asks something: from now on its place is its own. Whether it is the first time.
    pub(super) fn asks(&self) -> bool {
        let mut table = self.strangers.table();
        let is_first = !self.asked.swap(true, Ordering::AcqRel);
        if is_first {
            table.silent.remove(&self.number);
            table.asked += 1;
        }
        is_first
    }

    /// Waits until another has its place, which it asked nothing from.
    pub(super) async fn is_lost(&self) {
        self.evicted.notified().await;
        if self.asked.load(Ordering::Acquire) {
            std::future::pending().await
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut table = self.strangers.table();
        table.silent.remove(&self.number);
        if *self.asked.get_mut() {
            table.asked = table.asked.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn is_lost(share: &Share) -> bool {
        share.is_lost().now_or_never().is_some()
    }

    #[test]
    fn who_has_been_silent_for_longest_goes_when_another_comes_and_who_asked_stays() {
        let strangers = Strangers::at_most(3);
        let [first, second, third] = [(); 3].map(|()| strangers.enter().unwrap());
        assert!(first.asks() && !first.asks());
        let fourth = strangers.enter().unwrap();
        assert_eq!([&first, &second, &third, &fourth].map(is_lost), [false, true, false, false]);
        assert!(third.asks() && fourth.asks());
        assert!(strangers.enter().is_none(), "all of them wait for an answer");
        drop(second);
        assert!(strangers.enter().is_none(), "its place was another's already");
        drop(fourth);
        let (fifth, sixth) = (strangers.enter().unwrap(), strangers.enter().unwrap());
        assert_eq!([&fifth, &sixth].map(is_lost), [true, false]);
        drop((fifth, sixth, first, third));
        let table = strangers.table();
        assert_eq!((table.asked, table.silent.len()), (0, 0));
    }

    #[test]
    fn who_asks_while_its_place_is_taken_is_answered_and_counted() {
        let strangers = Strangers::at_most(1);
        let first = strangers.enter().unwrap();
        let second = strangers.enter().unwrap();
        assert!(first.asks());
        assert!(!is_lost(&first));
        assert_eq!(strangers.table().asked, 1);
        drop(second);
        assert!(strangers.enter().is_none());
    }
}
