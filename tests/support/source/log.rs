//! What was asked for, in which order, and what at once.

use tagseal::trust::{Access, SourceRequest};

/// A request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The server's URL.
    pub server: String,
    /// The repository.
    pub gun: String,
    /// The path below `…/_trust/tuf/`.
    pub path: String,
    /// What was shown.
    pub access: Access,
    /// The cap on the body.
    pub max_bytes: u64,
    /// Whether it counted as a request for a known repository.
    pub known: bool,
}

impl Request {
    pub(super) fn new(request: &SourceRequest<'_>, path: &str) -> Self {
        Self {
            server: request.server.url.to_string(),
            gun: request.gun.to_string(),
            path: path.to_owned(),
            access: request.access.clone(),
            max_bytes: request.fetch.max_bytes,
            known: request.known,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Log {
    events: Vec<Event>,
    next_id: usize,
    under_way: Vec<usize>,
    most_at_once: usize,
}

#[derive(Debug)]
struct Event {
    request: Request,
    /// Whether nothing else was under way when it started.
    begins_round: bool,
}

impl Log {
    pub(super) fn start(&mut self, request: Request) -> usize {
        let id = self.next_id;
        self.next_id += 1;
        self.events.push(Event { request, begins_round: self.under_way.is_empty() });
        self.under_way.push(id);
        self.most_at_once = self.most_at_once.max(self.under_way.len());
        id
    }

    pub(super) fn end(&mut self, id: usize) {
        self.under_way.retain(|other| *other != id);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.events.iter().map(|event| event.request.clone()).collect()
    }

    pub(super) fn rounds(&self) -> Vec<Vec<String>> {
        let mut rounds: Vec<Vec<String>> = Vec::new();
        for event in &self.events {
            match rounds.last_mut() {
                Some(round) if !event.begins_round => round.push(event.request.path.clone()),
                _ => rounds.push(vec![event.request.path.clone()]),
            }
        }
        rounds.iter_mut().for_each(|round| round.sort());
        rounds
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn forget(&mut self) {
        self.events.clear();
        self.most_at_once = self.under_way.len();
    }
}
