//! A server on loopback, a proxy before it that loses answers, and publishers with trust directories of their own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use tagseal::clock::ManualClock;
use tagseal::digest::Digest;
use tagseal::notary::{Limits, NotaryClient, Proxies, Remote};
use tagseal::publish::key::{Algorithm, PrivateKey, PublicForm};
use tagseal::publish::key_file::{KeyFile, KeyHeader};
use tagseal::publish::operation::Operation;
use tagseal::publish::passphrase::{Ask, Passphrase, PassphraseError, Passphrases};
use tagseal::publish::publisher::{PublishError, Published, Publisher};
use tagseal::publish::trust_dir::TrustDir;
use tagseal::sandbox::server::NotaryServer;
use tagseal::trust::{Access, TrustServer};
use tagseal::tuf::{
    Anchors, Answer, Gun, KeyId, RoleName, RootRotation, Step, TrustedRepository, Update, UpdateInput,
};

use crate::support::deal::{add, look};

/// How long publishers go on while others publish.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const GUN: &str = "registry.example.com/shop/web";

/// What becomes of a POST to the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server takes it, and its answer is lost.
    AnswerLost,
    /// It never gets there.
    RequestLost,
    /// The server takes it, and then nothing gets through any more.
    CutAfterwards,
}

/// What stands before the server.
#[derive(Default)]
struct Proxy {
    /// For the next upload.
    fault: Mutex<Option<Fault>>,
    uploads: AtomicUsize,
    /// Whether nothing gets through any more.
    is_cut: Mutex<bool>,
    /// How long each request waits.
    delay: Mutex<Duration>,
}

/// A server and its clock.
pub struct World {
    pub clock: ManualClock,
    pub server: NotaryServer,
    pub gun: Gun,
    url: String,
    proxy: Arc<Proxy>,
}

/// Somebody who publishes, with a trust directory.
pub struct Person<'a> {
    pub world: &'a World,
    pub dir: TrustDir,
    pub remote: Remote,
    pub passphrases: Mouth,
    /// Removed with it.
    pub _folder: tempfile::TempDir,
}

/// Knows one passphrase, and remembers what it was asked.
#[derive(Default)]
pub struct Mouth {
    /// `None`: the right one.
    pub says: Mutex<Option<String>>,
    /// Asked for: role, new or not, attempt.
    pub asked: Mutex<Vec<(String, bool, u32)>>,
    /// Done once, before the next answer.
    pub before: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Passphrases for Mouth {
    fn passphrase(&self, ask: &Ask<'_>) -> Result<Passphrase, PassphraseError> {
        if let Some(before) = self.before.lock().unwrap().take() {
            before();
        }
        self.asked.lock().unwrap().push((ask.role.to_owned(), ask.is_new, ask.attempt));
        let says = self.says.lock().unwrap().clone();
        Ok(Passphrase::new(says.unwrap_or_else(|| "correct horse".to_owned())))
    }
}

impl World {
    pub async fn new() -> Self {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let clock = ManualClock::at(now);
        let server = NotaryServer::new(None, Arc::new(clock.clone())).unwrap();
        let proxy = Arc::new(Proxy::default());
        let router = server.router().layer(from_fn_with_state(Arc::clone(&proxy), pass));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { clock, server, gun: Gun::new(GUN).unwrap(), url, proxy }
    }

    /// Lets something happen to the next upload.
    pub fn fail_next_upload(&self, fault: Fault) {
        *self.proxy.fault.lock().unwrap() = Some(fault);
    }

    /// Lets every request wait first.
    pub fn delay(&self, delay: Duration) {
        *self.proxy.delay.lock().unwrap() = delay;
    }

    /// Whether nothing gets through any more.
    pub fn cut(&self, is_cut: bool) {
        *self.proxy.is_cut.lock().unwrap() = is_cut;
    }

    pub fn uploads(&self) -> usize {
        self.proxy.uploads.load(Ordering::SeqCst)
    }

    pub fn advance_days(&self, days: i64) {
        self.clock.advance(SignedDuration::from_hours(24 * days));
    }

    pub fn now(&self) -> Timestamp {
        tagseal::clock::Clock::now(&self.clock)
    }

    pub fn person(&self) -> Person<'_> {
        // In memory where there is such a folder: everything is synced, and a disk takes its time for that.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let dir = TrustDir::open(&folder.path().join("trust")).unwrap();
        Person { world: self, dir, remote: self.remote(), passphrases: Mouth::default(), _folder: folder }
    }

    fn remote(&self) -> Remote {
        self.remote_at(&self.url)
    }

    /// The repository at another address of the server.
    pub fn remote_at(&self, url: &str) -> Remote {
        let client = NotaryClient::with(Arc::new(self.clock.clone()), Limits::default(), Proxies::default());
        let server = TrustServer::at(url.parse().unwrap());
        let (registry, access) = ("registry.example.com".to_owned(), Access::Anonymous);
        let timeout = Duration::from_secs(20);
        Remote::new(Arc::new(client), Arc::new(server), self.gun.clone(), registry, access, timeout)
    }

    /// The repository as somebody sees it who has never seen it before.
    pub async fn verified(&self) -> Arc<TrustedRepository> {
        let anchors = Anchors::new(Vec::new(), RootRotation::Follow, true);
        let mut update = Update::new(UpdateInput::new(self.gun.clone(), Arc::new(anchors), self.now()));
        let remote = self.remote();
        loop {
            match update.step() {
                Step::Done(done) => return done.unwrap().repository,
                Step::Fetch(fetches) => {
                    for fetch in fetches {
                        let answer = remote.fetch(&fetch).await.unwrap();
                        update.feed(&fetch.file, answer.map_or(Answer::NotFound, Answer::Bytes));
                    }
                }
            }
        }
    }

    /// What the usable roles list: role, tag, digest.
    pub async fn listed(&self) -> Vec<(String, String, Digest)> {
        let repository = self.verified().await;
        let roles = repository.roles(self.now(), SignedDuration::ZERO);
        let entries = roles.iter().flat_map(|role| {
            role.targets().map(|entry| (role.name().to_string(), entry.name.to_owned(), entry.digest))
        });
        let mut listed: Vec<_> = entries.collect();
        listed.sort();
        listed
    }

    /// As [`Self::listed`], without digests, as `role tag`.
    pub async fn tags(&self) -> Vec<String> {
        self.listed().await.into_iter().map(|(role, tag, _)| format!("{role} {tag}")).collect()
    }
}

impl<'a> Person<'a> {
    pub fn publisher(&self) -> Publisher<'_> {
        Publisher {
            dir: &self.dir,
            remote: &self.remote,
            passphrases: &self.passphrases,
            clock: Arc::new(self.world.clock.clone()),
            patience: PATIENCE,
        }
    }

    /// Publishes, one after the other, on whatever thread it is called; as a process of its own would.
    pub fn publishing(
        &self,
        publishes: Vec<Vec<Operation>>,
    ) -> impl FnOnce() -> Result<(), PublishError> + Send + use<> {
        let (dir, remote, clock) = (self.dir.clone(), self.remote.clone(), self.world.clock.clone());
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let passphrases = Mouth::default();
            let publisher = Publisher {
                dir: &dir,
                remote: &remote,
                passphrases: &passphrases,
                clock: Arc::new(clock),
                patience: PATIENCE,
            };
            publishes
                .iter()
                .try_for_each(|operations| runtime.block_on(publisher.publish(operations)).map(drop))
        }
    }

    /// Publishes a tag with `other` while this one is asked for a passphrase next.
    pub fn meanwhile(&self, other: &Person<'_>, tag: &str) {
        let publish = other.publishing(vec![vec![add(tag, tag, &[])]]);
        *self.passphrases.before.lock().unwrap() =
            Some(Box::new(move || std::thread::spawn(publish).join().unwrap().unwrap()));
    }

    /// As [`Self::publish`], by somebody who looked at what a witness signs.
    pub async fn publish_having_looked(&self, operations: &[Operation]) -> Result<Published, PublishError> {
        let mut operations = operations.to_vec();
        loop {
            match self.publish(&operations).await {
                Err(error) if look(&mut operations, &error) => {}
                outcome => return outcome,
            }
        }
    }

    pub async fn publish(&self, operations: &[Operation]) -> Result<Published, PublishError> {
        self.publisher().publish(operations).await
    }

    /// Makes a key for a delegation and keeps it.
    pub fn signer(&self, name: &str) -> PublicForm {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        self.keep(name, &key);
        key.public().clone()
    }

    /// Keeps a key, in clear.
    pub fn keep(&self, name: &str, key: &PrivateKey) {
        let header = KeyHeader { role: Some(name.to_owned()), gun: None };
        self.dir.add_key(&key.id(), &KeyFile::seal(key, header, None).unwrap()).unwrap();
    }

    /// Somebody else with a copy of this one's trust directory.
    pub fn twin(&self) -> Person<'a> {
        let twin = self.world.person();
        copy(self.dir.path(), twin.dir.path());
        twin
    }

    /// All files of the trust directory, but locks, by their hashes.
    pub fn files(&self) -> BTreeMap<String, Digest> {
        let mut files = BTreeMap::new();
        collect(self.dir.path(), self.dir.path(), &mut files);
        files
    }

    /// The ids of the keys that are kept for a role.
    pub fn keys(&self, role: &str) -> Vec<KeyId> {
        let keys = self.dir.keys().unwrap().into_iter();
        keys.filter(|key| key.header.role.as_deref() == Some(role)).map(|key| key.id).collect()
    }

    pub fn lose(&self, id: KeyId) {
        self.dir.remove_key(&id).unwrap();
    }

    pub fn metadata(&self) -> Vec<RoleName> {
        let lock = self.dir.lock(&self.world.gun).unwrap();
        lock.metadata().unwrap().into_iter().map(|(role, _)| role).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => {
                if !to.exists() {
                    fs::create_dir(&to).unwrap();
                }
                fs::set_permissions(&to, entry.metadata().unwrap().permissions()).unwrap();
                copy(&entry.path(), &to);
            }
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn collect(base: &Path, at: &Path, files: &mut BTreeMap<String, Digest>) {
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(base, &path, files),
            false if path.extension().is_some_and(|extension| extension == "tagseal-lock") => {}
            false => {
                let name = path.strip_prefix(base).unwrap().display().to_string();
                files.insert(name, Digest::of(&fs::read(&path).unwrap()));
            }
        }
    }
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request, next: Next) -> Response {
    let is_upload = request.method() == Method::POST && request.uri().path().ends_with("/_trust/tuf/");
    let delay = *proxy.delay.lock().unwrap();
    tokio::time::sleep(delay).await;
    if *proxy.is_cut.lock().unwrap() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    if !is_upload {
        return next.run(request).await;
    }
    let fault = proxy.fault.lock().unwrap().take();
    if fault == Some(Fault::RequestLost) {
        return StatusCode::GATEWAY_TIMEOUT.into_response();
    }
    let answer = next.run(request).await;
    if answer.status() == StatusCode::OK {
        proxy.uploads.fetch_add(1, Ordering::SeqCst);
    }
    if fault == Some(Fault::CutAfterwards) {
        *proxy.is_cut.lock().unwrap() = true;
    }
    match fault {
        Some(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
        None => answer,
    }
}
