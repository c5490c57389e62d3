//! [`Endpoint`]: one server's connections and the budget of requests to it.
//!
//! At most [`Limits::connections`] connections are open, kept alive and used by one request at a time: an idle
//! one is always taken before a new one is opened, and a slot is held from before the one to after the other.
//! Repositories that never verified get one slot less, so that they cannot keep all of them busy (design §4
//! "Cache": unknown repositories cannot starve known ones).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::body::{self, Outgoing};
use super::connect::Connector;
use super::deadline::{Deadline, Limit};
use super::fault::{Fault, clean};
use super::tls;

/// A connection that nobody used for so long is not used again.
const MAX_IDLE: Duration = Duration::from_secs(90);
/// Of an answer that is not 200, more than this is not read.
const MAX_ASIDE: u64 = 64 << 10;

/// The bounds on what one server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take to open, TLS included.
    pub connect: Duration,
    /// How long one request may take, from the connection to the last byte.
    pub request: Duration,
    /// How many connections, and so requests, there may be at once.
    pub connections: usize,
    /// How many of them repositories may use that have never verified.
    pub unknown: usize,
    /// How many requests of such repositories may wait; more are turned away at once.
    pub waiting: usize,
}

impl Default for Limits {
    /// Design §10 "A cold admission", §11 "deadlines".
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            request: Duration::from_secs(5),
            connections: 4,
            unknown: 3,
            waiting: 256,
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    /// Headers besides those that every request has.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// How much of a 200's body is read at most.
    pub(super) max_bytes: u64,
    /// Whether it is made for a repository that has verified before.
    pub(super) known: bool,
    /// Whether making it twice does what making it once does. What is not, is made once.
    pub(super) repeatable: bool,
}

/// One answer, read whole.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where the status is not 200: what came of it, if that is not much.
    pub(super) body: Bytes,
}

/// One server: scheme, host, port, and who may vouch for it.
#[derive(Debug)]
pub(super) struct Endpoint {
    connector: Connector,
    /// The `Host` header.
    host: HeaderValue,
    limits: Limits,
    slots: Semaphore,
    unknown: Semaphore,
    waiting: Semaphore,
    idle: Mutex<VecDeque<Idle>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Outgoing>,
    since: Instant,
}

/// The right to have a request under way.
#[derive(Debug)]
struct Turn<'a> {
    _slot: SemaphorePermit<'a>,
    _unknown: Option<SemaphorePermit<'a>>,
}

impl Endpoint {
    pub(super) fn new(connector: Connector, host: HeaderValue, limits: Limits) -> Self {
        Self {
            connector,
            host,
            limits,
            slots: Semaphore::new(limits.connections),
            unknown: Semaphore::new(limits.unknown),
            waiting: Semaphore::new(limits.waiting),
            idle: Mutex::default(),
        }
    }

    /// Whether it is spoken to over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.connector.tls.is_some()
    }

    /// Makes one request, when its turn comes.
    pub(super) async fn call(&self, call: &Call, deadline: Deadline) -> Result<Reply, Fault> {
        let _turn = self.turn(call.known, deadline).await?;
        // What is made once leaves no time to anything after it, and goes on a connection of its own: a kept-alive one
        // may be closed at the other end while the request is on its way, and whether it arrived would not be known.
        let limit = match call.repeatable {
            true => deadline.limit(self.limits.request),
            false => deadline.whole(),
        };
        if call.repeatable
            && let Some(sender) = self.take_idle()
        {
            match self.exchange(sender, call, limit).await {
                Err(fault) if fault.is_closed() => {}
                outcome => return outcome,
            }
        }
        let sender = self.connector.connect(deadline.limit(self.limits.connect).min(limit)).await?;
        self.exchange(sender, call, limit).await
    }

    async fn turn(&self, known: bool, deadline: Deadline) -> Result<Turn<'_>, Fault> {
        let _unknown = match known {
            true => None,
            false => Some(self.unknown_turn(deadline).await?),
        };
        match timeout_at(deadline.at(), self.slots.acquire()).await {
            Ok(Ok(_slot)) => Ok(Turn { _slot, _unknown }),
            _ => Err(Fault::Busy { within: deadline.span() }),
        }
    }

    async fn unknown_turn(&self, deadline: Deadline) -> Result<SemaphorePermit<'_>, Fault> {
        if let Ok(permit) = self.unknown.try_acquire() {
            return Ok(permit);
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(Fault::QueueFull { waiting: self.limits.waiting });
        };
        match timeout_at(deadline.at(), self.unknown.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Fault::Busy { within: deadline.span() }),
        }
    }

    async fn exchange(
        &self,
        mut sender: SendRequest<Outgoing>,
        call: &Call,
        limit: Limit,
    ) -> Result<Reply, Fault> {
        let request = self.request(call)?;
        let response = match timeout_at(limit.at, sender.send_request(request)).await {
            Err(_) => return Err(Fault::AnswerTimeout { within: limit.span }),
            Ok(Err(error)) => return Err(self.no_answer(&error)),
            Ok(Ok(response)) => response,
        };
        let (head, body) = response.into_parts();
        let reply = |body| Reply { status: head.status, headers: head.headers.clone(), body };
        if head.status != StatusCode::OK {
            // The status is the answer, whatever becomes of the rest.
            let aside = body::read(body, MAX_ASIDE, limit).await;
            if aside.is_ok() {
                self.keep(sender, call, limit).await;
            }
            return Ok(reply(aside.unwrap_or_default()));
        }
        refuse_encoded(&head.headers)?;
        let body = body::read(body, call.max_bytes, limit).await?;
        self.keep(sender, call, limit).await;
        Ok(reply(body))
    }

    fn request(&self, call: &Call) -> Result<Request<Outgoing>, Fault> {
        let mut request = Request::builder().method(&call.method).uri(&call.target);
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&call.headers);
            headers.insert(header::HOST, self.host.clone());
            headers.insert(header::USER_AGENT, HeaderValue::from_static(super::USER_AGENT));
            // Nothing is unpacked: a small body that grows without end is an old trick.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        request.body(Outgoing::from(call.body.clone())).map_err(|_| Fault::Address)
    }

    fn no_answer(&self, error: &hyper::Error) -> Fault {
        if let Some(fault) = tls::client_fault(error) {
            return fault;
        }
        if error.is_parse() && !error.is_parse_too_large() {
            return match self.is_secure() {
                true => Fault::Malformed { cause: error.to_string() },
                false => Fault::NotHttp,
            };
        }
        match error.is_parse_too_large() {
            true => Fault::Malformed { cause: error.to_string() },
            false => Fault::Closed,
        }
    }

    fn take_idle(&self) -> Option<SendRequest<Outgoing>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = Instant::now().checked_sub(MAX_IDLE);
        idle.retain(|idle| idle.sender.is_ready() && oldest.is_none_or(|oldest| idle.since > oldest));
        // The one used last, so that the others can age.
        idle.pop_back().map(|idle| idle.sender)
    }

    /// Puts a connection back, once its last answer is over; before the slot is given back. Not one of a call that is
    /// made once: a server that answers before it has read a large body may never read the rest.
    async fn keep(&self, mut sender: SendRequest<Outgoing>, call: &Call, limit: Limit) {
        if !call.repeatable {
            return;
        }
        if let Ok(Ok(())) = timeout_at(limit.at, sender.ready()).await {
            let idle = Idle { sender, since: Instant::now() };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(idle);
        }
    }
}

fn refuse_encoded(headers: &HeaderMap) -> Result<(), Fault> {
    let encoded = |value: &&HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    match headers.get_all(header::CONTENT_ENCODING).iter().find(encoded) {
        Some(value) => Err(Fault::Encoded { encoding: clean(&String::from_utf8_lossy(value.as_bytes())) }),
        None => Ok(()),
    }
}
