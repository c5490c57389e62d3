//! A pull as container runtimes do it: everything that is named by a digest is checked against it.

use serde_json::Value;

use super::{Stage, StageError};
use crate::digest::Digest;
use crate::image::ImageReference;

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The manifest's digest.
    pub digest: Digest,
}

/// Why an image cannot be pulled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// What came is not what was named.
    #[error("the {what} that came is {came}, and {named} was asked for")]
    Damaged {
        /// `manifest`, `config` or `layer`.
        what: &'static str,
        /// What was asked for.
        named: Digest,
        /// What came.
        came: Digest,
    },
    /// It is not there.
    #[error("the registry has no {0}")]
    Missing(String),
    /// The registry does not answer, or not with an image.
    #[error("{0}")]
    Failed(String),
}

impl Stage {
    /// Pulls an image: by digest where it has one.
    ///
    /// # Errors
    /// [`PullError`].
    pub async fn pull(&self, image: &str) -> Result<Pulled, PullError> {
        let image = ImageReference::parse(image).map_err(|error| PullError::Failed(error.to_string()))?;
        let base = format!("https://{}/v2/{}", image.registry(), image.repository());
        let name = match (image.digest(), image.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => "latest".to_owned(),
        };
        let manifest = self.download(&format!("{base}/manifests/{name}")).await?;
        let digest = Digest::of(&manifest);
        if let Some(named) = image.digest() {
            check("manifest", named, digest)?;
        }
        let broken = || PullError::Failed("the manifest that came is none".to_owned());
        let manifest: Value = serde_json::from_slice(&manifest).map_err(|_| broken())?;
        let config = manifest.get("config").into_iter().map(|config| ("config", config));
        let layers = manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
        for (what, descriptor) in config.chain(layers.map(|layer| ("layer", layer))) {
            let named = descriptor.get("digest").and_then(Value::as_str).and_then(|text| text.parse().ok());
            let named: Digest = named.ok_or_else(broken)?;
            check(what, named, Digest::of(&self.download(&format!("{base}/blobs/{named}")).await?))?;
        }
        Ok(Pulled { digest })
    }

    async fn download(&self, url: &str) -> Result<bytes::Bytes, PullError> {
        let failed = |error: StageError| PullError::Failed(error.to_string());
        let reply = self.https.get(url).await.map_err(failed)?;
        match reply.status.as_u16() {
            200 => Ok(reply.body),
            404 => Err(PullError::Missing(url.rsplit('/').next().unwrap_or_default().to_owned())),
            status => Err(PullError::Failed(format!("{url}: status {status}"))),
        }
    }
}

fn check(what: &'static str, named: Digest, came: Digest) -> Result<(), PullError> {
    if named == came { Ok(()) } else { Err(PullError::Damaged { what, named, came }) }
}
