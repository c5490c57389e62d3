//! [`Webhook`]: tagseal's own, wired as `tagseal serve` wires it, and ready to be restarted.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use tokio::sync::watch;

use super::clock::ShiftedClock;
use crate::admission::Admission;
use crate::admission::judge::Resolve;
use crate::notary::NotaryClient;
use crate::policy::PolicySnapshot;
use crate::trust::{
    BoxFuture, DiskState, NoCredentials, Question, Refusal, Resolved, Resolver, ResolverConfig,
};
use crate::webhook::{Readiness, router};

/// The webhook.
#[derive(Debug)]
pub(super) struct Webhook {
    current: Arc<Current>,
    pub(super) policies: watch::Sender<PolicySnapshot>,
    state: DiskState,
    client: Arc<NotaryClient>,
    clock: ShiftedClock,
}

/// The resolver of the process that runs now.
#[derive(Debug)]
struct Current(ArcSwap<Resolver>);

impl Resolve for Current {
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        let resolver = Resolver::clone(&self.0.load());
        Box::pin(async move { resolver.resolve(question).await })
    }
}

impl Webhook {
    /// A webhook without policies yet, whose floors are kept in `state`.
    pub(super) fn new(state: PathBuf, client: Arc<NotaryClient>, clock: ShiftedClock) -> Self {
        let state = DiskState::new(state);
        let resolver = resolver(&state, &client, &clock);
        let current = Arc::new(Current(ArcSwap::from_pointee(resolver)));
        let (policies, _) = watch::channel(PolicySnapshot::default());
        Self { current, policies, state, client, clock }
    }

    pub(super) fn router(&self) -> Router {
        let readiness = Readiness::default();
        readiness.certificate_loaded();
        let resolver = Arc::<Current>::clone(&self.current);
        router(Arc::new(Admission::new(resolver, self.policies.subscribe(), None)), readiness)
    }

    /// What a restart does: memory is gone, floors are not.
    pub(super) fn restart(&self) {
        self.current.0.store(Arc::new(resolver(&self.state, &self.client, &self.clock)));
    }
}

fn resolver(state: &DiskState, client: &Arc<NotaryClient>, clock: &ShiftedClock) -> Resolver {
    Resolver::new(
        ResolverConfig::default(),
        Arc::<NotaryClient>::clone(client),
        Arc::new(NoCredentials),
        Arc::new(state.clone()),
        Arc::new(clock.clone()),
    )
}
