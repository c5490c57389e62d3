//! [`Intake`]: the bytes of requests in flight, bounded before a body is read.
//!
//! A request takes room for what it announces, and gives it back with its answer. Small bodies have room of their own, so
//! that they do not wait behind large ones; if that is taken, they have what the large ones leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant, timeout_at};

use crate::limits;

/// Where room is to be had.
#[derive(Debug, Clone)]
pub(super) struct Intake(Arc<Rooms>);

#[derive(Debug)]
struct Rooms {
    /// Bytes of one body.
    most: usize,
    large: Arc<Semaphore>,
    small: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A body that arrived. Its room is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Intake {
    /// For reviews of what runs, with room for so many bytes of large ones.
    pub(super) fn of_reviews(large: usize) -> Self {
        Self::new(limits::REQUEST_BODY, large, limits::SMALL_REQUEST_BYTES)
    }

    /// For reviews of policies.
    pub(super) fn of_policies() -> Self {
        Self::new(limits::REQUEST_BODY, limits::POLICY_REQUEST_BYTES, limits::SMALL_POLICY_REQUEST_BYTES)
    }

    fn new(most: usize, large: usize, small: usize) -> Self {
        let (large, small) = (Arc::new(Semaphore::new(large)), Arc::new(Semaphore::new(small)));
        Self(Arc::new(Rooms { most, large, small, waiting: AtomicUsize::new(0) }))
    }

    /// The body of a request, or what to answer at once. It has to be there by `deadline`, and soon after its room is.
    pub(super) async fn read(&self, request: Request, deadline: Instant) -> Result<Arrived, Response> {
        let body = request.into_body();
        let hint = body.size_hint();
        // What announces nothing counts as the largest.
        let announced =
            hint.exact().map_or(self.0.most, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if announced > self.0.most {
            return Err(too_large(self.0.most));
        }
        let room = self.room(announced, deadline).await?;
        let deadline = deadline.min(Instant::now() + limits::BODY_TIME);
        match timeout_at(deadline, collect(body, announced, self.0.most)).await {
            Ok(bytes) => Ok(Arrived { bytes: bytes?, _room: room }),
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n").into_response()),
        }
    }

    async fn room(&self, announced: usize, deadline: Instant) -> Result<OwnedSemaphorePermit, Response> {
        let rooms = &self.0;
        let bytes = u32::try_from(announced + limits::REQUEST_HEAD).unwrap_or(u32::MAX);
        let is_small = announced <= limits::SMALL_BODY;
        let of_its_own = if is_small { &rooms.small } else { &rooms.large };
        for room in [of_its_own, &rooms.large] {
            if let Ok(permit) = Arc::clone(room).try_acquire_many_owned(bytes) {
                return Ok(permit);
            }
        }
        let Some(_waits) = Waiting::in_line(&rooms.waiting) else { return Err(busy()) };
        let deadline = deadline.min(Instant::now() + PATIENCE);
        match timeout_at(deadline, Arc::clone(of_its_own).acquire_many_owned(bytes)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(busy()),
        }
    }
}

/// How long a request waits for room.
const PATIENCE: Duration = Duration::from_secs(1);

/// One that waits for room, while this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// `None` where the line is too long.
    fn in_line(line: &'a AtomicUsize) -> Option<Self> {
        let waits = Self(line);
        (line.fetch_add(1, Ordering::Relaxed) < limits::REQUESTS_WAITING).then_some(waits)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn too_large(most: usize) -> Response {
    let message = format!("the body is larger than {most} bytes\n");
    (StatusCode::PAYLOAD_TOO_LARGE, message).into_response()
}

fn busy() -> Response {
    let message = "tagseal is busy: too many bytes of requests are in flight; try again\n";
    (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}

/// All of a body, in one piece.
async fn collect(body: Body, announced: usize, most: usize) -> Result<Bytes, Response> {
    let is_announced = body.size_hint().exact().is_some();
    let mut pieces = body.into_data_stream();
    let mut all: Vec<u8> = Vec::new();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            return Err((StatusCode::BAD_REQUEST, "the body ended before its end\n").into_response());
        };
        // Most bodies are one piece, and are not copied.
        if all.is_empty() && is_announced && piece.len() == announced {
            return Ok(piece);
        }
        if all.len() + piece.len() > most {
            return Err(too_large(most));
        }
        if all.capacity() == 0 {
            // It counts as so many bytes anyway, and what is not written takes no memory.
            all.reserve_exact(announced);
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.into())
}

#[cfg(test)]
mod tests;
