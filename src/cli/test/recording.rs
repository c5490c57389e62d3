//! `tagseal test --record`: the cases are judged by live servers, whose answers go into the folders of the tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sources::{Source, at_trust, folder, live};
use super::{Args, Ready};
use crate::cli::output::tell;
use crate::clock::{Clock as _, SystemClock};
use crate::foreign::Foreign;
use crate::gitops::Problem;
use crate::gitops::cases::{Judged, Outcome};
use crate::recording::Recorder;

/// A folder, and the tests that name it.
struct Folder {
    recorder: Arc<Recorder>,
    path: PathBuf,
    tests: Vec<usize>,
}

/// Records what the tests need. For each test: what was seen, where nothing was recorded; `None` where it is to be judged from
/// its folder.
pub(super) async fn record(
    args: &Args,
    ready: &[Ready],
    problems: &mut Vec<Problem>,
) -> Vec<Option<Vec<Judged>>> {
    let mut results: Vec<_> = ready.iter().map(|_| None).collect();
    for Folder { recorder, path, tests } in folders(ready, problems, &mut results) {
        let mut seen = Vec::new();
        for index in tests {
            let Ready { test, policies, .. } = &ready[index];
            let source = Source::Live(Arc::<Recorder>::clone(&recorder));
            seen.push((index, args.judge_by(test, policies, &source).await));
        }
        let is_undecided = |judged: &Judged| judged.compared.outcome == Outcome::Undecided;
        let outcome = match seen.iter().flat_map(|(_, judged)| judged).any(is_undecided) {
            true => Err("nothing was recorded, because a case could not be decided".to_owned()),
            false => {
                recorder.complete().await;
                recorder.save(&path, SystemClock.now()).map_err(|error| error.to_string())
            }
        };
        match outcome {
            Ok(()) => tell(&format!("recorded into {}", Foreign(&path.display().to_string()))),
            Err(message) => {
                for (index, judged) in seen {
                    let test = &ready[index].test;
                    problems.extend(trust_place(&ready[index]).map(|place| at_trust(test, place, &message)));
                    results[index] = Some(judged);
                }
            }
        }
    }
    results
}

fn trust_place(ready: &Ready) -> Option<crate::gitops::Place> {
    folder(&ready.test, &ready.base).map(|(_, place)| place)
}

/// The folders that the tests name, each with one recorder, whatever they call it. A test that names none cannot be recorded.
fn folders(ready: &[Ready], problems: &mut Vec<Problem>, results: &mut [Option<Vec<Judged>>]) -> Vec<Folder> {
    let mut folders: BTreeMap<PathBuf, Folder> = BTreeMap::new();
    for (index, Ready { test, base, .. }) in ready.iter().enumerate() {
        let Some((path, _)) = folder(test, base) else {
            let message = "names no folder to record into: write one, such as trust: recorded";
            problems.push(at_trust(test, test.place, message));
            results[index] = Some(Vec::new());
            continue;
        };
        let known = folders.entry(identity(&path)).or_insert_with(|| Folder {
            recorder: Arc::new(Recorder::new(live())),
            path,
            tests: Vec::new(),
        });
        known.tests.push(index);
    }
    folders.into_values().collect()
}

/// What a folder is known by: its real path, as far as it exists.
fn identity(path: &Path) -> PathBuf {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let Some(name) = path.file_name() else { return real(path).unwrap_or_else(|| path.to_owned()) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    real(path).or_else(|| Some(real(parent)?.join(name))).unwrap_or_else(|| path.to_owned())
}
