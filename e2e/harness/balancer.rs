//! A plain TCP balancer on loopback that follows readiness, as a Service does: it reads nothing of what passes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::http::CREDULOUS;
use super::poll::eventually;
use super::run::{RUN, RUNTIME};

/// The readiness probe of the shipped Deployment, asked as kubelet does.
const PERIOD: Duration = Duration::from_secs(2);
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const FAILURES: usize = 3;
/// A new backend is asked more often, as kubelet does until it is ready for the first time.
const STARTING: Duration = Duration::from_millis(250);

/// Gives each new connection to the next ready backend. One that is established stays where it is until either side closes
/// it; it ends with its backend. A backend that refuses a connection is out at once, and the next is tried.
pub struct Balancer {
    port: u16,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    backends: Mutex<Vec<Arc<Backend>>>,
    next: AtomicUsize,
}

struct Backend {
    port: u16,
    is_ready: AtomicBool,
    /// Connections that it broke while something was asked and nothing answered.
    cut: AtomicUsize,
    /// Connections that it did not take while it was believed to be ready.
    refused: AtomicUsize,
}

impl Balancer {
    /// Without backends.
    pub fn start() -> Self {
        let (port, shared) = (RUN.free_port(), Arc::<Shared>::default());
        let bound = RUNTIME.block_on(TcpListener::bind(("127.0.0.1", port)));
        let listener = bound.unwrap_or_else(|error| panic!("port {port}: {error}"));
        let listener = RUNTIME.spawn(accept(listener, shared.clone()));
        Self { port, shared, listener }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends connections to `port` too, whenever its `/readyz` says that it is ready.
    pub fn follows(&self, port: u16) {
        let backend = Arc::new(Backend {
            port,
            is_ready: AtomicBool::new(false),
            cut: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        });
        self.backends().push(backend.clone());
        RUNTIME.spawn(probe(Arc::downgrade(&backend)));
    }

    /// Gives no new connection to `port` any more.
    pub fn forgets(&self, port: u16) {
        self.backends().retain(|backend| backend.port != port);
    }

    /// Waits until it knows that `port` is ready, or is not.
    #[track_caller]
    pub fn awaits(&self, port: u16, is_ready: bool) {
        eventually(&format!("port {port} is ready: {is_ready}"), Duration::from_secs(60), || {
            let backend = self.backend(port);
            if backend.is_ready.load(Ordering::Acquire) == is_ready {
                Ok(())
            } else {
                Err("not yet".to_owned())
            }
        });
    }

    /// How many connections `port` broke so far that waited for its answer.
    pub fn cut(&self, port: u16) -> usize {
        self.backend(port).cut.load(Ordering::Acquire)
    }

    /// How many connections `port` refused so far; none of them is lost, but behind a Service they would be.
    pub fn refused(&self, port: u16) -> usize {
        self.backend(port).refused.load(Ordering::Acquire)
    }

    fn backends(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Backend>>> {
        self.shared.backends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn backend(&self, port: u16) -> Arc<Backend> {
        let found = self.backends().iter().find(|backend| backend.port == port).cloned();
        found.unwrap_or_else(|| panic!("port {port} is none of the balancer's"))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.listener.abort();
        self.backends().clear();
    }
}

/// Asks for as long as the balancer follows the backend.
async fn probe(backend: std::sync::Weak<Backend>) {
    let mut failures = 0;
    let mut ticks = interval(STARTING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(backend) = backend.upgrade() else { return };
        let answer = CREDULOUS
            .get(format!("https://127.0.0.1:{}/readyz", backend.port))
            .timeout(PROBE_TIMEOUT)
            .send()
            .await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            failures = 0;
            if !backend.is_ready.swap(true, Ordering::AcqRel) {
                ticks = interval(PERIOD);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                ticks.reset();
            }
        } else {
            failures += 1;
            if failures >= FAILURES {
                backend.is_ready.store(false, Ordering::Release);
            }
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(connect(client, shared.clone()));
    }
}

async fn connect(client: TcpStream, shared: Arc<Shared>) {
    while let Some(backend) = shared.choose() {
        match TcpStream::connect(("127.0.0.1", backend.port)).await {
            Ok(server) => return backend.carry(client, server).await,
            Err(_) => {
                backend.refused.fetch_add(1, Ordering::AcqRel);
                backend.is_ready.store(false, Ordering::Release);
            }
        }
    }
}

impl Shared {
    fn choose(&self) -> Option<Arc<Backend>> {
        let backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        let ready: Vec<_> =
            backends.iter().filter(|backend| backend.is_ready.load(Ordering::Acquire)).collect();
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        ready.get(next.checked_rem(ready.len())?).map(|backend| Arc::clone(backend))
    }
}

impl Backend {
    /// Carries bytes both ways until both sides have closed, or the backend breaks off.
    async fn carry(&self, mut client: TcpStream, mut server: TcpStream) {
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let (mut asked, mut answered) = ([0; 16 << 10], [0; 16 << 10]);
        let mut is_waiting = false;
        let mut client_is_done = false;
        loop {
            tokio::select! {
                read = from_client.read(&mut asked), if !client_is_done => match read {
                    Ok(count) if count > 0 => {
                        is_waiting = true;
                        // A backend that takes nothing more is noticed by reading from it.
                        let _ = to_server.write_all(&asked[..count]).await;
                    }
                    Ok(_) => {
                        client_is_done = true;
                        is_waiting = false;
                        let _ = to_server.shutdown().await;
                    }
                    Err(_) => return,
                },
                read = from_server.read(&mut answered) => match read {
                    Ok(count) if count > 0 => {
                        is_waiting = false;
                        if to_client.write_all(&answered[..count]).await.is_err() {
                            return;
                        }
                    }
                    Ok(_) | Err(_) => {
                        if is_waiting {
                            self.cut.fetch_add(1, Ordering::AcqRel);
                        }
                        return;
                    }
                },
            }
        }
    }
}
