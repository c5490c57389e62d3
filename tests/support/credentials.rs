//! [`FakeCredentials`]: credentials by namespace, changeable at run time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tagseal::policy::{CredentialsSource, TrustServer};
use tagseal::trust::{Access, BoxFuture, CredentialError, Credentials, Grant};
use tagseal::tuf::Gun;

/// Credentials by the grant's namespace; anonymous where nothing was said. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct FakeCredentials(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    by_namespace: BTreeMap<String, Result<Vec<Access>, CredentialError>>,
    asked: Vec<Grant>,
}

impl FakeCredentials {
    /// Everybody is anonymous.
    pub fn new() -> Self {
        Self::default()
    }

    /// Grants from `namespace` have these credentials.
    pub fn give(&self, namespace: &str, access: Vec<Access>) {
        self.set(namespace, Ok(access));
    }

    /// Credentials of `namespace` cannot be had.
    pub fn fail(&self, namespace: &str, message: &str) {
        self.set(namespace, Err(CredentialError { message: message.to_owned() }));
    }

    /// On whose behalf credentials were asked for, in order.
    pub fn asked(&self) -> Vec<Grant> {
        self.0.lock().unwrap().asked.clone()
    }

    fn set(&self, namespace: &str, answer: Result<Vec<Access>, CredentialError>) {
        self.0.lock().unwrap().by_namespace.insert(namespace.to_owned(), answer);
    }
}

impl Credentials for FakeCredentials {
    fn access<'a>(
        &'a self,
        _source: &'a CredentialsSource,
        grant: &'a Grant,
        _server: &'a TrustServer,
        _gun: &'a Gun,
        _registry: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Access>, CredentialError>> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(grant.clone());
        let answer = state.by_namespace.get(&grant.namespace).cloned();
        Box::pin(std::future::ready(answer.unwrap_or_else(|| Ok(vec![Access::Anonymous]))))
    }
}
