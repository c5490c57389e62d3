//! [`follow`]: a watch that goes on whatever happens, tries again soon and says what is wrong.

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::trouble::{Failure, Subject, Trouble};
use crate::clock::SharedClock;

/// How long the API server keeps one watch request open, in seconds. A connection that died in silence is noticed a few
/// seconds later; until then a change would not be seen.
const WATCH_SECONDS: u32 = 60;

/// A watch without an error for this long works, even if nothing happens in it: a request that fails takes less.
const CALM: Duration = Duration::from_secs(80);

/// The events of a watch, and its errors; never ends. The pause after an error is taken when the next item is asked for.
///
/// After any error the watch starts over with a list. To resume would pass over an event that could not be decoded, and
/// would trust a resource version that a restored API server may not know.
pub(super) fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    subject: Subject,
    clock: SharedClock,
) -> impl Stream<Item = Result<Event<K>, Failure>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let start = move || watcher(api.clone(), config.clone().timeout(WATCH_SECONDS)).boxed();
    let following = Following {
        events: start(),
        start,
        trouble: Trouble::none(subject.clone()),
        subject,
        clock,
        pause: Duration::ZERO,
    };
    futures::stream::unfold(following, |mut following| async {
        let next = following.next().await?;
        Some((next, following))
    })
}

type Events<K> = BoxStream<'static, watcher::Result<Event<K>>>;

struct Following<K, S> {
    events: Events<K>,
    start: S,
    trouble: Trouble,
    subject: Subject,
    clock: SharedClock,
    pause: Duration,
}

impl<K, S: Fn() -> Events<K>> Following<K, S> {
    async fn next(&mut self) -> Option<Result<Event<K>, Failure>> {
        if !self.pause.is_zero() {
            sleep(std::mem::take(&mut self.pause)).await;
        }
        match self.event().await? {
            Ok(event) => {
                // A list that begins says nothing yet about how it ends.
                if !matches!(event, Event::Init) {
                    self.trouble.ends(self.clock.now());
                }
                Some(Ok(event))
            }
            Err(error) => {
                let failure = Failure::of(&error, &self.subject);
                self.pause = self.trouble.arises(&failure, self.clock.now());
                self.events = (self.start)();
                Some(Err(failure))
            }
        }
    }

    async fn event(&mut self) -> Option<watcher::Result<Event<K>>> {
        if self.trouble.is_some() {
            match timeout(CALM, self.events.next()).await {
                Ok(event) => return event,
                Err(_) => self.trouble.ends(self.clock.now()),
            }
        }
        self.events.next().await
    }
}
