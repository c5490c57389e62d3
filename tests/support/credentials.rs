//! [`FakeCredentials`]: credentials by namespace, changeable at run time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tagseal::policy::{CredentialsSource, TrustServer};
use tagseal::trust::{
    Access, BoxFuture, CredentialError, Credentials, FoundCredentials, ImageName, PodIdentity,
};

/// Credentials by the pod's namespace; anonymous where nothing was said. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct FakeCredentials(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    by_namespace: BTreeMap<String, Result<FoundCredentials, CredentialError>>,
    asked: Vec<PodIdentity>,
    images: Vec<String>,
}

impl FakeCredentials {
    /// Everybody is anonymous.
    pub fn new() -> Self {
        Self::default()
    }

    /// Grants from `namespace` have these credentials.
    pub fn give(&self, namespace: &str, access: Vec<Access>) {
        self.set(namespace, Ok(access.into()));
    }

    /// The same, with what is to be said of them.
    pub fn find(&self, namespace: &str, found: FoundCredentials) {
        self.set(namespace, Ok(found));
    }

    /// Credentials of `namespace` cannot be had.
    pub fn fail(&self, namespace: &str, message: &str) {
        self.set(namespace, Err(CredentialError { message: message.to_owned() }));
    }

    /// On whose behalf credentials were asked for, in order.
    pub fn asked(&self) -> Vec<PodIdentity> {
        self.0.lock().unwrap().asked.clone()
    }

    /// For which images, in the same order.
    pub fn images(&self) -> Vec<String> {
        self.0.lock().unwrap().images.clone()
    }

    fn set(&self, namespace: &str, answer: Result<FoundCredentials, CredentialError>) {
        self.0.lock().unwrap().by_namespace.insert(namespace.to_owned(), answer);
    }
}

impl Credentials for FakeCredentials {
    fn access<'a>(
        &'a self,
        _source: &'a CredentialsSource,
        pod: &'a PodIdentity,
        _server: &'a TrustServer,
        image: ImageName<'a>,
    ) -> BoxFuture<'a, Result<FoundCredentials, CredentialError>> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(pod.clone());
        state.images.push(image.to_string());
        let answer = state.by_namespace.get(&pod.namespace).cloned();
        let answer = answer.unwrap_or_else(|| Ok(vec![Access::Anonymous].into()));
        Box::pin(std::future::ready(answer))
    }
}
