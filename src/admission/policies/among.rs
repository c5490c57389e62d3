//! [`errors`]: what is wrong with a policy among the others.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::apart::{Apart, Unfinished};
use super::within;
use crate::policy::{PolicyError, PolicySnapshot};

/// What `judge` finds wrong with a policy in the newest snapshot. For `patience` it is judged anew whenever the others change:
/// what would mend it may have been applied a moment ago, and be on its way here. Each snapshot is judged by itself, while
/// others are published: nobody waits for a judge but whoever asked.
///
/// # Errors
/// [`Unfinished`] where there is no finding at all by `deadline`.
pub async fn errors<J>(
    apart: &Apart,
    mut policies: watch::Receiver<PolicySnapshot>,
    judge: J,
    patience: Duration,
    deadline: Instant,
) -> Result<Vec<PolicyError>, Unfinished>
where
    J: Fn(&PolicySnapshot) -> Vec<PolicyError> + Clone + Send + 'static,
{
    let mut found = judged(apart, &mut policies, &judge, deadline).await?;
    if found.is_empty() {
        return Ok(found);
    }
    let settled = within(patience, deadline, async {
        while policies.changed().await.is_ok() {
            match judged(apart, &mut policies, &judge, deadline).await {
                Ok(errors) if !errors.is_empty() => found = errors,
                settled => return Some(settled),
            }
        }
        None
    });
    match settled.await.flatten() {
        None | Some(Err(Unfinished::Late)) => Ok(found),
        Some(settled) => settled,
    }
}

/// Judges the newest snapshot, which is not held meanwhile.
async fn judged<J>(
    apart: &Apart,
    policies: &mut watch::Receiver<PolicySnapshot>,
    judge: &J,
    deadline: Instant,
) -> Result<Vec<PolicyError>, Unfinished>
where
    J: Fn(&PolicySnapshot) -> Vec<PolicyError> + Clone + Send + 'static,
{
    let (snapshot, judge) = (policies.borrow_and_update().clone(), judge.clone());
    apart.work(deadline, move || judge(&snapshot)).await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::policy::PolicySet;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn wrong() -> Vec<PolicyError> {
        vec![PolicyError { field: "spec".to_owned(), message: "wrong".to_owned() }]
    }

    fn synced() -> PolicySnapshot {
        PolicySnapshot::Synced(std::sync::Arc::new(PolicySet::default()))
    }

    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn policies_are_published_while_one_is_judged() {
        let (publishes, policies) = watch::channel(PolicySnapshot::NotSynced);
        let judge = move |_: &PolicySnapshot| {
            let (says, said) = mpsc::channel();
            let publishes = publishes.clone();
            std::thread::spawn(move || {
                publishes.send_replace(synced());
                let _ = says.send(());
            });
            match said.recv_timeout(Duration::from_secs(5)) {
                Ok(()) => Vec::new(),
                Err(_) => wrong(),
            }
        };
        assert_eq!(errors(&Apart::default(), policies, judge, PATIENCE, deadline()).await, Ok(Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_patience_is_for_all_changes_together_and_ends_with_what_was_found() {
        let (publishes, policies) = watch::channel(PolicySnapshot::NotSynced);
        let busy = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(300)).await;
                publishes.send_replace(synced());
            }
        });
        let start = Instant::now();
        assert_eq!(
            errors(&Apart::default(), policies, |_: &_| wrong(), PATIENCE, deadline()).await,
            Ok(wrong())
        );
        assert_eq!(start.elapsed(), PATIENCE);
        busy.abort();
    }

    #[tokio::test]
    async fn a_judge_that_panics_is_an_answer() {
        let (_publishes, policies) = watch::channel(PolicySnapshot::NotSynced);
        let judged = errors(&Apart::default(), policies, |_: &_| panic!("three"), PATIENCE, deadline()).await;
        assert_eq!(judged, Err(Unfinished::Panicked("three".to_owned())));
    }
}
