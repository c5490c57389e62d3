//! [`Cable`]: one replica's way to the API server, which can be cut.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{Request, Response};
use tower::Service;

use super::api_server::ApiServer;

/// Clones are one cable.
#[derive(Clone)]
pub struct Cable {
    server: ApiServer,
    is_cut: Arc<AtomicBool>,
}

impl Cable {
    pub fn to(server: &ApiServer) -> Self {
        Self { server: server.clone(), is_cut: Arc::default() }
    }

    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "default")
    }

    /// What is asked from now on gets no answer, not even an error.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::Relaxed);
    }
}

impl Service<Request<kube::client::Body>> for Cable {
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response<Body>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        if self.is_cut.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        self.server.call(request)
    }
}
