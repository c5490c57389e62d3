//! [`Parts`]: the tasks that run for as long as the process does.
//!
//! What decides is [started](Parts::start): when it ends the process does, because half a tagseal would decide by what it knew
//! when the other half stopped. What no decision depends on is [kept](Parts::keep): when it ends it is started anew, because
//! to stop deciding for it would be an outage.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::telemetry::{Metrics, panic_message};

/// The pause before a part is started anew; it doubles up to the longest, and is the first again for one that ran for so long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Tasks by name.
#[derive(Debug, Default)]
pub(super) struct Parts {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

/// A part ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ended {
    /// It panicked.
    #[error("{part} panicked, which is a defect: {message}")]
    Panicked {
        /// Which part.
        part: &'static str,
        /// What it said.
        message: String,
    },
    /// It returned.
    #[error("{part} ended, which it must not")]
    Returned {
        /// Which part.
        part: &'static str,
    },
}

impl Parts {
    /// Starts one that decides: it must not end.
    pub(super) fn start(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(part).id();
        self.names.insert(id, name);
    }

    /// Starts one that decides nothing, and starts it anew whenever it ends.
    pub(super) fn keep<F>(
        &mut self,
        name: &'static str,
        metrics: Metrics,
        part: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        metrics.keeps(name);
        self.start(name, kept(name, metrics, part));
    }

    /// Waits until one ends that must not.
    pub(super) async fn ended(&mut self) -> Ended {
        let Some(ended) = self.tasks.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let part = |id| self.names.get(&id).copied().unwrap_or("a part");
        match ended {
            Ok((id, ())) => Ended::Returned { part: part(id) },
            Err(error) => {
                let part = part(error.id());
                let message = match error.try_into_panic() {
                    Ok(panic) => panic_message(&*panic).to_owned(),
                    Err(error) => error.to_string(),
                };
                Ended::Panicked { part, message }
            }
        }
    }
}

/// For [`Parts::keep`], a part that costs others something each time that it begins: it is started anew once, and given up
/// when it ends again.
pub(super) fn anew_once<F>(
    name: &'static str,
    mut part: impl FnMut() -> F + Send + 'static,
) -> impl FnMut() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut starts = 0_u8;
    move || {
        if starts == 2 {
            tracing::error!(part = name, "{name} ended twice, and is given up; no decision depends on it");
            return Box::pin(std::future::pending());
        }
        starts += 1;
        Box::pin(part())
    }
}

async fn kept<F>(name: &'static str, metrics: Metrics, mut part: impl FnMut() -> F)
where
    F: Future<Output = ()>,
{
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let began = Instant::now();
        let ended = AssertUnwindSafe(async { part().await }).catch_unwind().await;
        if began.elapsed() >= LONGEST_PAUSE {
            backoff.reset();
        }
        let pause = backoff.next_pause();
        metrics.restarted(name);
        let panic = ended.as_ref().err().map_or("none: it returned", |panic| panic_message(&**panic));
        let pause_s = pause.as_secs();
        tracing::error!(
            part = name,
            panic,
            pause_s,
            "{name} ended, which is a defect; no decision depends on it, and it is started anew"
        );
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_or_returns_is_named() {
        let mut parts = Parts::default();
        parts.start("the first", std::future::pending());
        parts.start("the second", async { panic!("index {} of nothing", 3) });
        let message = "index 3 of nothing".to_owned();
        assert_eq!(parts.ended().await, Ended::Panicked { part: "the second", message });
        parts.start("the third", async {});
        assert_eq!(parts.ended().await, Ended::Returned { part: "the third" });
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_is_kept_is_started_anew_after_longer_and_longer_pauses_and_ends_nothing() {
        let (mut parts, metrics) = (Parts::default(), Metrics::default());
        let starts = Arc::new(Mutex::new(Vec::new()));
        let (began, seen) = (Instant::now(), Arc::clone(&starts));
        parts.keep("the frail", metrics.clone(), move || {
            let at = began.elapsed().as_secs();
            seen.lock().unwrap().push(at);
            async move {
                match at {
                    // Once it works, for long enough.
                    123 => sleep(LONGEST_PAUSE).await,
                    0 => return,
                    _ => {}
                }
                panic!("index {} of nothing", 3)
            }
        });
        assert_eq!(value(&metrics), "0");
        let ended = timeout(Duration::from_secs(400), parts.ended()).await;
        assert!(ended.is_err(), "{ended:?}");
        let starts = starts.lock().unwrap().clone();
        // 1, 2, 4, … 32 and then 60 s apart; after it worked for a minute, from the beginning.
        assert_eq!(starts, [0, 1, 3, 7, 15, 31, 63, 123, 184, 186, 190, 198, 214, 246, 306, 366]);
        assert_eq!(value(&metrics), "16");
        parts.start("the other", async { panic!("and that is that") });
        let message = "and that is that".to_owned();
        assert_eq!(parts.ended().await, Ended::Panicked { part: "the other", message });
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_is_started_anew_once_is_given_up_after_that() {
        let (mut parts, metrics) = (Parts::default(), Metrics::default());
        let starts = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&starts);
        let part = move || {
            *seen.lock().unwrap() += 1;
            async { panic!("index {} of nothing", 3) }
        };
        parts.keep("the frail", metrics.clone(), anew_once("the frail", part));
        let ended = timeout(Duration::from_secs(400), parts.ended()).await;
        assert!(ended.is_err(), "{ended:?}");
        assert_eq!((*starts.lock().unwrap(), &*value(&metrics)), (2, "2"));
    }

    fn value(metrics: &Metrics) -> String {
        let page = metrics.render();
        let series = r#"tagseal_part_restarts_total{part="the frail"} "#;
        page.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_default().to_owned()
    }
}
