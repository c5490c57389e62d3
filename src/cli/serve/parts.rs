//! [`Parts`]: the tasks that run for as long as the process does. One that ends takes the process with it: half a tagseal
//! would decide by what it knew when the other half stopped.

use std::collections::HashMap;
use std::future::Future;

use tokio::task::{Id, JoinSet};

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
    /// Starts one.
    pub(super) fn start(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(part).id();
        self.names.insert(id, name);
    }

    /// Waits until one ends.
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
                    Ok(panic) => {
                        let owned = panic.downcast_ref::<String>().map(String::as_str);
                        let text = panic.downcast_ref::<&str>().copied().or(owned);
                        text.unwrap_or("no message").to_owned()
                    }
                    Err(error) => error.to_string(),
                };
                Ended::Panicked { part, message }
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
}
