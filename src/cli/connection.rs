//! [`Connection`]: which trust server a command asks where no policy names one, and how it is reached.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use url::Url;

use super::authorities;
use super::client_certificate;
use super::repository::{Repository, read};
use crate::image::{DOCKER_HUB, ImageReference};
use crate::notary::{NotaryClient, Registry};
use crate::policy::{ServerUrlError, TrustServer, server_url, token_realm};

/// Where docker keeps what it knows of registries.
const CERTS_D: &str = "/etc/docker/certs.d";

/// Which trust server, and how it and the registry are reached.
#[derive(Debug, Clone, clap::Args)]
pub struct Connection {
    /// The trust server; default: the registry's own host.
    #[arg(long, short = 's', value_name = "URL", env = "DOCKER_CONTENT_TRUST_SERVER")]
    server: Option<String>,
    /// PEM file with authorities for the connection; default: what docker has in `tls/HOST/*.crt`, else the system's.
    #[arg(long, visible_alias = "tlscacert", value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// PEM file with a certificate, and those of authorities below the server's, that is shown to a trust server that asks for
    /// one; default: what docker has in `tls/HOST/*.cert`.
    #[arg(long, visible_alias = "tlscert", value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// PEM file with its private key, not encrypted; default: the `*.key` beside docker's.
    #[arg(long, visible_alias = "tlskey", value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// A host whose token service may see the credentials, besides the trust server's own host and the registry's. May be
    /// repeated; the variable lists several with commas or blanks between them.
    #[arg(long = "token-realm", value_name = "HOST[:PORT]", env = "TAGSEAL_TOKEN_REALMS", value_parser = realms)]
    token_realms: Vec<Realms>,
    /// What named the server, for messages.
    #[arg(skip = "--server or DOCKER_CONTENT_TRUST_SERVER")]
    named_by: &'static str,
}

/// What one option lists, or the variable.
#[derive(Debug, Clone)]
struct Realms(Vec<String>);

/// An empty variable lists none.
fn realms(text: &str) -> Result<Realms, String> {
    let hosts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|host| !host.is_empty());
    let hosts = hosts.map(|host| token_realm(host).map_err(|expected| format!("{host:?}: {expected}")));
    hosts.collect::<Result<_, _>>().map(Realms)
}

impl Connection {
    /// The repository's trust server: the one that was named, else the registry's own host, as docker has it; and the
    /// authorities that were named, else those that docker has for it. `client` shows it the client certificate, found alike.
    ///
    /// # Errors
    /// Where none can be told, the one named is not to be reached safely, or a file cannot be used.
    pub fn trust_server(
        &self,
        repository: &Repository,
        client: &NotaryClient,
    ) -> anyhow::Result<Arc<TrustServer>> {
        let url = match self.named()? {
            Some(url) => url,
            None if repository.registry() == DOCKER_HUB => bail!(
                "name the trust server with --server or DOCKER_CONTENT_TRUST_SERVER: Docker Hub's own shuts down"
            ),
            None => format!("https://{}", repository.registry())
                .parse()
                .context("no trust server at the registry's host")?,
        };
        let dockers = authorities::of_trust_servers();
        let ca_pem = match (&self.ca_bundle, &dockers) {
            (Some(path), _) => Some(read(path)?),
            (None, Some(folder)) => authorities::of_host(folder, &url)?,
            (None, None) => None,
        };
        let certificate = match (&self.client_cert, &self.client_key, &dockers) {
            (Some(certificate), Some(key), _) => Some(client_certificate::from_files(certificate, key)?),
            (_, _, Some(folder)) => client_certificate::of_host(folder, &url)?,
            _ => None,
        };
        if let Some(certificate) = certificate {
            client.show_certificate(&url, certificate);
        }
        Ok(Arc::new(self.reached(url, ca_pem)))
    }

    /// The same to another server, which `named_by` names.
    pub fn at(&self, server: &str, named_by: &'static str) -> Self {
        Self { server: Some(server.to_owned()), named_by, ..self.clone() }
    }

    /// The registry of `image`, and the authorities that docker has for it (`certs.d/HOST/*.crt`), else the ones that were
    /// named, else the system's. `client` shows it the client certificate that docker has for it.
    ///
    /// # Errors
    /// Where the image names none, or a file cannot be used.
    pub fn registry(&self, image: &ImageReference, client: &NotaryClient) -> anyhow::Result<TrustServer> {
        let url = Registry::address(image).with_context(|| format!("{image} names no registry"))?;
        let ca_pem = match (authorities::of_host(Path::new(CERTS_D), &url)?, &self.ca_bundle) {
            (None, Some(path)) => Some(read(path)?),
            (found, _) => found,
        };
        if let Some(certificate) = client_certificate::of_host(Path::new(CERTS_D), &url)? {
            client.show_certificate(&url, certificate);
        }
        Ok(self.reached(url, ca_pem))
    }

    fn reached(&self, url: Url, ca_pem: Option<String>) -> TrustServer {
        let token_realms = self.token_realms.iter().flat_map(|list| &list.0).cloned().collect();
        TrustServer { ca_pem: ca_pem.map(Arc::from), token_realms, ..TrustServer::at(url) }
    }

    /// The server that was named, in the one form that policies have too; an empty variable names none.
    fn named(&self) -> anyhow::Result<Option<Url>> {
        let Some(server) = self.server.as_deref().filter(|server| !server.is_empty()) else {
            return Ok(None);
        };
        let named = self.named_by;
        server_url(server).map(Some).map_err(|error| match error {
            ServerUrlError::Extra => {
                anyhow!("{named}: {error}; credentials come from docker's configuration: run `docker login`")
            }
            error => anyhow!("{named}: {error}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::client;

    fn connection(server: Option<&str>) -> Connection {
        Connection {
            server: server.map(str::to_owned),
            ca_bundle: None,
            client_cert: None,
            client_key: None,
            token_realms: Vec::new(),
            named_by: "--server or DOCKER_CONTENT_TRUST_SERVER",
        }
    }

    #[test]
    fn the_server_is_the_registrys_host_unless_named() {
        let at = |text: &str, named: Option<&str>| {
            let server = connection(named).trust_server(&Repository::parse(text).unwrap(), &client());
            server.map(|server| server.url.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(at("localhost:5000/demo", None).unwrap(), "https://localhost:5000/");
        assert_eq!(at("localhost:5000/demo", Some("")).unwrap(), "https://localhost:5000/");
        assert_eq!(
            at("alpine", None).unwrap_err(),
            "name the trust server with --server or DOCKER_CONTENT_TRUST_SERVER: Docker Hub's own shuts down"
        );
        assert_eq!(at("alpine", Some("http://127.0.0.1:4443")).unwrap(), "http://127.0.0.1:4443/");
        assert_eq!(
            at("alpine", Some("http://notary.example.com")).unwrap_err(),
            "--server or DOCKER_CONTENT_TRUST_SERVER: \"http://notary.example.com\" cannot be used: write \
             https://HOST[:PORT][/PATH]; http:// is for localhost, 127.0.0.0/8 and [::1] only"
        );
        assert_eq!(
            at("alpine", Some("https://user:pw@notary.example.com")).unwrap_err(),
            "--server or DOCKER_CONTENT_TRUST_SERVER: a trust server's URL has no user, query or fragment; credentials come \
             from docker's configuration: run `docker login`"
        );
    }

    #[test]
    fn token_realms_are_for_the_trust_server_and_the_registry() {
        let lists = ["auth.example.com, tokens.example.com:8443 ", "Third.example.com", ""];
        let token_realms = lists.iter().map(|list| realms(list).unwrap()).collect();
        let connection = Connection { token_realms, ..connection(None) };
        let repository = Repository::parse("registry.example.com/shop/web").unwrap();
        let expected = ["auth.example.com", "tokens.example.com:8443", "third.example.com"];
        assert_eq!(connection.trust_server(&repository, &client()).unwrap().token_realms, expected);
        assert_eq!(connection.registry(repository.image(), &client()).unwrap().token_realms, expected);
        assert_eq!(
            realms("https://auth.example.com/token").unwrap_err(),
            "\"https://auth.example.com/token\": write a host, HOST or HOST:PORT, without a scheme or a path"
        );
    }
}
