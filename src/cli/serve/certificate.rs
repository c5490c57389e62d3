//! The certificate that is served: from files, or handed over by the controller; and who may call.

use std::sync::Arc;

use anyhow::Context as _;
use rustls::server::ResolvesServerCert;

use super::args::Args;
use super::{LOOK_EVERY, Process};
use crate::webhook::{
    CertificateFiles, ClientAuthority, ClientNames, HandedCertificate, Readiness, ServingCertificate, Tls,
};

/// What connections are offered, and the parts that keep it up to date.
///
/// # Errors
/// When a file cannot be used.
pub(super) fn tls(
    args: &Args,
    handed: Option<HandedCertificate>,
    readiness: &Readiness,
    process: &mut Process,
) -> anyhow::Result<Tls> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate: Arc<dyn ResolvesServerCert> = match (handed, &args.cert_dir) {
        (Some(handed), _) => {
            let first = handed.clone().await_first(readiness.clone());
            process.parts.start("the wait for the first certificate", first);
            Arc::new(handed)
        }
        (None, Some(dir)) => {
            let files = CertificateFiles::in_folder(dir);
            let certificate = ServingCertificate::load(files, Arc::clone(&provider), process.clock.now())?;
            let certificate = Arc::new(certificate);
            readiness.certificate_loaded();
            let (metrics, clock) = (process.metrics.clone(), process.clock.clone());
            let watch = Arc::clone(&certificate).watch(metrics, clock, LOOK_EVERY);
            process.parts.start("the watch of the serving certificate", watch);
            certificate
        }
        (None, None) => anyhow::bail!("without a cluster there is no certificate but in --cert-dir"),
    };
    let Some(file) = &args.client_ca else { return Ok(Tls::open(certificate, provider)?) };
    let clients = ClientAuthority::load(
        file.clone(),
        certificate,
        provider,
        ClientNames::new(args.client_names.clone()),
    )
    .with_context(|| format!("cannot use --client-ca {}", file.display()))?;
    let tls = clients.tls();
    process.parts.start("the watch of client authorities", clients.watch(LOOK_EVERY));
    Ok(tls)
}
