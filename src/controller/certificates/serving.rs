//! [`Serving`]: what every replica does: follow the Secret, serve what is in it, remember what served last.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::ready;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::material::{Leaf, Material};
use super::plan::Sight;
use super::secret::{Store, sight};
use crate::clock::SharedClock;
use crate::controller::follow::follow;
use crate::controller::references::seen;
use crate::controller::trouble::Subject;
use crate::telemetry::Metrics;

/// What the watch of the Secret has shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// What served last; it serves until something better is there.
    pub(super) memory: Option<Arc<Material>>,
}

/// The certificate that this replica serves.
pub(super) struct Serving {
    pub(super) store: Store,
    pub(super) names: Vec<String>,
    pub(super) clock: SharedClock,
    pub(super) metrics: Metrics,
    pub(super) served: watch::Sender<Option<Arc<CertifiedKey>>>,
    /// Changes whenever the Secret does.
    pub(super) shown: watch::Sender<Shown>,
}

impl Serving {
    /// Follows the Secret; never returns.
    pub(super) async fn run(self, name: &str) {
        let subject = Subject {
            what: self.store.what(),
            resource: format!("secrets ({})", self.store.what()),
            meanwhile: "the certificate in memory goes on; without one, this replica is not ready",
        };
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let sights = follow(self.store.api(), config, subject, self.clock.clone());
        let mut sights = std::pin::pin!(sights.scan(false, seen).filter_map(ready));
        while let Some(secret) = sights.next().await {
            // A watch that stumbles says nothing of the Secret.
            if let Ok(secret) = secret {
                self.take(secret.as_ref(), self.clock.now());
            }
        }
    }

    fn take(&self, secret: Option<&Secret>, now: Timestamp) {
        let what = self.store.what();
        let memory = self.shown.borrow().memory.clone();
        let meanwhile = match memory {
            Some(_) => "the certificate in memory goes on",
            None => "there is none to serve",
        };
        let memory = match sight(secret) {
            Sight::Absent => {
                tracing::info!(meanwhile, "{what} is not there; the leader makes it");
                memory
            }
            Sight::Foreign => {
                tracing::error!(meanwhile, "{what} was not made by tagseal, which leaves it alone");
                memory
            }
            Sight::Held { material, damage, .. } => match self.serve(&material, now) {
                Ok(()) => Some(Arc::new(material)),
                Err(why) => {
                    tracing::warn!(
                        meanwhile,
                        ?damage,
                        "{what} holds no certificate that can be served: {why}"
                    );
                    memory
                }
            },
        };
        self.shown.send_replace(Shown { memory });
    }

    /// Serves what `material` holds from now on, if API servers accept it.
    fn serve(&self, material: &Material, now: Timestamp) -> Result<(), String> {
        let leaf = material.leaf.as_ref().ok_or("it is damaged")?;
        // Whether it is valid yet is for the clocks of API servers to say, not for this replica's.
        if material.issuer(&self.names, now.max(leaf.certificate.from)).is_none() {
            let names = self.names.join(", ");
            let (from, until) = (leaf.certificate.from, leaf.certificate.until);
            return Err(format!(
                "it is valid from {from} to {until}, and has to be one for {names}, issued by an authority in ca.crt"
            ));
        }
        let key = certified(leaf)?;
        let newest = material.authorities.first().map(|authority| authority.certificate.until);
        self.metrics.serving_certificate_expires(leaf.certificate.until.as_second());
        self.metrics.authority_expires(newest.unwrap_or_default().as_second());
        let is_new = self.served.send_if_modified(|served| {
            let is_new = served.as_ref().is_none_or(|served| served.cert != key.cert);
            if is_new {
                *served = Some(Arc::new(key));
            }
            is_new
        });
        if is_new {
            let until = leaf.certificate.until;
            tracing::info!(secret = self.store.what(), %until, "serving the certificate in the Secret");
        }
        Ok(())
    }
}

fn certified(leaf: &Leaf) -> Result<CertifiedKey, String> {
    let key = PrivateKeyDer::from_pem_slice(leaf.key.pem().as_bytes()).map_err(|error| error.to_string())?;
    let chain = vec![leaf.certificate.der.clone()];
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|error| error.to_string())
}
