//! [`FakeSource`]: trust servers in memory that count, log and fail on demand.

mod fault;
mod log;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tagseal::trust::{BoxFuture, MetadataSource, SourceError, SourceRequest};
use tagseal::tuf::{FileName, Selector};

pub use fault::{Fault, Gate};
pub use log::Request;

use super::ServedFiles;
use fault::{Rule, When};
use log::Log;

/// Trust servers in memory. Clones share everything, so a test keeps one and the resolver takes the other.
#[derive(Debug, Clone, Default)]
pub struct FakeSource(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    repositories: BTreeMap<(String, String), ServedFiles>,
    rules: Vec<Rule>,
    log: Log,
}

impl FakeSource {
    /// No server serves anything: everything is a 404.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `server` serves `files` for `gun`.
    pub fn serve(&self, server: &str, gun: &str, files: &ServedFiles) {
        self.state().repositories.insert((server_key(server), gun.to_owned()), files.clone());
    }

    /// From now on `server` answers 404 for all of `gun`.
    pub fn withdraw(&self, server: &str, gun: &str) {
        self.state().repositories.remove(&(server_key(server), gun.to_owned()));
    }

    /// Every request for a path that matches `pattern` (`*` is any text: `targets/releases.*.json`) meets `fault`. Where
    /// several rules match, the newest answers; delays add up.
    pub fn fault(&self, pattern: &str, fault: Fault) {
        self.add_rule(None, pattern, When::Always, fault);
    }

    /// As [`Self::fault`], of one repository only.
    pub fn fault_in(&self, gun: &str, pattern: &str, fault: Fault) {
        self.add_rule(Some(gun), pattern, When::Always, fault);
    }

    /// The `k`-th request from now (1 is the next) that matches `pattern` meets `fault`, no other.
    pub fn fault_on_request(&self, k: usize, pattern: &str, fault: Fault) {
        self.add_rule(None, pattern, When::Nth(k), fault);
    }

    /// No faults from now on. Requests that wait at a [`Gate`] go on waiting.
    pub fn clear_faults(&self) {
        self.state().rules.clear();
    }

    /// All requests, in the order in which they started.
    pub fn requests(&self) -> Vec<Request> {
        self.state().log.requests()
    }

    /// The paths of all requests, in the order in which they started.
    pub fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.path).collect()
    }

    /// The paths of all requests by round trip, each sorted: a round begins when nothing else is under way.
    pub fn rounds(&self) -> Vec<Vec<String>> {
        self.state().log.rounds()
    }

    /// How many requests matched `pattern`.
    pub fn count(&self, pattern: &str) -> usize {
        self.paths().iter().filter(|path| fault::matches(pattern, path)).count()
    }

    /// The most requests that were ever under way at once.
    pub fn most_at_once(&self) -> usize {
        self.state().log.most_at_once()
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        self.state().log.under_way()
    }

    /// Forgets the log.
    pub fn forget(&self) {
        self.state().log.forget();
    }

    fn add_rule(&self, gun: Option<&str>, pattern: &str, when: When, fault: Fault) {
        self.state().rules.push(Rule::new(gun, pattern, when, fault));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    async fn answer(&self, request: SourceRequest<'_>) -> Result<Option<Bytes>, SourceError> {
        let path = path_of(&request.fetch.file);
        let id = self.state().log.start(Request::new(&request, &path));
        let _ended = Ended { source: self, id };
        // Whatever is asked for at once has started before any of it is answered: that is what `rounds` counts.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let faults: Vec<Fault> = {
            let gun = request.gun.as_str();
            self.state().rules.iter_mut().filter_map(|rule| rule.hit(gun, &path)).collect()
        };
        for gate in faults.iter().filter_map(Fault::gate) {
            if tokio::time::timeout(request.timeout, gate.pass()).await.is_err() {
                return Err(unreachable_because(&format!("no answer within {:?}", request.timeout)));
            }
        }
        if let Some(answer) = faults.iter().rev().find_map(|fault| fault.answer(request.access)) {
            return answer.and_then(|bytes| bytes.map(|bytes| capped(bytes, &request)).transpose());
        }
        let key = (server_key(request.server.url.as_str()), request.gun.as_str().to_owned());
        let found = self.state().repositories.get(&key).and_then(|files| files.get(&path)).cloned();
        found.map(|bytes| capped(bytes, &request)).transpose()
    }
}

impl MetadataSource for FakeSource {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        Box::pin(self.answer(request))
    }
}

/// The path of a file below `…/_trust/tuf/` (Notary v1, HTTP API).
pub fn path_of(file: &FileName) -> String {
    match &file.selector {
        Selector::Current => format!("{}.json", file.role),
        Selector::Hash(digest) => format!("{}.{}.json", file.role, digest.hex()),
        Selector::Version(version) => format!("{version}.{}.json", file.role),
    }
}

/// Logs the end of a request, cancelled ones included.
struct Ended<'a> {
    source: &'a FakeSource,
    id: usize,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.source.state().log.end(self.id);
    }
}

fn server_key(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn capped(bytes: Bytes, request: &SourceRequest<'_>) -> Result<Bytes, SourceError> {
    let max = request.fetch.max_bytes;
    if bytes.len() as u64 > max {
        return Err(SourceError::Invalid { message: format!("the body is larger than {max} bytes") });
    }
    Ok(bytes)
}

pub(crate) fn unreachable_because(message: &str) -> SourceError {
    SourceError::Unreachable { message: message.to_owned() }
}

#[cfg(test)]
mod tests;
