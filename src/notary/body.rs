//! Request and response bodies: [`Outgoing`], sent in one piece, and [`read`], which never takes more than it may.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout_at;

use super::deadline::Limit;
use super::fault::Fault;

/// A request's body.
#[derive(Debug, Clone, Default)]
pub(super) struct Outgoing(Option<Bytes>);

impl From<Bytes> for Outgoing {
    fn from(bytes: Bytes) -> Self {
        Self(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Reads a body of at most `max_bytes` until `limit`.
pub(super) async fn read(mut body: Incoming, max_bytes: u64, limit: Limit) -> Result<Bytes, Fault> {
    if body.size_hint().lower() > max_bytes {
        return Err(Fault::TooLarge { max_bytes });
    }
    let mut whole = BytesMut::new();
    loop {
        let bytes = whole.len() as u64;
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let data = match timeout_at(limit.at, frame).await {
            Err(_) => return Err(Fault::BodyTimeout { within: limit.span, bytes }),
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(_))) => return Err(Fault::BodyCut { bytes }),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => data,
                // Trailers say nothing that we ask for.
                Err(_) => continue,
            },
        };
        if data.len() as u64 > max_bytes.saturating_sub(bytes) {
            return Err(Fault::TooLarge { max_bytes });
        }
        whole.extend_from_slice(&data);
    }
}
