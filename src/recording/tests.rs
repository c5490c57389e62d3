//! Death at every step of a recording.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::folder::Writer;
use super::*;
use crate::policy::TrustServer;
use crate::source::{Access, BoxFuture, MetadataSource, SourceError, SourceRequest};
use crate::tuf::{Fetch, FileName};

const ROLES: [&str; 3] = ["timestamp", "targets", "targets/a/b"];

/// Answers with the generation and the role; of `snapshot` there is none.
#[derive(Debug, Default)]
struct Server(Mutex<u32>);

impl MetadataSource for Server {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        let role = &request.fetch.file.role;
        let body = format!("{role} of generation {}", self.0.lock().unwrap());
        let answer = (*role != RoleName::snapshot()).then(|| body.into());
        Box::pin(async move { Ok(answer) })
    }
}

async fn ask(source: &dyn MetadataSource, role: &str) -> Result<Option<Bytes>, SourceError> {
    let server = TrustServer::at("https://notary.test".parse().unwrap());
    let request = SourceRequest {
        server: &Arc::new(server),
        gun: &Gun::new("registry.test/shop/web").unwrap(),
        fetch: &Fetch { file: FileName::current(RoleName::parse(role).unwrap()), max_bytes: 100 },
        access: &Access::Anonymous,
        registry: "registry.test",
        known: true,
        timeout: Duration::from_secs(1),
    };
    source.fetch(request).await
}

/// Records a generation, and dies before step number `steps`. Whether it died.
async fn record(folder: &Path, generation: u32, steps: u32) -> bool {
    let recorder = Recorder::new(Arc::new(Server(Mutex::new(generation))));
    for role in ROLES.into_iter().chain(["snapshot"]) {
        ask(&recorder, role).await.unwrap();
    }
    let left = Cell::new(steps);
    let before = |_: &Path| {
        // A dead process takes no further step.
        left.set(left.get().checked_sub(1).ok_or_else(|| std::io::Error::other("killed"))?);
        Ok(())
    };
    let saved = recorder.save_by(&Writer { before: &before }, folder, Timestamp::UNIX_EPOCH);
    saved.is_err() || left.get() == 0
}

/// The generation that the folder answers with; `None`: with none, because nothing is recorded.
async fn generation(folder: &Path) -> Option<u32> {
    let recording = Recording::open(folder, "record").unwrap();
    let mut seen = Vec::new();
    for role in ROLES {
        let answer = ask(&recording, role).await.ok()?.unwrap();
        let text = String::from_utf8(answer.to_vec()).unwrap();
        seen.push(text.strip_prefix(&format!("{role} of generation ")).unwrap().parse().unwrap());
    }
    assert_eq!(ask(&recording, "snapshot").await, Ok(None));
    assert!(ask(&recording, "root").await.is_err(), "what was not asked for is not known to be absent");
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    Some(seen[0])
}

#[tokio::test]
async fn a_recording_that_dies_at_any_step_leaves_the_old_answers_or_the_new_ones() {
    for is_first in [true, false] {
        let mut outcomes = Vec::new();
        loop {
            let folder = tempfile::tempdir().unwrap();
            if !is_first {
                assert!(!record(folder.path(), 1, u32::MAX).await);
            }
            let died = record(folder.path(), 2, outcomes.len() as u32).await;
            let answers = match outcomes.is_empty() && is_first {
                true => None,
                false => generation(folder.path()).await,
            };
            outcomes.push(answers);
            // What was left behind is in nobody's way, and goes.
            assert!(!record(folder.path(), 3, u32::MAX).await);
            assert_eq!(generation(folder.path()).await, Some(3));
            assert_eq!(files_below(folder.path()), 1 + ROLES.len());
            if !died {
                break;
            }
        }
        let old = if is_first { None } else { Some(1) };
        let new = outcomes.iter().filter(|outcome| **outcome == Some(2)).count();
        assert!(outcomes.iter().all(|outcome| *outcome == old || *outcome == Some(2)), "{outcomes:?}");
        assert!(
            outcomes.len() > 10 && new > 0 && outcomes[outcomes.len() - new..].iter().all(|o| *o == Some(2))
        );
    }
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}
