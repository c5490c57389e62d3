//! The authority and the certificate of the sandbox's servers.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::error::StageError;
use super::home::{make_dir, write};
use super::policy;
use crate::tuf::CertificateChain;

/// How long they are valid: a sandbox in a folder that stays is used again.
const VALID: SignedDuration = SignedDuration::from_hours(365 * 24);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What ends sooner is made anew: a sandbox stays open for a while.
const SPARE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The authority's certificate, PEM: the one that is there if it is valid for a while, else a new one, whose key is forgotten as
/// soon as it signed.
pub(super) fn prepare(home: &Path, names: Vec<String>, now: Timestamp) -> Result<String, StageError> {
    let authority = home.join("ca.crt");
    let former = fs::read_to_string(&authority).ok();
    if let Some(pem) = former.as_ref().filter(|pem| is_valid(pem, now)) {
        return Ok(pem.clone());
    }
    let (certificate, key) = server_files(home);
    let made = issue(names, now)?;
    make_dir(&home.join("tls"))?;
    write(&certificate, made.certificate.as_bytes())?;
    write(&key, made.key.as_bytes())?;
    if let Some(former) = former {
        policy::change_authority(home, &former, &made.authority)?;
    }
    write(&authority, made.authority.as_bytes())?;
    Ok(made.authority)
}

fn is_valid(pem: &str, now: Timestamp) -> bool {
    let until = now.saturating_add(SPARE).unwrap_or(Timestamp::MAX);
    CertificateChain::from_pem(pem).is_ok_and(|certificate| certificate.not_after() > until)
}

/// Where the servers' certificate and its key are.
pub(super) fn server_files(home: &Path) -> (PathBuf, PathBuf) {
    (home.join("tls/server.crt"), home.join("tls/server.key"))
}

struct Issued {
    authority: String,
    certificate: String,
    key: String,
}

fn issue(names: Vec<String>, now: Timestamp) -> Result<Issued, StageError> {
    let failed = |error: rcgen::Error| StageError::Tls(error.to_string());
    let key = KeyPair::generate().map_err(failed)?;
    let mut authority = params("tagseal sandbox authority", Vec::new(), now)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = authority.self_signed(&key).map_err(failed)?;
    let issuer = Issuer::from_params(&authority, &key);

    let addresses = ["127.0.0.1", "::1"].map(str::to_owned);
    let mut server = params("tagseal sandbox", names.into_iter().chain(addresses).collect(), now)?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_key = KeyPair::generate().map_err(failed)?;
    let server = server.signed_by(&server_key, &issuer).map_err(failed)?;
    Ok(Issued { authority: certificate.pem(), certificate: server.pem(), key: server_key.serialize_pem() })
}

fn params(name: &str, names: Vec<String>, now: Timestamp) -> Result<CertificateParams, StageError> {
    let all = names.join(", ");
    let mut params = CertificateParams::new(names).map_err(|_| StageError::Address(all))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |at: Timestamp| {
        let date: Date = at.to_zoned(TimeZone::UTC).date();
        date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(now.saturating_sub(DAY).unwrap_or(now));
    params.not_after = day(now.saturating_add(VALID).unwrap_or(now));
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_a_kept_folder_has_are_used_as_long_as_they_are_valid() {
        let home = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |days: i32| prepare(home.path(), vec!["localhost".to_owned()], now + DAY * days).unwrap();
        let first = at(0);
        assert_eq!(at(330), first);
        let second = at(340);
        assert_ne!(second, first);
        let (certificate, _) = server_files(home.path());
        let server = CertificateChain::from_pem(&fs::read_to_string(certificate).unwrap()).unwrap();
        assert!(server.not_after() > now + DAY * 700, "the server's certificate is of the same age");
        assert_eq!(at(341), second);
    }
}
