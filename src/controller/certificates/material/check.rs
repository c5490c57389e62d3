//! [`is_issued_by`]: what an API server asks of a leaf.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};

use super::Certificate;

/// Whether `leaf` is accepted for every one of `names` by somebody who knows `authority` alone: signature, validity of both
/// (Go judges an authority's too), names and usage.
pub(in super::super) fn is_issued_by(
    leaf: &Certificate,
    authority: &Certificate,
    names: &[String],
    now: Timestamp,
) -> bool {
    let mut roots = RootCertStore::empty();
    if !authority.is_valid(now) || roots.add(authority.der.clone()).is_err() {
        return false;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let Ok(verifier) = verifier else { return false };
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    !names.is_empty()
        && names.iter().all(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| verifier.verify_server_cert(&leaf.der, &[], &name, &[], at).is_ok())
        })
}
