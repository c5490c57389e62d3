//! notary-server with memory storage, and with its local trust service (keys that it makes itself) or a notary-signer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::ca::Authority;
use super::http::answers_with;
use super::poll::eventually;
use super::process::Process;
use super::run::{RUN, RUNTIME};
use super::token_server::TokenServer;

/// A running notary-signer, which has its keys in memory alone.
pub struct NotarySigner {
    dir: PathBuf,
    port: u16,
    authority: PathBuf,
    process: Option<Process>,
}

impl NotarySigner {
    /// Certified by `authority`, which certifies its clients too.
    pub fn start(name: &str, authority: &Authority) -> Self {
        let (dir, port) = (RUN.folder(name), RUN.free_port());
        let (certificate, key) = authority.issue().write(&dir, "server");
        let file = dir.join("ca.crt");
        std::fs::write(&file, authority.pem()).expect("the authority's file");
        let config = json!({
            "server": {
                "grpc_addr": format!("127.0.0.1:{port}"),
                "tls_cert_file": certificate,
                "tls_key_file": key,
                "client_ca_file": file,
            },
            "storage": {"backend": "memory"},
            "logging": {"level": "info"},
        });
        write_config(&dir.join("config.json"), &config);
        let process = Some(Self::launch(&dir, port));
        Self { dir, port, authority: file, process }
    }

    /// Starts it anew: all its keys are gone.
    pub fn loses_its_keys(&mut self) {
        drop(self.process.take());
        self.process = Some(Self::launch(&self.dir, self.port));
    }

    fn launch(dir: &Path, port: u16) -> Process {
        let program = PathBuf::from("notary-signer");
        let mut process = Process::start("notary-signer", &program, ["-config", "config.json"], dir);
        eventually("notary-signer listens", Duration::from_secs(20), || {
            process.runs();
            std::net::TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|error| error.to_string())
        });
        process
    }
}

/// A running trust server.
pub struct NotaryServer {
    url: String,
    port: u16,
    authority: Option<PathBuf>,
    _process: Process,
}

impl NotaryServer {
    /// Over plain http, open to everybody.
    pub fn start(name: &str) -> Self {
        Self::launch(name, None, None, false, None)
    }

    /// The same, with the keys of another process.
    pub fn with_signer(name: &str, authority: &Authority, signer: &NotarySigner) -> Self {
        let (certificate, key) = authority.issue().write(&RUN.folder(name), "client");
        let service = json!({
            "type": "remote",
            "hostname": "127.0.0.1",
            "port": signer.port.to_string(),
            "key_algorithm": "ecdsa",
            "tls_ca_file": signer.authority,
            "tls_client_cert": certificate,
            "tls_client_key": key,
        });
        Self::launch(name, None, None, false, Some(service))
    }

    /// Over TLS, open to everybody.
    pub fn over_tls(name: &str, authority: &Authority) -> Self {
        Self::launch(name, Some(authority), None, false, None)
    }

    /// Over TLS, open to whoever shows a certificate of `authority`.
    pub fn for_clients(name: &str, authority: &Authority) -> Self {
        Self::launch(name, Some(authority), None, true, None)
    }

    /// Over TLS; who may do what is said by the tokens of `tokens`, which `authority` certifies too.
    pub fn private(name: &str, authority: &Authority, tokens: &TokenServer) -> Self {
        Self::launch(name, Some(authority), Some(tokens), false, None)
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file of the authority that certifies it, when it speaks TLS.
    pub fn authority(&self) -> Option<&PathBuf> {
        self.authority.as_ref()
    }

    fn launch(
        name: &str,
        authority: Option<&Authority>,
        tokens: Option<&TokenServer>,
        for_clients: bool,
        trust_service: Option<Value>,
    ) -> Self {
        let dir = RUN.folder(name);
        let port = RUN.free_port();
        let mut config = json!({
            "server": {"http_addr": format!("127.0.0.1:{port}")},
            "trust_service": trust_service.unwrap_or_else(|| json!({"type": "local"})),
            "storage": {"backend": "memory"},
            "logging": {"level": "info"},
        });
        let authority = authority.map(|authority| {
            let (certificate, key) = authority.issue().write(&dir, "server");
            config["server"]["tls_cert_file"] = json!(certificate);
            config["server"]["tls_key_file"] = json!(key);
            let file = dir.join("ca.crt");
            std::fs::write(&file, authority.pem()).expect("the authority's file");
            if for_clients {
                config["server"]["client_ca_file"] = json!(file);
            }
            (file, authority.pem().to_owned())
        });
        if let Some(tokens) = tokens {
            config["auth"] = tokens.server_options(&dir);
        }
        write_config(&dir.join("config.json"), &config);
        let scheme = if authority.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{port}");
        let program = PathBuf::from("notary-server");
        let mut process = Process::start("notary-server", &program, ["-config", "config.json"], &dir);
        let client = client(authority.as_ref().map(|(_, pem)| pem.as_str()));
        eventually("notary-server is healthy", Duration::from_secs(20), || {
            process.runs();
            match for_clients {
                // It answers nobody else.
                true => std::net::TcpStream::connect(("127.0.0.1", port))
                    .map(drop)
                    .map_err(|error| error.to_string()),
                false => answers_with(&client, &format!("{url}/_notary_server/health")),
            }
        });
        Self { url, port, authority: authority.map(|(file, _)| file), _process: process }
    }
}

fn write_config(path: &std::path::Path, config: &Value) {
    std::fs::write(path, config.to_string()).expect("the configuration");
}

/// A client that trusts the authority `pem` alone.
pub fn client(pem: Option<&str>) -> reqwest::Client {
    std::sync::LazyLock::force(&RUNTIME);
    let certificates = pem.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).expect("a certificate"));
    reqwest::Client::builder().no_proxy().tls_certs_only(certificates).build().expect("a client")
}
