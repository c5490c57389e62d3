//! [`ClusterCredentials`]: the pod's own pull secrets, or the secret that a policy names, read from the API server.
//!
//! Read when the resolver asks, which is when trust data has to be fetched and when a read grant is renewed; never on
//! the hot path.

use std::collections::BTreeSet;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, Client};

use crate::policy::{CredentialsSource, TrustServer};
use crate::trust::{Access, BoxFuture, CredentialError, Credentials, DockerAuths, Grant, Secret as Hidden};
use crate::tuf::Gun;

/// Credentials out of the cluster's secrets.
#[derive(Clone)]
pub struct ClusterCredentials {
    client: Client,
}

impl std::fmt::Debug for ClusterCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClusterCredentials")
    }
}

impl ClusterCredentials {
    /// Reads through `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The pod's own pull secrets and its ServiceAccount's. As for kubelet, one that does not exist is no error.
    async fn pull_secrets(&self, grant: &Grant, wanted: &Wanted<'_>) -> Result<Vec<Access>, CredentialError> {
        let mut accesses = Vec::new();
        for name in self.pull_secret_names(grant).await? {
            if let Some(secret) = self.secret(&grant.namespace, &name).await? {
                accesses.extend(read_secret(&secret, &grant.namespace, &name, wanted)?);
            }
        }
        Ok(accesses)
    }

    async fn pull_secret_names(&self, grant: &Grant) -> Result<BTreeSet<String>, CredentialError> {
        let mut names: BTreeSet<String> = grant.pull_secrets.iter().cloned().collect();
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &grant.namespace);
        let account = accounts.get_opt(&grant.service_account).await.map_err(|error| CredentialError {
            message: format!(
                "the ServiceAccount {}/{} cannot be read: {error}; may tagseal's ServiceAccount get it?",
                grant.namespace, grant.service_account
            ),
        })?;
        names.extend(
            account
                .and_then(|account| account.image_pull_secrets)
                .unwrap_or_default()
                .into_iter()
                .map(|s| s.name),
        );
        Ok(names)
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, CredentialError> {
        Api::<Secret>::namespaced(self.client.clone(), namespace).get_opt(name).await.map_err(|error| CredentialError {
            message: format!(
                "the secret {namespace}/{name} cannot be read: {error}; may tagseal's ServiceAccount get secrets in the namespace {namespace}?"
            ),
        })
    }
}

impl Credentials for ClusterCredentials {
    fn access<'a>(
        &'a self,
        source: &'a CredentialsSource,
        grant: &'a Grant,
        server: &'a TrustServer,
        gun: &'a Gun,
        registry: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Access>, CredentialError>> {
        Box::pin(async move {
            let wanted = Wanted::new(server, gun, registry);
            let found = match source {
                CredentialsSource::Anonymous => Vec::new(),
                CredentialsSource::ImagePullSecrets => self.pull_secrets(grant, &wanted).await?,
                CredentialsSource::Secret { namespace, name } => {
                    let secret = self.secret(namespace, name).await?.ok_or_else(|| CredentialError {
                        message: format!("the secret {namespace}/{name} that spec.notary.credentials.secretRef names does not exist"),
                    })?;
                    read_secret(&secret, namespace, name, &wanted)?
                }
            };
            Ok(if found.is_empty() { vec![Access::Anonymous] } else { found })
        })
    }
}

/// Which entries of a docker config are for this question: the registry's, or the trust server's own.
struct Wanted<'a> {
    registry: &'a str,
    repository: &'a str,
    server: String,
}

impl<'a> Wanted<'a> {
    fn new(server: &TrustServer, gun: &'a Gun, registry: &'a str) -> Self {
        let host = server.url.host_str().unwrap_or_default();
        let server = server.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let repository = gun.as_str().split_once('/').map_or("", |(_, repository)| repository);
        Self { registry, repository, server }
    }
}

fn read_secret(
    secret: &Secret,
    namespace: &str,
    name: &str,
    wanted: &Wanted<'_>,
) -> Result<Vec<Access>, CredentialError> {
    let unreadable = |what: &dyn std::fmt::Display| CredentialError {
        message: format!("the secret {namespace}/{name} cannot be used: {what}"),
    };
    let entry =
        |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|ByteString(bytes)| bytes);
    let auths = if let Some(json) = entry(".dockerconfigjson") {
        DockerAuths::from_config(json).map_err(|error| unreadable(&error))?
    } else if let Some(json) = entry(".dockercfg") {
        DockerAuths::from_legacy(json).map_err(|error| unreadable(&error))?
    } else if let (Some(username), Some(password)) = (entry("username"), entry("password")) {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).map_err(|_| unreadable(&"not UTF-8"));
        return Ok(vec![Access::Basic { username: text(username)?, password: Hidden::new(text(password)?) }]);
    } else {
        return Err(unreadable(&"it has neither .dockerconfigjson nor .dockercfg nor username and password"));
    };
    let mut found = Vec::new();
    for host in [wanted.registry, &wanted.server] {
        found.extend(auths.matching(host, wanted.repository).map_err(|error| unreadable(&error))?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn server() -> TrustServer {
        TrustServer {
            url: "https://notary.example.com:4443".parse().unwrap(),
            ca_pem: None,
            token_realms: Vec::new(),
        }
    }

    fn secret(entries: &[(&str, &str)]) -> Secret {
        let data: BTreeMap<_, _> = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
            .collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    fn read(secret: &Secret) -> Result<Vec<Access>, CredentialError> {
        let (server, gun) = (server(), Gun::new("registry.example.com/shop/web").unwrap());
        read_secret(secret, "shop", "pull", &Wanted::new(&server, &gun, "registry.example.com"))
    }

    #[test]
    fn the_registrys_entry_comes_before_the_trust_servers_own_and_others_are_left_out() {
        let secret = secret(&[(
            ".dockerconfigjson",
            r#"{"auths":{"registry.example.com":{"username":"r","password":"1"},"notary.example.com:4443":{"username":"n","password":"2"},"other":{"username":"o","password":"3"}}}"#,
        )]);
        let names: Vec<_> = read(&secret)
            .unwrap()
            .into_iter()
            .map(|access| if let Access::Basic { username, .. } = access { username } else { String::new() })
            .collect();
        assert_eq!(names, ["r", "n"]);
    }

    #[test]
    fn a_secret_of_another_type_is_named_with_what_it_lacks() {
        assert_eq!(
            read(&secret(&[("token", "x")])).unwrap_err().message,
            "the secret shop/pull cannot be used: it has neither .dockerconfigjson nor .dockercfg nor username and password"
        );
    }
}
