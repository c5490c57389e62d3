//! [`Elsewhere`]: one trust server in the place of those that policies name.

use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use crate::policy::TrustServer;
use crate::trust::{BoxFuture, MetadataSource, SourceError, SourceRequest};

/// Asks one server, whichever a policy names. Everything else is as the policy has it: authorities, credentials, token realms.
#[derive(Debug)]
pub struct Elsewhere {
    source: Arc<dyn MetadataSource>,
    url: Url,
}

impl Elsewhere {
    /// `source`, asked at `url`.
    pub fn new(source: Arc<dyn MetadataSource>, url: Url) -> Self {
        Self { source, url }
    }
}

impl MetadataSource for Elsewhere {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let server =
                Arc::new(TrustServer { url: self.url.clone(), ..TrustServer::clone(request.server) });
            self.source.fetch(SourceRequest { server: &server, ..request }).await
        })
    }
}
