//! A trust server on loopback that serves what the test signer published, and says what it was asked, round by round.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::notary::server::{Answer, Piece, Seen, Server};
use crate::support::TestRepository;

/// A trust server.
pub struct TrustServer {
    http: Server,
    files: Arc<Mutex<Files>>,
    rounds: Arc<Rounds>,
}

/// What is served, by request line.
type Files = BTreeMap<String, Bytes>;

/// How a server answers.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// Whether it wants a token, which it issues itself to anybody.
    pub wants_token: bool,
    /// How many requests make each round: none of them is answered before all have come, so that a client which asks
    /// for them one after another gets nowhere. Requests beyond these rounds are answered at once.
    pub rounds: Vec<usize>,
}

impl TrustServer {
    /// Serves `repositories`.
    pub async fn of(repositories: &[&TestRepository], manner: Manner) -> Self {
        let files: Arc<Mutex<Files>> = Arc::default();
        let rounds = Arc::new(Rounds::new(&manner.rounds));
        let (counted, served) = (Arc::clone(&rounds), Arc::clone(&files));
        let http = Server::http(move |seen| {
            let answer = match manner.wants_token && !seen.line.starts_with("GET /token") {
                true if seen.header("authorization") != Some("Bearer good") => challenge(seen),
                _ => answer(&served.lock().unwrap(), seen),
            };
            counted.count(&seen.line).into_iter().fold(answer, |answer, gate| answer.after(Piece::Gate(gate)))
        })
        .await;
        let server = Self { http, files, rounds };
        repositories.iter().for_each(|repository| server.serve(repository));
        server
    }

    /// Serves what `repository` has published by now.
    pub fn serve(&self, repository: &TestRepository) {
        let files = repository
            .files()
            .iter()
            .map(|(name, bytes)| (format!("GET /v2/{}/_trust/tuf/{name}", repository.gun()), bytes.clone()));
        self.files.lock().unwrap().extend(files);
    }

    /// Serves `body` as one file.
    pub fn serve_file(&self, gun: &str, name: &str, body: String) {
        let line = format!("GET /v2/{gun}/_trust/tuf/{name}");
        self.files.lock().unwrap().insert(line, body.into());
    }

    pub fn url(&self) -> String {
        self.http.url()
    }

    /// The requests of each round, named as in [`Self::names`] and sorted; then those beyond.
    pub fn rounds(&self) -> Vec<Vec<String>> {
        let rounds = self.rounds.0.lock().unwrap();
        let seen = rounds.iter().map(|round| &round.seen).filter(|seen| !seen.is_empty());
        seen.map(|seen| {
            let mut names: Vec<_> = seen.iter().map(|line| name(line)).collect();
            names.sort();
            names
        })
        .collect()
    }

    /// The request lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.http.lines()
    }

    /// The same by what they ask for: `targets/qa` where that is asked for by hash, `timestamp.json` by name, `token`.
    pub fn names(&self) -> Vec<String> {
        self.lines().iter().map(|line| name(line)).collect()
    }

    /// How many connections were made in all.
    pub fn connections(&self) -> usize {
        self.http.accepted()
    }
}

fn challenge(seen: &Seen) -> Answer {
    let host = seen.header("host").unwrap();
    let header = format!(r#"Bearer realm="http://{host}/token",service="notary""#);
    Answer::status(401, &[("WWW-Authenticate", &header)], "")
}

fn answer(files: &Files, seen: &Seen) -> Answer {
    if seen.line.starts_with("GET /token") {
        return Answer::ok(r#"{"token":"good","expires_in":300}"#);
    }
    match files.get(&seen.line) {
        Some(bytes) => Answer::ok(std::str::from_utf8(bytes).unwrap()),
        None => Answer::status(404, &[], r#"{"errors":[{"code":"METADATA_NOT_FOUND"}]}"#),
    }
}

fn name(line: &str) -> String {
    let Some((_, file)) = line.split_once("/_trust/tuf/") else {
        return line.trim_start_matches("GET /").split('?').next().unwrap().to_owned();
    };
    match file.trim_end_matches(".json").rsplit_once('.') {
        Some((role, hash)) if hash.len() == 64 => role.to_owned(),
        _ => file.to_owned(),
    }
}

/// Requests by round. The last round is open.
struct Rounds(Mutex<Vec<Round>>);

struct Round {
    /// `None`: open.
    size: Option<usize>,
    seen: Vec<String>,
    gate: Arc<Semaphore>,
}

impl Rounds {
    fn new(sizes: &[usize]) -> Self {
        let sizes = sizes.iter().copied().map(Some).chain([None]);
        let round = |size| Round { size, seen: Vec::new(), gate: Arc::new(Semaphore::new(0)) };
        Self(Mutex::new(sizes.map(round).collect()))
    }

    /// Counts a request, and returns what its answer has to wait for.
    fn count(&self, line: &str) -> Option<Arc<Semaphore>> {
        let mut rounds = self.0.lock().unwrap();
        let is_open = |round: &&mut Round| round.size.is_none_or(|size| round.seen.len() < size);
        let round = rounds.iter_mut().find(is_open).unwrap();
        round.seen.push(line.to_owned());
        let size = round.size?;
        if round.seen.len() == size {
            round.gate.add_permits(size);
        }
        Some(Arc::clone(&round.gate))
    }
}
