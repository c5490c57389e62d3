//! [`Replica`]: one tagseal's certificates over an API server in memory.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use tagseal::clock::{Clock as _, ManualClock};
use tagseal::controller::{
    CertificateOptions, Certificates, Election, ElectionOptions, Leadership, Lifetimes,
};
use tagseal::telemetry::Metrics;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::controller::api_server::ApiServer;
use crate::controller::world::{LIMIT, now};

/// The request that reads the Secret.
pub const SECRET: &str = "GET secrets tagseal-system/tagseal-tls";

/// A cluster with both webhook configurations.
pub fn shop() -> ApiServer {
    let server = ApiServer::new();
    server.put("mutatingwebhookconfigurations", hook("Mutating", ""));
    server.put("validatingwebhookconfigurations", hook("Validating", ""));
    server
}

/// A configuration of two webhooks with this bundle.
pub fn hook(kind: &str, bundle: &str) -> Value {
    let hook = |name: &str| {
        let service = json!({"namespace": "tagseal-system", "name": "tagseal", "path": name});
        let mut config = json!({"service": service});
        if !bundle.is_empty() {
            config["caBundle"] = json!(bundle);
        }
        json!({"name": format!("{name}.tagseal.dev"), "clientConfig": config, "timeoutSeconds": 10})
    };
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}WebhookConfiguration"),
        "metadata": {"name": "tagseal"}, "webhooks": [hook("one"), hook("two")]
    })
}

pub fn configurations(server: &ApiServer) -> [Value; 2] {
    ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]
        .map(|resource| server.object(resource, "", "tagseal"))
}

/// The bundles of all webhooks that are there.
pub fn bundles(server: &ApiServer) -> Vec<Vec<u8>> {
    ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]
        .into_iter()
        .flat_map(|resource| server.objects(resource))
        .flat_map(|configuration| configuration["webhooks"].as_array().unwrap().clone())
        .map(|hook| STANDARD.decode(hook["clientConfig"]["caBundle"].as_str().unwrap_or_default()).unwrap())
        .collect()
}

pub fn secret(server: &ApiServer) -> Value {
    server.object("secrets", "tagseal-system", "tagseal-tls")
}

pub fn secret_of(data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"namespace": "tagseal-system", "name": "tagseal-tls"}, "data": data
    })
}

/// The Secret's authorities.
pub fn authorities(server: &ApiServer) -> Vec<CertificateDer<'static>> {
    let pem = STANDARD.decode(secret(server)["data"]["ca.crt"].as_str().unwrap()).unwrap();
    CertificateDer::pem_slice_iter(&pem).map(Result::unwrap).collect()
}

/// A certificate as an entry of the Secret.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    let body = STANDARD.encode(certificate);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    STANDARD.encode(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")))
}

pub struct Replica {
    pub clock: ManualClock,
    server: ApiServer,
    served: watch::Receiver<Option<Arc<CertifiedKey>>>,
    remark: watch::Receiver<Option<String>>,
    leads: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What a replica is told, and how its clock goes.
pub struct Told {
    pub leads: bool,
    pub lifetime: SignedDuration,
    pub service: &'static str,
    pub fast: SignedDuration,
}

impl Default for Told {
    fn default() -> Self {
        let lifetime = SignedDuration::from_hours(90 * 24);
        Self { leads: true, lifetime, service: "tagseal", fast: SignedDuration::ZERO }
    }
}

impl Told {
    fn of_a_minute(self) -> Self {
        Self { lifetime: SignedDuration::from_secs(60), ..self }
    }
}

impl Replica {
    /// Leaves live for a minute.
    pub fn leads(server: &ApiServer) -> Self {
        Self::start(server, Told::default().of_a_minute())
    }

    pub fn leads_at_leisure(server: &ApiServer) -> Self {
        Self::start(server, Told::default())
    }

    pub fn follows(server: &ApiServer) -> Self {
        Self::start(server, Told { leads: false, ..Told::default().of_a_minute() })
    }

    pub fn start(server: &ApiServer, told: Told) -> Self {
        let (sender, receiver) = watch::channel(told.leads);
        Self::led_by(server, told, sender, Leadership::new(receiver), ManualClock::at(now()))
    }

    /// Which takes part in an election, alone.
    pub fn is_elected(server: &ApiServer) -> Self {
        let clock = ManualClock::at(now());
        let options = ElectionOptions {
            namespace: "tagseal-system".to_owned(),
            lease: "tagseal".to_owned(),
            identity: "one".to_owned(),
        };
        let shared = Arc::new(clock.clone());
        let (election, leadership) = Election::new(server.client(), options, shared, Metrics::default());
        let mut replica = Self::led_by(server, Told::default(), watch::channel(false).0, leadership, clock);
        replica.tasks.push(tokio::spawn(election.run()));
        replica
    }

    fn led_by(
        server: &ApiServer,
        told: Told,
        leads: watch::Sender<bool>,
        leadership: Leadership,
        clock: ManualClock,
    ) -> Self {
        clock.advance(told.fast);
        let options = CertificateOptions {
            namespace: "tagseal-system".to_owned(),
            secret: "tagseal-tls".to_owned(),
            service: told.service.to_owned(),
            webhook_configuration: "tagseal".to_owned(),
            lifetimes: Lifetimes::of_leaf(told.lifetime),
        };
        let certificates = Certificates::new(
            server.client(),
            &options,
            leadership,
            Metrics::default(),
            Arc::new(clock.clone()),
        );
        let (served, remark) = (certificates.served(), certificates.remark());
        let tasks = vec![tokio::spawn(certificates.run())];
        Self { clock, server: server.clone(), served, remark, leads, tasks }
    }

    pub fn gains_leadership(&self) {
        self.leads.send_replace(true);
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets so many seconds go by. With tokio's clock paused.
    pub async fn passes(&self, seconds: u32) {
        for _ in 0..seconds {
            self.clock.advance(SignedDuration::from_secs(1));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// The leaf that it serves, as soon as there is one.
    pub async fn serves(&mut self) -> CertificateDer<'static> {
        let served = tokio::time::timeout(LIMIT, self.served.wait_for(Option::is_some)).await;
        let served = served.unwrap_or_else(|_| panic!("nothing is served; {:#?}", self.server.requests()));
        served.unwrap().as_ref().unwrap().cert[0].clone()
    }

    pub fn serves_now(&self) -> bool {
        self.served.borrow().is_some()
    }

    /// What it says of its certificate.
    pub fn remark(&self) -> Option<String> {
        self.remark.borrow().clone()
    }

    pub fn remarks(&self) -> watch::Receiver<Option<String>> {
        self.remark.clone()
    }

    /// Waits until it serves another leaf than this; answers which.
    pub async fn serves_another(&mut self, than: &CertificateDer<'static>) -> CertificateDer<'static> {
        let is_another = |served: &Option<Arc<CertifiedKey>>| {
            served.as_ref().is_some_and(|served| served.cert[0] != *than)
        };
        let served = tokio::time::timeout(LIMIT, self.served.wait_for(is_another)).await;
        let served = served.unwrap_or_else(|_| panic!("the same is served; {:#?}", self.server.requests()));
        served.unwrap().as_ref().unwrap().cert[0].clone()
    }

    pub fn runs(&self) -> bool {
        self.tasks.iter().all(|task| !task.is_finished())
    }

    /// Whether an API server with this bundle accepts what is served, by the replica's clock.
    pub fn is_covered_by(&self, bundle: &[u8]) -> bool {
        let served = self.served.borrow();
        let leaf = &served.as_ref().unwrap().cert[0];
        let mut roots = RootCertStore::empty();
        CertificateDer::pem_slice_iter(bundle).for_each(|authority| roots.add(authority.unwrap()).unwrap());
        if roots.is_empty() {
            return false;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from("tagseal.tagseal-system.svc").unwrap();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(self.now().as_second().try_into().unwrap()));
        verifier.verify_server_cert(leaf, &[], &name, &[], at).is_ok()
    }

    /// Waits until every webhook has the Secret's authorities as its bundle.
    pub async fn is_known_everywhere(&self) {
        let known = async {
            loop {
                let wanted = secret(&self.server)["data"]["ca.crt"].clone();
                let wanted = STANDARD.decode(wanted.as_str().unwrap()).unwrap();
                let bundles = bundles(&self.server);
                if !bundles.is_empty() && bundles.iter().all(|bundle| *bundle == wanted) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let known = tokio::time::timeout(LIMIT, known).await;
        known.unwrap_or_else(|_| panic!("not everywhere: {:#?}", self.server.requests()));
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        if !std::thread::panicking() {
            assert_eq!(self.server.unexpected(), Vec::<String>::new());
        }
    }
}
