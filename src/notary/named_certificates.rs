//! [`NamedCertificates`]: the client certificates that policies name, read when they are needed.

use std::sync::Arc;
use std::time::Duration;

use super::client_certificate::ClientCertificate;
use super::fault::Fault;
use crate::trust::{ClientCertificates, SecretRef};

/// For so long a certificate is not read again: a new one is shown soon after it is there.
const READ_AGAIN: Duration = Duration::from_secs(10);
/// More than policies name.
const MAX_CERTIFICATES: u64 = 1024;

/// The client certificates that policies name.
pub(super) struct NamedCertificates {
    source: Arc<dyn ClientCertificates>,
    /// What could not be read is not kept: a secret that was made a moment ago is found.
    read: moka::future::Cache<SecretRef, ClientCertificate>,
}

impl NamedCertificates {
    pub(super) fn new(source: Arc<dyn ClientCertificates>) -> Self {
        let read =
            moka::future::Cache::builder().max_capacity(MAX_CERTIFICATES).time_to_live(READ_AGAIN).build();
        Self { source, read }
    }

    /// The certificate in this secret.
    pub(super) async fn find(&self, secret: &SecretRef) -> Result<ClientCertificate, Fault> {
        let read = async {
            let unusable = |cause: String| Fault::NamedCertificate { secret: secret.to_string(), cause };
            let pem = self.source.read(secret).await.map_err(|error| unusable(error.message))?;
            ClientCertificate::from_pem(&pem.certificate, pem.key.expose()).map_err(|error| {
                let key = if error.is_of_certificate() { "tls.crt" } else { "tls.key" };
                unusable(format!("{key}: {error}"))
            })
        };
        self.read.try_get_with_by_ref(secret, read).await.map_err(Arc::unwrap_or_clone)
    }
}
