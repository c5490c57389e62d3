//! [`Certificates`]: the serving certificate and its authority, made, kept in a Secret and renewed by tagseal itself, and
//! `caBundle` of the webhook configurations.
//!
//! **The rule.** At no moment may an API server be shown a certificate that its `caBundle` does not cover. What has to agree is in
//! three places that change one after the other: the Secret (`ca.crt` authorities, newest first; `ca.key`; the leaf `tls.crt`,
//! `tls.key`), the two webhook configurations, and the memory of API servers and replicas, which lags behind both.
//!
//! **Every replica** ([`serving`]) watches the Secret and serves its leaf from the moment that it sees it; connections that are
//! open go on. What an API server would not accept never replaces what it accepts, and what may not be accepted yet waits while there
//! is a better one.
//!
//! **The leader** ([`keeper`]) takes one [`plan`]ned step after the other. Each is one write of the Secret, on condition that it is
//! still as it was read, so a second leader, or one that died between two steps, makes no difference: whoever comes next reads
//! where things stand and goes on from there.
//!
//! ```text
//!             no Secret            a third of the authority's time is left, its key is lost,
//!                 │                or `tagseal.dev/rotate` asks for it
//!               Create      ┌───────────────────────Authority──────────────────────┐
//!                 ▼         │                                                      ▼
//!        ┌─► ONE AUTHORITY ─┘ [A]; leaf by A                 ANNOUNCED [B, A]; leaf by A; keys of both
//!        │        │  ▲                                              │ caBundle of every configuration is [B, A], and
//!     Forget      └──┘ Leaf: a third of the leaf's time is left     │ was so for 30 s on end
//!        │                                                       Leaf by B
//!        └── A is long over ◄─ OVERLAP [B, A]; leaf by B; key of B ◄┘
//! ```
//!
//! - `caBundle` is at all times to be what `ca.crt` holds; whoever overwrites it is corrected, which starts the 30 s anew. While the
//!   newest authority is not in every configuration (the right to write them is missing, say), the one before it goes on issuing.
//! - **An authority leaves the bundle a day after it has expired, and no leaf outlives its authority.** So when it goes nothing that it
//!   issued is valid: a replica that still served such a leaf, because it could not read the Secret for all of the overlap (a third of the
//!   authority's time, more than a whole leaf's), would be refused for the leaf's own age. That is "until all replicas serve the new leaf"
//!   without asking them.
//! - **The order does not hang on the leader's clock.** Which authority issued the leaf is told without one. A leaf or an authority that
//!   is not valid by the leader's clock is replaced, but in the same order: the leaf stays until every configuration had the new
//!   authority for 30 s, however long it has been over: replicas may serve an earlier one from memory that API servers accept. Only
//!   when its authority has left the bundle is it replaced without waiting.
//! - An older bundle never replaces a newer one: a configuration is read before the Secret whose bundle is written to it, and written on
//!   condition that it is still the one that was read.
//! - **Restore**: a Secret that is gone, or holds no leaf or one that is over, gets back what the leader's memory holds while
//!   that is not over; authorities that can still be read of it stay. A leader that knows nothing starts anew. Where there is no leaf there is no order to keep: a new one comes at once.
//! - A Secret that is not empty and not labelled as tagseal's is somebody else's, and is left alone.

mod bundle;
mod call;
mod issue;
mod keeper;
mod material;
mod plan;
mod secret;
mod serving;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use kube::Client;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use self::bundle::Configurations;
pub use self::issue::Lifetimes;
use self::keeper::Keeper;
use self::plan::{InForce, Wanted};
use self::secret::Store;
use self::serving::{Serving, Shown};
use super::leader::Leadership;
use crate::clock::SharedClock;
use crate::telemetry::Metrics;

/// What the certificates are for, and where they are kept.
#[derive(Debug, Clone)]
pub struct CertificateOptions {
    /// tagseal's own namespace.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// The Service by which API servers call tagseal.
    pub service: String,
    /// The name of both webhook configurations.
    pub webhook_configuration: String,
    /// How long certificates are valid.
    pub lifetimes: Lifetimes,
}

/// The Secret, what is served from it, and `caBundle`.
pub struct Certificates {
    secret: String,
    served: watch::Receiver<Option<Arc<CertifiedKey>>>,
    remark: watch::Receiver<Option<String>>,
    serving: Serving,
    keeper: Keeper,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl Certificates {
    /// Nothing is read or written before [`Self::run`].
    pub fn new(
        client: Client,
        options: &CertificateOptions,
        leadership: Leadership,
        metrics: Metrics,
        clock: SharedClock,
    ) -> Self {
        let store = Store::new(client.clone(), &options.namespace, &options.secret);
        let names = names(&options.service, &options.namespace);
        let (sender, served) = watch::channel(None);
        let (remarks, remark) = watch::channel(None);
        let (shown, seen) = watch::channel(Shown::default());
        let serving = Serving {
            store: store.clone(),
            names: names.clone(),
            clock: clock.clone(),
            metrics,
            served: sender,
            remark: remarks,
            shown,
        };
        let keeper = Keeper {
            store,
            configurations: Configurations::new(&client, &options.webhook_configuration),
            wanted: Wanted { names, lifetimes: options.lifetimes },
            leadership,
            clock,
            shown: seen,
            in_force: InForce::default(),
            pace: Default::default(),
        };
        Self { secret: options.secret.clone(), served, remark, serving, keeper }
    }

    /// What this replica is to serve; `None` until there is something.
    pub fn served(&self) -> watch::Receiver<Option<Arc<CertifiedKey>>> {
        self.served.clone()
    }

    /// What is wrong with it, or why there is none; `None` when all is well.
    pub fn remark(&self) -> watch::Receiver<Option<String>> {
        self.remark.clone()
    }

    /// Follows the Secret and, as the leader, keeps it; never returns.
    pub async fn run(self) {
        tokio::join!(self.serving.run(&self.secret), self.keeper.run());
    }
}

/// The names by which API servers (the first) and people's tools call a Service.
fn names(service: &str, namespace: &str) -> Vec<String> {
    ["svc", "svc.cluster.local"]
        .map(|domain| format!("{service}.{namespace}.{domain}"))
        .into_iter()
        .chain([format!("{service}.{namespace}")])
        .collect()
}
