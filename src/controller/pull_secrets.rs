//! [`ClusterCredentials`]: the pod's own pull secrets, or the secret that a policy names, read from the API server.
//!
//! Read when the resolver asks, which is when trust data has to be fetched and when a permission to read is renewed; never on
//! the hot path. Nothing is remembered: a secret that was created a moment ago is found.

mod findings;

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use self::findings::Findings;
use super::names::is_object_name;
use super::trouble::chain;
use crate::policy::{CredentialsSource, SecretRef, TrustServer};
use crate::trust::{
    Access, BoxFuture, CertificatePem, ClientCertificates, CredentialError, Credentials, DockerAuths,
    FoundCredentials, ImageName, PodIdentity, Secret as Hidden,
};

/// The longest that one object may take (design §11, deadlines: a request).
const READ: Duration = Duration::from_secs(5);

/// Credentials out of the cluster's secrets.
#[derive(Clone)]
pub struct ClusterCredentials {
    client: Client,
}

impl Debug for ClusterCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterCredentials")
    }
}

impl ClusterCredentials {
    /// Reads through `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// What the pull secrets hold that kubelet would use.
    async fn pull_secrets(
        &self,
        pod: &PodIdentity,
        wanted: &Wanted<'_>,
    ) -> Result<FoundCredentials, CredentialError> {
        let mut findings = Findings::default();
        for name in self.pull_secret_names(pod, &mut findings).await? {
            let found = SecretName { namespace: &pod.namespace, name: &name };
            let config = match self.secret(found).await {
                Ok(Some(secret)) => found.docker_auths(&secret),
                Ok(None) => {
                    findings.missing(found);
                    continue;
                }
                Err(error) => Err(error),
            };
            match config {
                Ok(Some(auths)) => findings.config(found, auths),
                Ok(None) => findings.other(found),
                Err(error) => findings.fault(error),
            }
        }
        findings.credentials(wanted)
    }

    /// The pod's own; where it names none, its ServiceAccount's: the API server itself fills them in then, but into pods
    /// alone and not into templates.
    async fn pull_secret_names(
        &self,
        pod: &PodIdentity,
        findings: &mut Findings,
    ) -> Result<BTreeSet<String>, CredentialError> {
        if !pod.pull_secrets.is_empty() {
            return Ok(pod.pull_secrets.iter().cloned().collect());
        }
        let (namespace, name) = (&pod.namespace, &pod.service_account);
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), namespace);
        let account = get(&accounts, name).await.map_err(|error| CredentialError {
            message: format!(
                "the ServiceAccount {namespace}/{name} cannot be read: {}",
                told(&error, "serviceaccounts", namespace)
            ),
        })?;
        if account.is_none() {
            findings.no_account(namespace, name);
        }
        let references = account.and_then(|account| account.image_pull_secrets).unwrap_or_default();
        Ok(references.into_iter().map(|reference| reference.name).collect())
    }

    async fn secret(&self, secret: SecretName<'_>) -> Result<Option<Secret>, CredentialError> {
        let secrets = Api::<Secret>::namespaced(self.client.clone(), secret.namespace);
        get(&secrets, secret.name).await.map_err(|error| CredentialError {
            message: format!(
                "the secret {secret} cannot be read: {}",
                told(&error, "secrets", secret.namespace)
            ),
        })
    }

    /// The secret that a policy names. It must be there and usable.
    async fn named(
        &self,
        name: SecretName<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<FoundCredentials, CredentialError> {
        let secret = self.secret(name).await?.ok_or_else(|| {
            name.unusable("it does not exist; spec.notary.credentials.secretRef of a policy names it")
        })?;
        match name.docker_auths(&secret)? {
            Some(auths) => {
                let mut findings = Findings::default();
                findings.config(name, auths);
                findings.credentials(wanted)
            }
            None => name.basic(&secret).map(|access| vec![access].into()),
        }
    }
}

/// Why an object could not be read.
enum ReadError {
    Api(kube::Error),
    TimedOut,
}

async fn get<K>(api: &Api<K>, name: &str) -> Result<Option<K>, ReadError>
where
    K: Clone + DeserializeOwned + Debug,
{
    if !is_object_name(name) {
        return Ok(None);
    }
    timeout(READ, api.get_opt(name)).await.map_err(|_| ReadError::TimedOut)?.map_err(ReadError::Api)
}

fn told(error: &ReadError, resource: &str, namespace: &str) -> String {
    match error {
        ReadError::Api(kube::Error::Api(status)) if status.code == 403 => format!(
            "{}; let tagseal's ServiceAccount get {resource} in the namespace {namespace} (the chart's value \
             pullSecrets.access)",
            status.message
        ),
        ReadError::Api(kube::Error::Api(status)) => format!("{} ({})", status.message, status.code),
        ReadError::Api(error) => chain(error),
        ReadError::TimedOut => format!("the API server did not answer within {} s", READ.as_secs()),
    }
}

impl Credentials for ClusterCredentials {
    fn access<'a>(
        &'a self,
        source: &'a CredentialsSource,
        pod: &'a PodIdentity,
        server: &'a TrustServer,
        image: ImageName<'a>,
    ) -> BoxFuture<'a, Result<FoundCredentials, CredentialError>> {
        Box::pin(async move {
            let wanted = Wanted::new(server, image);
            match source {
                CredentialsSource::Anonymous => Ok(vec![Access::Anonymous].into()),
                CredentialsSource::ImagePullSecrets => self.pull_secrets(pod, &wanted).await,
                CredentialsSource::Secret { namespace, name } => {
                    self.named(SecretName { namespace, name }, &wanted).await
                }
            }
        })
    }
}

impl ClientCertificates for ClusterCredentials {
    fn read<'a>(&'a self, secret: &'a SecretRef) -> BoxFuture<'a, Result<CertificatePem, CredentialError>> {
        Box::pin(async move {
            let name = SecretName { namespace: &secret.namespace, name: &secret.name };
            let secret = self.secret(name).await?;
            name.certificate(&secret.ok_or_else(|| name.unusable("it does not exist"))?)
        })
    }
}

/// Which entries of a docker config are for this question: those for the image, and for the trust server's own host.
struct Wanted<'a> {
    image: ImageName<'a>,
    server: String,
}

impl<'a> Wanted<'a> {
    fn new(server: &TrustServer, image: ImageName<'a>) -> Self {
        let host = server.url.host_str().unwrap_or_default();
        let server = server.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self { image, server }
    }

    /// The image's registry comes first.
    fn hosts(&self) -> impl Iterator<Item = &str> {
        let server = Some(self.server.as_str()).filter(|server| *server != self.image.registry);
        std::iter::once(self.image.registry).chain(server)
    }
}

/// Which secret, for messages that never show what is in it.
#[derive(Clone, Copy)]
struct SecretName<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl fmt::Display for SecretName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match is_object_name(self.name) {
            true => write!(f, "{}/{}", self.namespace, self.name),
            // Pods may name what no secret can be called.
            false => write!(f, "{}/{:?}", self.namespace, self.name.chars().take(63).collect::<String>()),
        }
    }
}

impl SecretName<'_> {
    fn unusable(&self, what: impl fmt::Display) -> CredentialError {
        CredentialError { message: format!("the secret {self} cannot be used: {what}") }
    }

    /// The docker config in the secret; `None` where it has none.
    fn docker_auths(&self, secret: &Secret) -> Result<Option<DockerAuths>, CredentialError> {
        let (config, legacy) = (entry(secret, ".dockerconfigjson"), entry(secret, ".dockercfg"));
        let auths = match (config, legacy) {
            (None, None) => return Ok(None),
            // As for kubelet, one with nothing in it is passed over.
            (Some([]) | None, Some(json)) => DockerAuths::from_legacy(json),
            (Some(json), _) => DockerAuths::from_config(json),
        };
        auths.map(Some).map_err(|error| self.unusable(error))
    }

    /// A client certificate and its key.
    fn certificate(&self, secret: &Secret) -> Result<CertificatePem, CredentialError> {
        let text = |key: &str| {
            let entry = entry(secret, key).ok_or_else(|| self.unusable(format_args!("it has no {key}")))?;
            String::from_utf8(entry.to_vec())
                .map_err(|_| self.unusable(format_args!("its {key} is not UTF-8")))
        };
        Ok(CertificatePem { certificate: text("tls.crt")?, key: Hidden::new(text("tls.key")?) })
    }

    /// User name and password alone, which name no host: only for a secret that a policy names for its one server.
    fn basic(&self, secret: &Secret) -> Result<Access, CredentialError> {
        let (Some(username), Some(password)) = (entry(secret, "username"), entry(secret, "password")) else {
            return Err(
                self.unusable("it has neither .dockerconfigjson nor .dockercfg nor username and password")
            );
        };
        let text =
            |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| self.unusable("it is not UTF-8"));
        Ok(Access::Basic { username: text(username)?, password: Hidden::new(text(password)?) })
    }
}

fn entry<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    secret.data.as_ref()?.get(key).map(|ByteString(bytes)| bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn server() -> TrustServer {
        TrustServer::at("https://notary.example.com:4443".parse().unwrap())
    }

    fn secret(entries: &[(&str, &str)]) -> Secret {
        let data: BTreeMap<_, _> = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
            .collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    const NAME: SecretName<'_> = SecretName { namespace: "shop", name: "pull" };

    fn read(secret: &Secret) -> Vec<Access> {
        let image = ImageName { registry: "registry.example.com", repository: "shop/web" };
        let mut findings = Findings::default();
        findings.config(NAME, NAME.docker_auths(secret).unwrap().unwrap());
        findings.credentials(&Wanted::new(&server(), image)).unwrap().accesses
    }

    #[test]
    fn t22_the_registrys_entry_comes_before_the_trust_servers_own_and_others_are_left_out() {
        let secret = secret(&[(
            ".dockerconfigjson",
            r#"{"auths":{"registry.example.com":{"username":"r","password":"1"},"notary.example.com:4443":{"username":"n","password":"2"},"other":{"username":"o","password":"3"}}}"#,
        )]);
        let names: Vec<_> = read(&secret)
            .into_iter()
            .map(|access| if let Access::Basic { username, .. } = access { username } else { String::new() })
            .collect();
        assert_eq!(names, ["r", "n"]);
    }

    #[test]
    fn a_secret_of_another_type_is_named_with_what_it_lacks() {
        assert_eq!(
            NAME.basic(&secret(&[("token", "x")])).unwrap_err().message,
            "the secret shop/pull cannot be used: it has neither .dockerconfigjson nor .dockercfg nor username and password"
        );
    }
}
