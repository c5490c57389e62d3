//! Faults that a [`FakeSource`](super::FakeSource) shows, and when.

use std::sync::Arc;

use bytes::Bytes;
use tagseal::trust::{Access, SourceError};
use tokio::sync::watch;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 404.
    NotFound,
    /// No answer, with this message.
    Unreachable(&'static str),
    /// 401 unless this is shown.
    UnauthorizedUnless(Access),
    /// 404 for whoever shows anything else: a server that hides what may not be read.
    NotFoundUnless(Access),
    /// 401 whatever is shown.
    Unauthorized,
    /// An answer that is not what its headers say.
    Invalid(&'static str),
    /// These bytes instead.
    Bytes(Bytes),
    /// The right answer, once the gate is open.
    Delay(Gate),
}

impl Fault {
    /// These bytes instead.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Bytes(bytes.into())
    }

    pub(super) fn gate(&self) -> Option<&Gate> {
        if let Self::Delay(gate) = self { Some(gate) } else { None }
    }

    /// The answer to whoever shows `shown`; `None` where the true answer is to be had.
    pub(super) fn answer(&self, shown: &Access) -> Option<Result<Option<Bytes>, SourceError>> {
        let unauthorized = || {
            Some(Err(SourceError::Unauthorized { message: "the server refuses the credentials".to_owned() }))
        };
        match self {
            Self::NotFound => Some(Ok(None)),
            Self::Unreachable(message) => Some(Err(super::unreachable_because(message))),
            Self::UnauthorizedUnless(access) if access == shown => None,
            Self::UnauthorizedUnless(_) | Self::Unauthorized => unauthorized(),
            Self::NotFoundUnless(access) if access == shown => None,
            Self::NotFoundUnless(_) => Some(Ok(None)),
            Self::Invalid(message) => Some(Err(SourceError::Invalid { message: (*message).to_owned() })),
            Self::Bytes(bytes) => Some(Ok(Some(bytes.clone()))),
            Self::Delay(_) => None,
        }
    }
}

/// Holds requests back until it is opened. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<GateState>>);

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    arrived: usize,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(GateState::default())))
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.0.send_modify(|state| state.open = true);
    }

    /// Closes it again.
    pub fn close(&self) {
        self.0.send_modify(|state| state.open = false);
    }

    /// Waits until `count` requests have come to the gate since it was made.
    pub async fn arrived(&self, count: usize) {
        let mut state = self.0.subscribe();
        state.wait_for(|state| state.arrived >= count).await.expect("the gate is held");
    }

    /// Comes to the gate, and waits until it is open.
    pub async fn pass(&self) {
        self.0.send_modify(|state| state.arrived += 1);
        let mut state = self.0.subscribe();
        state.wait_for(|state| state.open).await.expect("the gate is held");
    }
}

#[derive(Debug)]
pub(super) struct Rule {
    gun: Option<String>,
    pattern: String,
    when: When,
    seen: usize,
    fault: Fault,
}

#[derive(Debug)]
pub(super) enum When {
    Always,
    Nth(usize),
}

impl Rule {
    pub(super) fn new(gun: Option<&str>, pattern: &str, when: When, fault: Fault) -> Self {
        Self { gun: gun.map(str::to_owned), pattern: pattern.to_owned(), when, seen: 0, fault }
    }

    /// Counts a request; the fault, where this one meets it.
    pub(super) fn hit(&mut self, gun: &str, path: &str) -> Option<Fault> {
        if self.gun.as_deref().is_some_and(|wanted| wanted != gun) || !matches(&self.pattern, path) {
            return None;
        }
        self.seen += 1;
        let meets = match self.when {
            When::Always => true,
            When::Nth(k) => self.seen == k,
        };
        meets.then(|| self.fault.clone())
    }
}

/// Whether `path` matches `pattern`, in which `*` is any text.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, rest)) => path.strip_prefix(start).is_some_and(|path| {
            path.char_indices().map(|(i, _)| &path[i..]).chain([""]).any(|tail| matches(rest, tail))
        }),
    }
}
