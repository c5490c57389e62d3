//! A small token server, as docker's registries have one: Basic authentication against one user, JWTs in answer.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use tagseal::clock::{Clock as _, SystemClock};

use super::ca::Authority;
use super::http::Server;
use super::run::RUN;

const SERVICE: &str = "e2e-notary";
const ISSUER: &str = "e2e-tokens";
const LIFETIME_SECONDS: i64 = 300;

/// Gives `user:password` every action that it asks for, `reader:password` to pull alone, and everybody else a token that
/// permits nothing.
pub struct TokenServer {
    port: u16,
    realm: String,
    shared: Arc<Shared>,
    _server: Server,
}

struct Shared {
    basic: String,
    reader: String,
    certificate: rcgen::Certificate,
    key: EcdsaKeyPair,
    requests: Mutex<Vec<Option<String>>>,
}

impl TokenServer {
    /// Over TLS with a certificate of `authority`.
    pub fn start(authority: &Authority, user: &str, password: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![ISSUER.to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            key.serialized_der(),
            &SystemRandom::new(),
        );
        let shared = Arc::new(Shared {
            basic: basic(user, password),
            reader: basic("reader", password),
            certificate,
            key: key.expect("a P-256 key"),
            requests: Mutex::default(),
        });
        let port = RUN.free_port();
        let router = Router::new().route("/token", get(token)).with_state(shared.clone());
        let realm = format!("https://127.0.0.1:{port}/token");
        Self { port, realm, shared, _server: Server::start(port, Some(&authority.issue()), router) }
    }

    /// Where tokens are asked for.
    pub fn realm(&self) -> String {
        self.realm.clone()
    }

    /// The same, which is said to be at another host.
    pub fn on(self, host: &str) -> Self {
        Self { realm: format!("https://{host}/token"), ..self }
    }

    /// Where it listens on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The `auth` part of a notary-server's configuration. The certificate that it needs is written to `dir`.
    pub fn server_options(&self, dir: &Path) -> Value {
        let bundle = dir.join("token.crt");
        std::fs::write(&bundle, self.shared.certificate.pem()).expect("the certificate's file");
        json!({"type": "token", "options": {
            "realm": self.realm(),
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": bundle,
        }})
    }

    /// How many requests came with the right password.
    pub fn authenticated_requests(&self) -> usize {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().flatten().filter(|basic| **basic == self.shared.basic).count()
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn token(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    shared.requests.lock().unwrap().push(basic.clone());
    let access = match basic {
        None => json!([]),
        Some(basic) if basic == shared.basic => access(&query.unwrap_or_default(), |_| true),
        Some(basic) if basic == shared.reader => {
            access(&query.unwrap_or_default(), |action| action == "pull")
        }
        Some(_) => return Err(StatusCode::UNAUTHORIZED),
    };
    let token = shared.sign(&access);
    Ok(Json(json!({"token": token, "access_token": token, "expires_in": LIFETIME_SECONDS})))
}

/// What `scope=repository:GUN:pull,push` asks for; a GUN may hold a port's colon.
fn access(query: &str, is_allowed: impl Fn(&str) -> bool) -> Value {
    let scopes = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "scope");
    let access = scopes.filter_map(|(_, scope)| {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let actions: Vec<_> = actions.split(',').filter(|action| is_allowed(action)).collect();
        Some(json!({"type": kind, "name": name, "actions": actions}))
    });
    access.collect()
}

impl Shared {
    fn sign(&self, access: &Value) -> String {
        let now = SystemClock.now().as_second();
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(self.certificate.der())]});
        let claims = json!({
            "iss": ISSUER, "sub": "e2e", "aud": SERVICE, "jti": now.to_string(),
            "iat": now, "nbf": now - 10, "exp": now + LIFETIME_SECONDS, "access": access,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
