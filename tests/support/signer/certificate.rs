//! Certificates of root keys: what notary makes by default, and everything that must not count.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose,
};

use super::TestKey;
use crate::support::time::days;

/// What a certificate is to say. [`CertificateSpec::new`] is notary's own: self-signed, ten years, CN = GUN, not a CA, for code signing.
#[derive(Debug, Clone)]
pub struct CertificateSpec {
    common_name: String,
    not_before: Timestamp,
    not_after: Timestamp,
    is_ca: bool,
    code_signing: bool,
    issuer: Option<TestCa>,
}

/// A certificate authority.
#[derive(Debug, Clone)]
pub struct TestCa(Arc<Authority>);

#[derive(Debug)]
struct Authority {
    name: String,
    key: TestKey,
    pem: String,
    parent: Option<TestCa>,
}

impl CertificateSpec {
    /// What notary makes for `gun` at `now`.
    pub fn new(gun: &str, now: Timestamp) -> Self {
        Self {
            common_name: gun.to_owned(),
            not_before: now,
            not_after: now + days(3650),
            is_ca: false,
            code_signing: true,
            issuer: None,
        }
    }

    /// Another common name: another GUN, or a prefix that ends in `*`.
    pub fn common_name(mut self, name: &str) -> Self {
        self.common_name = name.to_owned();
        self
    }

    /// Another validity.
    pub fn valid(mut self, not_before: Timestamp, not_after: Timestamp) -> Self {
        (self.not_before, self.not_after) = (not_before, not_after);
        self
    }

    /// CA:TRUE, which no root key's leaf may be.
    pub fn claiming_to_be_a_ca(mut self) -> Self {
        self.is_ca = true;
        self
    }

    /// Without an extended key usage.
    pub fn without_code_signing(mut self) -> Self {
        self.code_signing = false;
        self
    }

    /// Issued by `ca`; its intermediates, if any, follow the leaf.
    pub fn issued_by(mut self, ca: &TestCa) -> Self {
        self.issuer = Some(ca.clone());
        self
    }

    /// The certificate of `key`, and the issuer's intermediates after it, in PEM.
    pub(super) fn issue(&self, key: &TestKey) -> String {
        let mut params = params(&self.common_name, self.not_before, self.not_after);
        params.is_ca =
            if self.is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        if self.code_signing {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        }
        match &self.issuer {
            None => params.self_signed(&key.rcgen()).unwrap().pem(),
            Some(ca) => params.signed_by(&key.rcgen(), &ca.issuer()).unwrap().pem() + &ca.intermediates_pem(),
        }
    }
}

impl TestCa {
    /// A self-signed authority, valid from `now` for twenty years.
    pub fn new(name: &str, now: Timestamp) -> Self {
        let key = TestKey::ecdsa();
        let pem = ca_params(name, now, now + days(7300)).self_signed(&key.rcgen()).unwrap().pem();
        Self(Arc::new(Authority { name: name.to_owned(), key, pem, parent: None }))
    }

    /// An intermediate authority below this one, valid from `not_before` to `not_after`.
    pub fn intermediate(&self, name: &str, not_before: Timestamp, not_after: Timestamp) -> Self {
        let key = TestKey::ecdsa();
        let params = ca_params(name, not_before, not_after);
        let pem = params.signed_by(&key.rcgen(), &self.issuer()).unwrap().pem();
        Self(Arc::new(Authority { name: name.to_owned(), key, pem, parent: Some(self.clone()) }))
    }

    /// Its certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// The certificates between a leaf and the self-signed authority, nearest first.
    fn intermediates_pem(&self) -> String {
        match &self.0.parent {
            None => String::new(),
            Some(parent) => self.0.pem.clone() + &parent.intermediates_pem(),
        }
    }

    fn issuer(&self) -> Issuer<'static, rcgen::KeyPair> {
        let now = Timestamp::UNIX_EPOCH;
        Issuer::new(ca_params(&self.0.name, now, now), self.0.key.rcgen())
    }
}

fn ca_params(name: &str, not_before: Timestamp, not_after: Timestamp) -> CertificateParams {
    let mut params = params(name, not_before, not_after);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn params(name: &str, not_before: Timestamp, not_after: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch =
        |time: Timestamp| Duration::from_secs(u64::try_from(time.as_second()).expect("after 1970"));
    params.not_before = epoch + since_epoch(not_before);
    params.not_after = epoch + since_epoch(not_after);
    params
}
