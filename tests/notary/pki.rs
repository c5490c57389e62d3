//! Authorities and certificates for the servers of these tests.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority that is valid from 2020 to 2040.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

impl Authority {
    pub fn named(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { params, key, certificate }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> rustls::ServerConfig {
        self.issue(params("server", names))
    }

    pub fn issue(&self, params: CertificateParams) -> rustls::ServerConfig {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        config(params.signed_by(&key, &issuer).unwrap().der().clone(), &key)
    }

    /// The authority's own certificate as a server's.
    pub fn itself(&self) -> rustls::ServerConfig {
        config(self.certificate.der().clone(), &self.key)
    }
}

/// A certificate that only itself vouches for.
pub fn self_signed(names: &[&str]) -> rustls::ServerConfig {
    let key = KeyPair::generate().unwrap();
    config(params("lonely", names).self_signed(&key).unwrap().der().clone(), &key)
}

/// What to issue: a common name, names of the server, valid from 2020 to 2040.
pub fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> rustls::ServerConfig {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}
