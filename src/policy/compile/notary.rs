//! Where trust data is: server, authorities, credentials, rewrites.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::super::objects::{LookupError, ObjectKind, ObjectRef, ReferencedObjects};
use super::super::{CredentialsSource, SecretRef, TrustServer};
use super::Errors;
use super::server_url::{ServerUrlError, server_url};
use crate::api::{CaBundleSource, CredentialsSpec, NotaryServer, RewriteRule};
use crate::image::Rewrite;

/// Looks up what a policy refers to, and remembers what it was.
pub struct Lookup<'a> {
    /// Where the objects are.
    pub objects: &'a dyn ReferencedObjects,
    /// In which namespace.
    pub namespace: String,
    /// What was asked for.
    pub references: Vec<ObjectRef>,
}

impl Lookup<'_> {
    fn remember(&mut self, kind: ObjectKind, name: &str) {
        let namespace = self.namespace.clone();
        self.references.push(ObjectRef { kind, namespace, name: name.to_owned() });
    }

    fn config_map_key(&mut self, name: &str, key: &str) -> Result<Arc<str>, LookupError> {
        self.remember(ObjectKind::ConfigMap, name);
        self.objects.config_map_key(&self.namespace, name, key)
    }

    fn secret(&mut self, name: &str) -> Result<(), LookupError> {
        self.remember(ObjectKind::Secret, name);
        self.objects.secret(&self.namespace, name)
    }
}

/// The trust server's URL in its one form, read from the raw spec: a namespaced policy may name a server that a broken
/// cluster policy names.
pub fn read_server(spec: &Value, errors: &mut Errors) -> Option<Url> {
    let server = spec.pointer("/notary/server")?.as_str()?;
    let url = server_url(server).map_err(|error| match error {
        ServerUrlError::Extra => format!("{error}; credentials go into spec.notary.credentials"),
        error => error.to_string(),
    });
    errors.keep("spec.notary.server", url)
}

/// The trust server with what it takes to reach it.
pub fn server(
    url: Url,
    spec: &NotaryServer,
    lookup: &mut Lookup<'_>,
    errors: &mut Errors,
) -> Option<TrustServer> {
    let found = errors.0.len();
    let ca_pem = spec.ca_bundle.as_ref().and_then(|bundle| ca_bundle(bundle, lookup, errors));
    let mut token_realms = Vec::new();
    for (index, realm) in spec.token_realms.iter().enumerate() {
        if let Some(host) = errors.keep(format!("spec.notary.tokenRealms[{index}]"), token_realm(realm)) {
            token_realms.push(host);
        }
    }
    let client_certificate = spec.client_certificate.as_ref().map(|certificate| {
        let name = &certificate.secret_ref.name;
        errors.keep("spec.notary.clientCertificate.secretRef", lookup.secret(name));
        SecretRef { namespace: lookup.namespace.clone(), name: name.clone() }
    });
    if client_certificate.is_some() && url.scheme() != "https" {
        errors.push(
            "spec.notary.clientCertificate",
            "a certificate is shown over https alone: write https:// in spec.notary.server",
        );
    }
    (errors.0.len() == found).then_some(TrustServer { url, ca_pem, token_realms, client_certificate })
}

/// Whether the certificates are good is for the connection to say, in its own words; here they must be there.
fn ca_bundle(bundle: &CaBundleSource, lookup: &mut Lookup<'_>, errors: &mut Errors) -> Option<Arc<str>> {
    let field = "spec.notary.caBundle";
    let (field, pem) = match (&bundle.inline, &bundle.config_map_key_ref) {
        (Some(inline), None) => (format!("{field}.inline"), Arc::from(inline.as_str())),
        (None, Some(reference)) => {
            let field = format!("{field}.configMapKeyRef");
            let pem = errors.keep(field.clone(), lookup.config_map_key(&reference.name, &reference.key))?;
            (field, pem)
        }
        _ => {
            errors.push(field, "write exactly one of inline and configMapKeyRef");
            return None;
        }
    };
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        errors.push(field, "there is no PEM certificate (-----BEGIN CERTIFICATE-----) in it");
        return None;
    }
    Some(pem)
}

/// Reads a host whose token endpoint may see credentials.
///
/// # Errors
/// What to write instead.
pub fn token_realm(realm: &str) -> Result<String, &'static str> {
    let expected = "write a host, HOST or HOST:PORT, without a scheme or a path";
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b);
    if !realm.bytes().all(fits) {
        return Err(expected);
    }
    let url = Url::parse(&format!("https://{realm}")).map_err(|_| expected)?;
    let host = url.host_str().ok_or(expected)?;
    Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Whose credentials read trust data.
pub fn credentials(
    spec: Option<CredentialsSpec>,
    lookup: &mut Lookup<'_>,
    errors: &mut Errors,
) -> CredentialsSource {
    let Some(spec) = spec else { return CredentialsSource::Anonymous };
    match (spec.image_pull_secrets, spec.secret_ref) {
        (Some(true), None) => CredentialsSource::ImagePullSecrets,
        (Some(false), None) => CredentialsSource::Anonymous,
        (None, Some(secret)) => {
            errors.keep("spec.notary.credentials.secretRef", lookup.secret(&secret.name));
            CredentialsSource::Secret { namespace: lookup.namespace.clone(), name: secret.name }
        }
        _ => {
            errors.push("spec.notary.credentials", "write exactly one of imagePullSecrets and secretRef");
            CredentialsSource::Anonymous
        }
    }
}

/// The rules from an image's name to the name that it was signed under.
pub fn rewrite(rules: &[RewriteRule], errors: &mut Errors) -> Vec<Rewrite> {
    let compile = |(index, rule): (usize, &RewriteRule)| {
        errors.keep(format!("spec.notary.rewrite[{index}]"), Rewrite::parse(&rule.from, &rule.to))
    };
    rules.iter().enumerate().filter_map(compile).collect()
}
