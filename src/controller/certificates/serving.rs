//! [`Serving`]: what every replica does: follow the Secret, serve what is in it, remember what served last.
//!
//! API servers judge what is served by their own clocks and by the name that they call, not by what this replica takes for right. So a
//! leaf that is not valid yet by this replica's clock, or is not for the name that it was told, has to wait only for as long as there
//! is a better one, which it replaces when its time comes. With no other it serves all the same, and this replica is ready:
//! where this clock is slow nothing is lost, and where the leader's is fast, or the leader is of a version that knows other names,
//! no other replica has anything else to serve either, but a rollout that waited for this one would keep that leader for ever.
//! One that is over is another matter: who renews it needs no replica to be ready. It is looked at again all the same, because a clock
//! that was fast may be set back.

mod flaws;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::ready;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio::time::sleep;

use self::flaws::{Weighed, between, weigh};
use super::material::{Certificate, Leaf, Material};
use super::plan::Sight;
use super::secret::{Store, sight};
use crate::clock::SharedClock;
use crate::controller::follow::follow;
use crate::controller::references::seen;
use crate::controller::trouble::Subject;
use crate::telemetry::Metrics;

/// How often a certificate that waits for its time is looked at: the clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the watch of the Secret has shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// What served last; it serves until something better is there.
    pub(super) memory: Option<Arc<Material>>,
}

/// The certificate that this replica serves.
pub(super) struct Serving {
    pub(super) store: Store,
    /// The name by which API servers call tagseal comes first.
    pub(super) names: Vec<String>,
    pub(super) clock: SharedClock,
    pub(super) metrics: Metrics,
    pub(super) served: watch::Sender<Option<Arc<CertifiedKey>>>,
    /// What is wrong with it, or with what does not serve.
    pub(super) remark: watch::Sender<Option<String>>,
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
        let mut waits: Option<Waiting> = None;
        loop {
            tokio::select! {
                secret = sights.next() => match secret {
                    Some(Ok(secret)) => waits = self.take(secret.as_ref(), self.clock.now()),
                    // A watch that stumbles says nothing of the Secret.
                    Some(Err(_)) => {}
                    None => return,
                },
                () = sleep(LOOK_EVERY), if waits.is_some() => {
                    waits = waits.and_then(|waiting| self.looks_again(waiting, self.clock.now()));
                }
            }
        }
    }

    /// Takes what the Secret holds; answers what waits for its time.
    fn take(&self, secret: Option<&Secret>, now: Timestamp) -> Option<Waiting> {
        let what = self.store.what();
        let memory = self.shown.borrow().memory.clone();
        let meanwhile = match memory {
            Some(_) => "the certificate in memory goes on",
            None => "there is none to serve",
        };
        let (memory, waiting) = match sight(secret) {
            Sight::Absent => {
                tracing::info!(meanwhile, "{what} is not there; the leader makes it");
                self.remarks(format!("{what} is not there, and the leader makes it; {meanwhile}"));
                (memory, None)
            }
            Sight::Foreign => {
                tracing::error!(meanwhile, "{what} was not made by tagseal, which leaves it alone");
                self.remarks(format!("{what} was not made by tagseal, which leaves it alone; {meanwhile}"));
                (memory, None)
            }
            Sight::Held { material, damage, .. } => match self.serve(&material, now) {
                Ok(weighed) => self.remembers(memory, *material, weighed),
                Err(why) => {
                    tracing::warn!(
                        meanwhile,
                        ?damage,
                        "{what} holds no certificate that can be served: {why}"
                    );
                    self.remarks(format!(
                        "{what} holds no certificate that can be served: {why}; {meanwhile}"
                    ));
                    let is_over = is_over(&material, now);
                    let waiting = Waiting { material: Arc::new(*material), weighed: None };
                    (memory, is_over.then_some(waiting))
                }
            },
        };
        self.shown.send_replace(Shown { memory });
        waiting
    }

    fn remembers(
        &self,
        memory: Option<Arc<Material>>,
        material: Material,
        weighed: Weighed,
    ) -> (Option<Arc<Material>>, Option<Waiting>) {
        let material = Arc::new(material);
        let memory = if weighed.serves { Some(Arc::clone(&material)) } else { memory };
        (memory, (!weighed.flaws.is_empty()).then_some(Waiting { material, weighed: Some(weighed) }))
    }

    /// Whether the time has come of what waits for it, be it that a clock which was fast was set back.
    fn looks_again(&self, waiting: Waiting, now: Timestamp) -> Option<Waiting> {
        let memory = self.shown.borrow().memory.clone();
        if is_over(&waiting.material, now) {
            // What ran out while it waited is told when the Secret changes.
            return Some(Waiting { weighed: None, ..waiting });
        }
        let weighed = weigh(&waiting.material, memory.as_deref(), self.names.first(), now);
        if waiting.weighed.as_ref() == Some(&weighed) {
            return Some(waiting);
        }
        let weighed = self.serve(&waiting.material, now).ok()?;
        let (memory, waiting) = self.remembers(memory, Material::clone(&waiting.material), weighed);
        self.shown.send_replace(Shown { memory });
        waiting
    }

    /// Serves what `material` holds from now on, unless what serves is better.
    fn serve(&self, material: &Material, now: Timestamp) -> Result<Weighed, String> {
        let leaf = material.leaf.as_ref().ok_or("it is damaged")?;
        let Certificate { from, until, .. } = &leaf.certificate;
        if is_over(material, now) {
            let late = between(*until, now);
            return Err(format!(
                "it is valid from {from} to {until}, and now is {now} by this replica's clock, {late} later"
            ));
        }
        if material.signer(now).is_none() {
            return Err("it is not issued by an authority in ca.crt, or is for no name".to_owned());
        }
        let memory = self.shown.borrow().memory.clone();
        let weighed = weigh(material, memory.as_deref(), self.names.first(), now);
        let key = certified(leaf)?;
        if weighed.flaws.is_empty() {
            self.remark.send_if_modified(|remark| remark.take().is_some());
        } else {
            self.tells(&weighed, &leaf.certificate, now);
        }
        if weighed.serves {
            self.hand_over(key, material, leaf);
        }
        Ok(weighed)
    }

    fn tells(&self, weighed: &Weighed, leaf: &Certificate, now: Timestamp) {
        let meanwhile = match weighed.serves {
            true => {
                "it serves all the same: there is no other, and API servers go by their own clocks and names"
            }
            false => "the one before it goes on",
        };
        let told: Vec<_> =
            weighed.flaws.iter().map(|flaw| flaw.told(leaf, self.names.first(), now)).collect();
        let told = format!("the certificate in {} {}", self.store.what(), told.join("; and it "));
        tracing::warn!(meanwhile, "{told}");
        self.remarks(format!("{told}; {meanwhile}"));
    }

    fn remarks(&self, remark: String) {
        self.remark.send_replace(Some(remark));
    }

    fn hand_over(&self, key: CertifiedKey, material: &Material, leaf: &Leaf) {
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
    }
}

/// A leaf that is not as it should be, which serves or does not.
struct Waiting {
    material: Arc<Material>,
    /// `None`: it was over, by this replica's clock.
    weighed: Option<Weighed>,
}

fn is_over(material: &Material, now: Timestamp) -> bool {
    material.leaf.as_ref().is_some_and(|leaf| leaf.certificate.until < now)
}

fn certified(leaf: &Leaf) -> Result<CertifiedKey, String> {
    let key = PrivateKeyDer::from_pem_slice(leaf.key.pem().as_bytes()).map_err(|error| error.to_string())?;
    let chain = vec![leaf.certificate.der.clone()];
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|error| error.to_string())
}
