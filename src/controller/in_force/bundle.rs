//! Whether a webhook's `caBundle` covers the certificate that this replica serves.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls::CertificateError::{
    Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;

/// What is wrong with a `caBundle`, base64 as configurations have it. `served`: what this replica shows; `None`: nothing
/// is known of it.
pub(super) fn flaw(bundle: Option<&str>, served: Option<&CertifiedKey>, now: Timestamp) -> Option<String> {
    let pem = STANDARD.decode(bundle.unwrap_or_default()).unwrap_or_default();
    if pem.is_empty() {
        return Some("is empty".to_owned());
    }
    let mut roots = RootCertStore::empty();
    let authorities = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    if roots.add_parsable_certificates(authorities).0 == 0 {
        return Some("holds no certificate".to_owned());
    }
    let is_covered = served.is_none_or(|served| covers(roots, served, now));
    (!is_covered).then(|| "does not cover the certificate that tagseal serves".to_owned())
}

/// Whether one of these authorities issued it. Its names and its time are another matter.
fn covers(roots: RootCertStore, served: &CertifiedKey, now: Timestamp) -> bool {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let (Ok(verifier), Ok(name)) = (verifier, ServerName::try_from("tagseal.invalid")) else { return true };
    let Some((leaf, intermediates)) = served.cert.split_first() else { return true };
    let since = u64::try_from(now.as_second()).unwrap_or_default();
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(since));
    use rustls::client::danger::ServerCertVerifier as _;
    match verifier.verify_server_cert(leaf, intermediates, &name, &[], time) {
        Err(rustls::Error::InvalidCertificate(error)) => matches!(
            error,
            Expired
                | ExpiredContext { .. }
                | NotValidYet
                | NotValidYetContext { .. }
                | NotValidForName
                | NotValidForNameContext { .. }
        ),
        Ok(_) | Err(_) => true,
    }
}
