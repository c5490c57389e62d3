//! [`Registry`]: what a registry says of an image: its manifest's digest and size.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use url::Url;

use super::NotaryClient;
use super::audience::Audience;
use super::auth::{Asker, Failed};
use super::endpoint::{Call, Reply};
use super::endpoints::{address, is_loopback};
use super::fault::{Fault, clean};
use super::remote::{Rejection, RemoteError};
use super::right::Right;
use super::{beside, from_the_server};
use crate::digest::Digest;
use crate::image::{DOCKER_HUB, ImageReference};
use crate::trust::{Access, SourceError, TrustServer};

/// What runtimes pull. Not docker's schema 1: a registry makes those up anew, so their bytes are nobody's.
const MEDIA_TYPES: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                           application/vnd.docker.distribution.manifest.list.v2+json, \
                           application/vnd.docker.distribution.manifest.v2+json";
/// Larger manifests are refused by registries and runtimes alike (OCI distribution, "Pushing Manifests").
const MAX_MANIFEST: u64 = 4 << 20;
/// What a registry says that its manifest's digest is.
const CONTENT_DIGEST: &str = "docker-content-digest";
/// Where docker pulls what is named after Docker Hub.
const HUB: &str = "https://registry-1.docker.io";

/// A registry (OCI distribution), read by the same connections and tokens as trust servers.
#[derive(Debug, Clone)]
pub struct Registry {
    client: Arc<NotaryClient>,
    /// Its address and authorities; a registry host is no trust server, but is reached alike.
    server: Arc<TrustServer>,
    access: Access,
    timeout: Duration,
}

/// An image's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// The sha256 of its bytes, computed here.
    pub digest: Digest,
    /// Its size in bytes.
    pub length: u64,
}

impl Registry {
    /// A registry at the address in `server`.
    pub fn new(
        client: Arc<NotaryClient>,
        server: Arc<TrustServer>,
        access: Access,
        timeout: Duration,
    ) -> Self {
        Self { client, server, access, timeout }
    }

    /// Where the registry of `image` is: always https; Docker Hub's is on a host of its own.
    ///
    /// As docker does it, a registry on this machine (`localhost`, a loopback address) may speak plain http:
    /// [`Registry::manifest`] tries it where https is not spoken.
    pub fn address(image: &ImageReference) -> Option<Url> {
        match image.registry() {
            DOCKER_HUB => HUB.parse().ok(),
            registry => format!("https://{registry}").parse().ok(),
        }
    }

    /// The manifest that the image's tag names now, or that its digest does where it has no tag. `None`: the registry
    /// knows no such one.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn manifest(&self, image: &ImageReference) -> Result<Option<Manifest>, RemoteError> {
        let ask = Ask { registry: self, image };
        let outcome = match ask.get(&self.server).await {
            Err(Failed::Request(fault)) if fault.is_not_tls() => match plain(&self.server) {
                Some(plain) => ask.outcome(ask.get(&plain).await, &plain.url)?,
                None => return Err(ask.told(fault, &self.server.url).into()),
            },
            outcome => ask.outcome(outcome, &self.server.url)?,
        };
        Ok(outcome)
    }
}

/// The same registry over http, where that is allowed: the request then leaves this machine as little as it came.
fn plain(server: &TrustServer) -> Option<TrustServer> {
    if server.url.scheme() != "https" || !is_loopback(&server.url) {
        return None;
    }
    let mut plain = server.clone();
    plain.url.set_scheme("http").ok()?;
    Some(plain)
}

/// One question.
struct Ask<'a> {
    registry: &'a Registry,
    image: &'a ImageReference,
}

impl Ask<'_> {
    async fn get(&self, server: &TrustServer) -> Result<Reply, Failed> {
        let base = server.url.path().trim_end_matches('/');
        // What is signed is what the tag names now, not what a cache remembers of it.
        let mut headers = from_the_server();
        headers.insert(ACCEPT, HeaderValue::from_static(MEDIA_TYPES));
        let call = Call {
            method: Method::GET,
            target: format!("{base}/v2/{}/manifests/{}", self.image.repository(), self.name()),
            headers,
            body: Bytes::new(),
            max_bytes: MAX_MANIFEST,
            known: true,
            repeatable: true,
        };
        let asker = Asker {
            server,
            repository: self.image.repository(),
            access: &self.registry.access,
            registry: self.image.registry(),
            known: true,
            right: Right::Pull,
            audience: self.audience(),
        };
        self.registry.client.ask(&asker, call, self.registry.timeout).await
    }

    /// The tag, or the digest of a reference that has none.
    fn name(&self) -> String {
        match (self.image.tag(), self.image.digest()) {
            (Some(tag), _) => tag.to_string(),
            (None, Some(digest)) => digest.to_string(),
            // The parser adds `latest` before it comes to this.
            (None, None) => "latest".to_owned(),
        }
    }

    fn outcome(&self, outcome: Result<Reply, Failed>, url: &Url) -> Result<Option<Manifest>, RemoteError> {
        let reply = outcome.map_err(|failed| match failed {
            Failed::Access(error) => error,
            Failed::Request(fault) => self.told(fault, url),
        })?;
        match reply.status {
            StatusCode::OK => match self.read(&reply) {
                Ok(manifest) => Ok(Some(manifest)),
                Err(fault) => Err(self.told(fault, url).into()),
            },
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_client_error() && Rejection::has_code(&reply.body) => {
                Err(RemoteError::Rejected(Rejection::of(status.as_u16(), &reply.body)))
            }
            _ => Err(self.told(beside(&reply, url), url).into()),
        }
    }

    /// The digest is that of the bytes that came, never what a header says it is.
    fn read(&self, reply: &Reply) -> Result<Manifest, Fault> {
        let media_type = header(reply, CONTENT_TYPE.as_str());
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !MEDIA_TYPES.split(", ").any(|known| known == media_type) {
            return Err(Fault::NoManifest { media_type: clean(&media_type) });
        }
        let digest = Digest::of(&reply.body);
        let said = header(reply, CONTENT_DIGEST);
        let wrong = |said: &str| Err(Fault::OtherDigest { said: clean(said), digest });
        if said.starts_with("sha256:") && said.parse() != Ok(digest) {
            return wrong(&said);
        }
        match (self.image.tag(), self.image.digest()) {
            (None, Some(asked)) if asked != digest => wrong(&asked.to_string()),
            _ => Ok(Manifest { digest, length: reply.body.len() as u64 }),
        }
    }

    fn audience(&self) -> Audience<'_> {
        Audience::Puller { registry: self.image.registry() }
    }

    fn told(&self, fault: Fault, url: &Url) -> SourceError {
        fault.told(&address(url), self.audience())
    }
}

fn header(reply: &Reply, name: &str) -> String {
    let value = reply.headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(value).trim().to_owned()
}
