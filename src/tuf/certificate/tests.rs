//! Tests of the leaf rules and of chains, with certificates made here and openssl's fixtures.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    date_time_ymd,
};

use super::*;

const GUN: &str = "registry.test/keys";

fn gun() -> Gun {
    Gun::new(GUN).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    time("2030-01-01T00:00:00Z")
}

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// A certificate in the making, with its key.
struct Party {
    params: CertificateParams,
    key: KeyPair,
}

impl Party {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2036, 1, 1));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::ExplicitNoCa;
        Self { params, key: KeyPair::generate().unwrap() }
    }

    fn leaf() -> Self {
        Self::new(GUN)
    }

    fn authority(name: &str) -> Self {
        Self::new(name).with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
    }

    fn with(mut self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        change(&mut self.params);
        self
    }

    fn key(mut self, algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        self.key = KeyPair::generate_for(algorithm).unwrap();
        self
    }

    /// PEM as Go writes it.
    fn signed_by(&self, issuer: &Self) -> String {
        let issuer = Issuer::from_params(&issuer.params, &issuer.key);
        let certificate = self.params.signed_by(&self.key, &issuer).unwrap();
        pem::encode("CERTIFICATE", certificate.der())
    }

    fn self_signed(&self) -> String {
        pem::encode("CERTIFICATE", self.params.self_signed(&self.key).unwrap().der())
    }
}

fn chain(certificates: &[&str]) -> CertificateChain {
    CertificateChain::from_pem(&certificates.concat()).unwrap()
}

fn leaf_of(party: &Party) -> CertificateChain {
    chain(&[&party.self_signed()])
}

fn check(bundle: &[&str], certificates: &[&str]) -> Result<(), CertificateError> {
    CaBundle::from_pem(&bundle.concat()).unwrap().check_chain(&chain(certificates), now())
}

#[test]
fn t9_a_leaf_is_bound_to_its_gun() {
    for name in [GUN, "*", "**", "registry.test/*", "registry.test/ke*", "registry.test/keys*"] {
        assert_eq!(leaf_of(&Party::new(name)).check_leaf(&gun(), now()), Ok(()), "{name}");
    }
    for name in
        ["registry.test/", "registry.test/key", "registry.test/keys2", "Registry.test/keys", "r*/keys", "x*"]
    {
        let error = CertificateError::Name { gun: gun(), found: name.to_owned() };
        let leaf = leaf_of(&Party::new(name));
        assert_eq!(leaf.check_leaf(&gun(), now()), Err(error.clone()), "{name}");
        assert_eq!(leaf.check_leaf_at_any_time(&gun()), Err(error), "{name}");
    }
}

#[test]
fn a_leaf_without_a_common_name_stands_for_nothing() {
    let nameless = Party::leaf().with(|params| params.distinguished_name = DistinguishedName::new());
    assert_eq!(leaf_of(&nameless).check_leaf(&gun(), now()), Err(CertificateError::NoName));
    assert_eq!(leaf_of(&nameless).common_name(), None);
}

#[test]
fn a_leaf_with_two_common_names_stands_for_neither() {
    let two = Party::leaf().with(|params| {
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "registry.test/other");
    });
    assert_eq!(leaf_of(&two).check_leaf(&gun(), now()), Err(CertificateError::NoName));
}

#[test]
fn a_leaf_is_valid_from_a_day_before_its_start_to_its_end() {
    let leaf = leaf_of(&Party::leaf());
    let (not_before, not_after) = (time("2026-01-01T00:00:00Z"), time("2036-01-01T00:00:00Z"));
    for now in ["2025-12-31T00:00:00Z", "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z"] {
        assert_eq!(leaf.check_leaf(&gun(), time(now)), Ok(()), "{now}");
    }
    let (early, late) = (time("2025-12-30T23:59:59Z"), time("2036-01-01T00:00:01Z"));
    let name = || GUN.to_owned();
    assert_eq!(
        leaf.check_leaf(&gun(), early),
        Err(CertificateError::NotYetValid { name: name(), not_before, now: early })
    );
    assert_eq!(
        leaf.check_leaf(&gun(), late),
        Err(CertificateError::Expired { name: name(), not_after, now: late })
    );
    assert_eq!(leaf.check_leaf_at_any_time(&gun()), Ok(()));
    assert_eq!(leaf.not_after(), not_after);
}

#[test]
fn a_leaf_that_ends_before_it_begins_is_refused_at_any_time() {
    let never = leaf_of(&Party::leaf().with(|params| params.not_after = date_time_ymd(2025, 1, 1)));
    let error = Err(CertificateError::Never { name: GUN.to_owned() });
    assert_eq!(never.check_leaf(&gun(), now()), error);
    assert_eq!(never.check_leaf_at_any_time(&gun()), error);
}

#[test]
fn exactly_one_leaf_stands_first() {
    let authority = Party::authority("CA");
    let (ca, leaf) = (authority.self_signed(), Party::leaf().signed_by(&authority));
    let other = Party::leaf().self_signed();
    let verdict = |certificates: &[&str]| chain(certificates).check_leaf(&gun(), now());
    assert_eq!(verdict(&[&leaf, &ca]), Ok(()));
    assert_eq!(verdict(&[&ca, &leaf]), Err(CertificateError::LeafNotFirst));
    assert_eq!(verdict(&[&leaf, &other]), Err(CertificateError::Leaves { found: 2 }));
    assert_eq!(verdict(&[&ca]), Err(CertificateError::Leaves { found: 0 }));
}

#[test]
fn a_pem_that_gives_another_key_id_in_notary_makes_no_root_key() {
    let pem = Party::leaf().self_signed();
    for other in
        [pem.replace('\n', "\r\n"), format!("leaf:\n{pem}"), format!("{pem}\n"), pem.trim_end().to_owned()]
    {
        assert_eq!(chain(&[&other]).check_leaf(&gun(), now()), Err(CertificateError::Form), "{other}");
    }
}

#[test]
fn an_intermediate_that_is_not_valid_now_keeps_the_key_from_counting() {
    let authority = Party::authority("CA").with(|params| params.not_after = date_time_ymd(2029, 1, 1));
    let chain = chain(&[&Party::leaf().signed_by(&authority), &authority.self_signed()]);
    let not_after = time("2029-01-01T00:00:00Z");
    let error = CertificateError::Expired { name: "CA".to_owned(), not_after, now: now() };
    assert_eq!(chain.check_leaf(&gun(), now()), Err(error));
    assert_eq!(chain.check_leaf_at_any_time(&gun()), Ok(()));
}

#[test]
fn t18_certificates_signed_with_sha1_or_on_short_rsa_keys_make_no_key() {
    let weak = CertificateError::WeakSignature { name: GUN.to_owned(), algorithm: "SHA-1" };
    assert_eq!(CertificateChain::from_pem(&fixture("sha1.crt.pem")), Err(weak.clone()));
    assert_eq!(PublicKey::from_pem(&fixture("sha1.crt.pem")), Err(weak.into()));
    let short = crate::tuf::KeyError::RsaSize { bits: 1024 };
    let short = CertificateError::Key { name: GUN.to_owned(), error: Box::new(short) };
    assert_eq!(CertificateChain::from_pem(&fixture("rsa1024.crt.pem")), Err(short));
}

/// The certificate with each of these places of `old` written as `new`.
fn rewritten(pem: &str, old: &[u8], new: &[u8], places: std::ops::Range<usize>) -> String {
    let mut der = pem::blocks(pem).unwrap()[0].der.clone();
    let found: Vec<usize> = (0..der.len()).filter(|at| der[*at..].starts_with(old)).collect();
    for at in &found[places] {
        der[*at..at + old.len()].copy_from_slice(new);
    }
    pem::encode("CERTIFICATE", &der)
}

#[test]
fn an_intermediate_that_is_too_weak_keeps_the_key_from_counting() {
    let (rsa_sha256, rsa_sha1) =
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05");
    let (leaf, authority) = (Party::leaf().self_signed(), fixture("rsa-ca.crt.pem"));
    assert_eq!(chain(&[&leaf, &authority]).check_leaf(&gun(), now()), Ok(()));
    let weak = rewritten(&authority, rsa_sha256, rsa_sha1, 0..2);
    let name = chain(&[&authority]).common_name().unwrap().to_owned();
    let error = CertificateError::WeakSignature { name, algorithm: "SHA-1" };
    assert_eq!(chain(&[&leaf, &weak]).check_leaf(&gun(), now()), Err(error));
}

#[test]
fn a_certificate_that_names_two_signature_algorithms_is_none() {
    let pem = Party::leaf().self_signed();
    let (sha256, sha384) = (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", b"\x2a\x86\x48\xce\x3d\x04\x03\x03");
    let error = CertificateError::Der("two signature algorithms".to_owned());
    for place in 0..2 {
        let two = rewritten(&pem, sha256, sha384, place..place + 1);
        assert_eq!(CertificateChain::from_pem(&two), Err(error.clone()));
    }
    let other = rewritten(&pem, sha256, sha384, 0..2);
    assert!(CertificateChain::from_pem(&other).is_ok());
}

#[test]
fn what_is_no_certificate_is_refused() {
    let pem = Party::leaf().self_signed();
    let refused = |text: &str| CertificateChain::from_pem(text).unwrap_err();
    assert_eq!(refused(""), CertificateError::Count { found: 0, max: CHAIN_CERTIFICATES });
    let nine = CertificateError::Count { found: CHAIN_CERTIFICATES + 1, max: CHAIN_CERTIFICATES };
    assert_eq!(refused(&pem.repeat(CHAIN_CERTIFICATES + 1)), nine);
    let key = pem.replace("CERTIFICATE", "PUBLIC KEY");
    assert_eq!(refused(&key), CertificateError::Pem("a block \"PUBLIC KEY\"".to_owned()));
    let der = pem::blocks(&pem).unwrap()[0].der.clone();
    for broken in [&der[..der.len() - 1], &[&der[..], &[0]].concat(), b""] {
        let error = refused(&pem::encode("CERTIFICATE", broken));
        assert!(matches!(error, CertificateError::Der(_)), "{error}");
    }
}

#[test]
fn no_changed_byte_makes_a_certificate_panic_or_chain() {
    let authority = Party::authority("CA");
    let bundle = CaBundle::from_pem(&authority.self_signed()).unwrap();
    let der = pem::blocks(&Party::leaf().signed_by(&authority)).unwrap()[0].der.clone();
    assert!(bundle.check_chain(&chain(&[&pem::encode("CERTIFICATE", &der)]), now()).is_ok());
    for i in 0..der.len() {
        let mut changed = der.clone();
        changed[i] ^= 0x41;
        let Ok(chain) = CertificateChain::from_pem(&pem::encode("CERTIFICATE", &changed)) else { continue };
        let _ = chain.check_leaf(&gun(), now());
        assert!(bundle.check_chain(&chain, now()).is_err(), "byte {i}");
    }
}

#[test]
fn a_chain_leads_to_a_pinned_authority_directly_or_through_intermediates() {
    let root = Party::authority("root");
    let (lower, upper) = (Party::authority("lower"), Party::authority("upper"));
    let leaf = Party::leaf().signed_by(&lower);
    let (lower, upper, root) = (lower.signed_by(&upper), upper.signed_by(&root), root.self_signed());
    assert_eq!(check(&[&root], &[&leaf, &lower, &upper]), Ok(()));
    assert_eq!(check(&[&root], &[&leaf, &upper, &lower, &root]), Ok(()), "in any order");
    assert_eq!(check(&[&upper], &[&leaf, &lower]), Ok(()), "an intermediate may be pinned");
    assert_eq!(check(&[&Party::authority("other").self_signed(), &root], &[&leaf, &lower, &upper]), Ok(()));
    let ends =
        |name: &str, issuer: &str| CertificateError::NoIssuer { name: name.into(), issuer: issuer.into() };
    assert_eq!(check(&[&root], &[&leaf, &lower]), Err(ends("lower", "CN=upper")));
    let other = Party::authority("other").self_signed();
    assert_eq!(check(&[&other], &[&leaf, &lower, &upper, &root]), Err(ends("root", "CN=root")));
    assert_eq!(check(&[&root], &[&leaf, &upper]), Err(ends(GUN, "CN=lower")));
    assert_eq!(check(&[&root], &[&Party::leaf().self_signed()]), Err(ends(GUN, "CN=registry.test/keys")));
}

#[test]
fn an_authority_of_the_same_name_is_not_the_same_authority() {
    let leaf = Party::leaf().signed_by(&Party::authority("CA"));
    let error = CertificateError::BadSignature { name: GUN.to_owned(), issuer: "CN=CA".to_owned() };
    assert_eq!(check(&[&Party::authority("CA").self_signed()], &[&leaf]), Err(error));
}

#[test]
fn extended_key_usage_is_ignored() {
    let authority = Party::authority("CA");
    for usage in [ExtendedKeyUsagePurpose::CodeSigning, ExtendedKeyUsagePurpose::ServerAuth] {
        let leaf = Party::leaf().with(|params| params.extended_key_usages = vec![usage]);
        assert_eq!(check(&[&authority.self_signed()], &[&leaf.signed_by(&authority)]), Ok(()));
    }
}

#[test]
fn only_an_authority_issues() {
    let root = Party::authority("root");
    let not_authority = |name: &str| CertificateError::NotAuthority { name: name.to_owned() };
    let no_ca = Party::new("middle");
    let leaf = Party::leaf().signed_by(&no_ca);
    assert_eq!(
        check(&[&root.self_signed()], &[&leaf, &no_ca.signed_by(&root)]),
        Err(not_authority("middle"))
    );

    let no_sign = Party::authority("middle").with(|p| p.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    let leaf = Party::leaf().signed_by(&no_sign);
    assert_eq!(
        check(&[&root.self_signed()], &[&leaf, &no_sign.signed_by(&root)]),
        Err(not_authority("middle"))
    );

    for pinned in [no_ca.self_signed(), no_sign.self_signed()] {
        assert_eq!(CaBundle::from_pem(&pinned), Err(not_authority("middle")));
    }
    assert_eq!(CaBundle::from_pem(""), Err(CertificateError::Count { found: 0, max: 256 }));
}

#[test]
fn a_path_length_is_obeyed() {
    let limited =
        |length| Party::authority("root").with(|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(length)));
    let verdict = |root: &Party| {
        let middle = Party::authority("middle");
        let leaf = Party::leaf().signed_by(&middle);
        check(&[&root.self_signed()], &[&leaf, &middle.signed_by(root)])
    };
    assert_eq!(verdict(&limited(1)), Ok(()));
    assert_eq!(verdict(&limited(0)), Err(CertificateError::PathTooLong { name: "root".to_owned() }));
    let root = limited(0);
    assert_eq!(check(&[&root.self_signed()], &[&Party::leaf().signed_by(&root)]), Ok(()));
}

#[test]
fn every_certificate_of_a_chain_is_valid_now_but_the_pinned_ones_neighbours_do_not_matter() {
    let old = |party: Party| party.with(|params| params.not_after = date_time_ymd(2029, 1, 1));
    let expired = |name: &str| {
        let not_after = time("2029-01-01T00:00:00Z");
        Err(CertificateError::Expired { name: name.to_owned(), not_after, now: now() })
    };
    let root = Party::authority("root");
    assert_eq!(check(&[&root.self_signed()], &[&old(Party::leaf()).signed_by(&root)]), expired(GUN));
    let middle = old(Party::authority("middle"));
    let leaf = Party::leaf().signed_by(&middle);
    assert_eq!(check(&[&root.self_signed()], &[&leaf, &middle.signed_by(&root)]), expired("middle"));
    let old_root = old(Party::authority("old"));
    let leaf = Party::leaf().signed_by(&old_root);
    assert_eq!(check(&[&old_root.self_signed()], &[&leaf]), expired("old"));
    let leaf = Party::leaf().signed_by(&root);
    assert_eq!(check(&[&old_root.self_signed(), &root.self_signed()], &[&leaf]), Ok(()));
}

#[test]
fn a_critical_extension_that_is_not_understood_is_refused() {
    let strange = |party: Party, is_critical: bool| {
        party.with(|params| {
            let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            extension.set_criticality(is_critical);
            params.custom_extensions.push(extension);
        })
    };
    let verdict = |root: &Party, leaf: &Party| check(&[&root.self_signed()], &[&leaf.signed_by(root)]);
    let refused = |name: &str| {
        Err(CertificateError::CriticalExtension { name: name.to_owned(), oid: "1.2.3.4".to_owned() })
    };
    let root = Party::authority("root");
    assert_eq!(verdict(&root, &strange(Party::leaf(), false)), Ok(()));
    assert_eq!(verdict(&root, &strange(Party::leaf(), true)), refused(GUN));
    assert_eq!(verdict(&strange(Party::authority("root"), true), &Party::leaf()), refused("root"));
}

#[test]
fn the_signature_algorithms_of_authorities_are_checked_each_in_its_own_way() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let authority = Party::authority("CA").key(algorithm);
        let leaf = Party::leaf().signed_by(&authority);
        assert_eq!(check(&[&authority.self_signed()], &[&leaf]), Ok(()), "{algorithm:?}");
        let other = Party::authority("CA").key(algorithm).self_signed();
        let error = CertificateError::BadSignature { name: GUN.to_owned(), issuer: "CN=CA".to_owned() };
        assert_eq!(check(&[&other], &[&leaf]), Err(error), "{algorithm:?}");
    }
    for (ca, leaf) in [("rsa-ca.crt.pem", "rsa-leaf.crt.pem"), ("p521-ca.crt.pem", "p521-leaf.crt.pem")] {
        assert_eq!(check(&[&fixture(ca)], &[&fixture(leaf)]), Ok(()), "{ca}");
    }
}

#[test]
fn a_maze_of_issuers_costs_a_bounded_number_of_signatures() {
    // All intermediates have one name, one key and one issuer, their own: every order of them is a path.
    let authority = Party::authority("maze");
    let mut certificates = vec![Party::leaf().signed_by(&authority)];
    certificates.extend((1..CHAIN_CERTIFICATES).map(|_| authority.self_signed()));
    let certificates: Vec<&str> = certificates.iter().map(String::as_str).collect();
    let unrelated = Party::authority("unrelated").self_signed();
    assert_eq!(check(&[&unrelated], &certificates), Err(CertificateError::TooMuchWork));

    let namesakes: String = (0..40).map(|_| Party::authority("maze").self_signed()).collect();
    assert_eq!(check(&[&namesakes], &certificates[..1]), Err(CertificateError::TooMuchWork));
}
