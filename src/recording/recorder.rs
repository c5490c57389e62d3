//! [`Recorder`]: passes requests on, and writes down what is answered.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::folder::{Writer, prepare};
use super::{FORMAT, Failure, List, RecordingError, Repository};
use crate::digest::Digest;
use crate::policy::TrustServer;
use crate::source::{Access, BoxFuture, MetadataSource, SourceError, SourceRequest};
use crate::tuf::{Fetch, FileName, Gun, RoleName, Selector};

/// The cap on a file that no case asked for.
const MAX_FILE: u64 = 16 << 20;

/// How many older roots are recorded besides those that were asked for.
const MAX_ROOTS: u64 = 64;

/// More roles than this are not recorded of one repository, unless they were asked for.
const MAX_ROLES: usize = 1024;

/// Which repository at which server.
type Key = (String, Gun);

/// A source that keeps what another one answers, and why it does not, to be saved as a folder that a [`Recording`](super::Recording) reads.
pub struct Recorder {
    source: Arc<dyn MetadataSource>,
    seen: Mutex<BTreeMap<Key, Seen>>,
}

/// What was seen of a repository.
#[derive(Clone)]
struct Seen {
    /// `None`: there is no such file.
    answers: BTreeMap<FileName, Option<Bytes>>,
    /// Why there was no answer.
    errors: BTreeMap<FileName, SourceError>,
    server: Arc<TrustServer>,
    /// What the server let read.
    access: Access,
    registry: String,
    timeout: Duration,
}

impl Recorder {
    /// A recorder of what `source` answers.
    pub fn new(source: Arc<dyn MetadataSource>) -> Self {
        Self { source, seen: Mutex::default() }
    }

    /// Asks for what nobody needed so far: every role of the newest snapshot, and the roots before the newest one. So a policy
    /// that is changed later, to require another role or to pin another root, finds it recorded. What does not come is left out.
    pub async fn complete(&self) {
        let keys: Vec<Key> = self.locked().keys().cloned().collect();
        for key in keys {
            self.complete_one(&key).await;
        }
    }

    async fn complete_one(&self, key: &Key) {
        let Some(timestamp) = self.body(key, &FileName::current(RoleName::timestamp())) else { return };
        let named = named_in(&timestamp).remove(&RoleName::snapshot());
        let snapshot = FileName { role: RoleName::snapshot(), selector: selector(named) };
        if let Some(snapshot) = self.ask(key, snapshot).await {
            for (role, named) in named_in(&snapshot).into_iter().take(MAX_ROLES) {
                self.ask(key, FileName { role, selector: selector(Some(named)) }).await;
            }
        }
        let Some(root) = self.ask(key, FileName::current(RoleName::root())).await else { return };
        let version = signed(&root).and_then(|signed| signed.get("version")?.as_u64()).unwrap_or_default();
        for version in version.saturating_sub(MAX_ROOTS).max(1)..=version {
            self.ask(key, FileName::by_version(RoleName::root(), version)).await;
        }
    }

    /// A file that was seen, else the server's.
    async fn ask(&self, key: &Key, file: FileName) -> Option<Bytes> {
        let seen = self.locked().get(key).cloned()?;
        if let Some(answer) = seen.answers.get(&file) {
            return answer.clone();
        }
        let request = SourceRequest {
            server: &seen.server,
            gun: &key.1,
            fetch: &Fetch { file, max_bytes: MAX_FILE },
            access: &seen.access,
            registry: &seen.registry,
            known: true,
            timeout: seen.timeout,
        };
        if seen.errors.contains_key(&request.fetch.file) {
            return None;
        }
        let answer = self.source.fetch(request.clone()).await.ok()?;
        self.note(&request, Ok(&answer));
        answer
    }

    fn body(&self, key: &Key, file: &FileName) -> Option<Bytes> {
        self.locked().get(key)?.answers.get(file)?.clone()
    }

    /// An answer counts for more than an error, whichever came first: with other credentials, or a moment later, there was one.
    fn note(&self, request: &SourceRequest<'_>, answer: Result<&Option<Bytes>, &SourceError>) {
        let key = (request.server.url.to_string(), request.gun.clone());
        let mut seen = self.locked();
        let seen = seen.entry(key).or_insert_with(|| Seen {
            answers: BTreeMap::new(),
            errors: BTreeMap::new(),
            server: Arc::clone(request.server),
            access: request.access.clone(),
            registry: request.registry.to_owned(),
            timeout: request.timeout,
        });
        let file = request.fetch.file.clone();
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                if !seen.answers.contains_key(&file) {
                    seen.errors.insert(file, error.clone());
                }
                return;
            }
        };
        seen.errors.remove(&file);
        let known = seen.answers.entry(file).or_default();
        if answer.is_some() {
            seen.access = request.access.clone();
            known.clone_from(answer);
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was seen into `folder`, as of `now`. What it holds of other repositories stays. Whenever this is interrupted, the
    /// folder says what it said before, or all that was seen: files are never changed, and the list is replaced in one step.
    ///
    /// # Errors
    /// [`RecordingError`]: the folder holds something else, or cannot be written.
    pub fn save(&self, folder: &Path, now: Timestamp) -> Result<(), RecordingError> {
        self.save_by(&Writer { before: &|_| Ok(()) }, folder, now)
    }

    pub(super) fn save_by(
        &self,
        writer: &Writer<'_>,
        folder: &Path,
        now: Timestamp,
    ) -> Result<(), RecordingError> {
        let list = prepare(folder)?;
        let mut list = match list {
            Some(list) => list,
            None => {
                // What an interrupted first recording leaves is known for a recording by its list.
                let empty = List { format: FORMAT, repositories: Vec::new() };
                writer.list(folder, &empty)?;
                empty
            }
        };
        for ((server, gun), seen) in &*self.locked() {
            let errors = seen.errors.iter();
            let errors = errors.map(|(file, error)| (file.to_string(), Failure::from(error))).collect();
            let mut answers = BTreeMap::new();
            for (file, body) in &seen.answers {
                let write = |body: &Bytes| writer.file(folder, gun, &file.role, body);
                answers.insert(file.to_string(), body.as_ref().map(write).transpose()?);
            }
            list.repositories.retain(|known| (&known.server, known.gun.as_str()) != (server, gun.as_str()));
            let (server, gun) = (server.clone(), gun.as_str().to_owned());
            list.repositories.push(Repository { server, gun, recorded: now, answers, errors });
        }
        list.repositories.sort_by(|a, b| (&a.server, &a.gun).cmp(&(&b.server, &b.gun)));
        writer.list(folder, &list)?;
        writer.sweep(folder, &list);
        Ok(())
    }
}

impl MetadataSource for Recorder {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let answer = self.source.fetch(request.clone()).await;
            self.note(&request, answer.as_ref());
            answer
        })
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The signed part of a file that nobody verified.
fn signed(file: &[u8]) -> Option<Value> {
    let mut file: Value = serde_json::from_slice(file).ok()?;
    file.get_mut("signed").map(Value::take)
}

/// What a timestamp or a snapshot names, by its sha256. Nothing is believed of it: it only says what to ask for.
fn named_in(file: &[u8]) -> BTreeMap<RoleName, Digest> {
    let signed = signed(file).unwrap_or_default();
    let meta = signed.get("meta").and_then(Value::as_object);
    let named = meta.into_iter().flatten().filter_map(|(name, meta)| {
        let sha256 = meta.pointer("/hashes/sha256")?.as_str()?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(sha256).ok()?;
        Some((RoleName::parse(name).ok()?, Digest::from_bytes(bytes.try_into().ok()?)))
    });
    named.collect()
}

fn selector(sha256: Option<Digest>) -> Selector {
    sha256.map_or(Selector::Current, Selector::Hash)
}
