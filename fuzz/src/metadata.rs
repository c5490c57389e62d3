//! What stands in a metadata file, behind a valid signature: each role's, read as it is written and within the bounds.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use tagseal::digest::Digest;
use tagseal::tuf::canonical::{Value, parse};
use tagseal::tuf::{Lookup, Role, RoleName, RoleProblem, TrustedRepository, TufError};

use super::repository::{GENUINE, RELEASES, now, signer, update, with};

const SKEW: SignedDuration = SignedDuration::ZERO;

/// The signed part of `root.json`.
pub fn root(data: &[u8]) {
    let Some((signed, repository)) = verified("root", data) else { return };
    let root = repository.root();
    common(&signed, root);
    let keys = signed.get("roles").and_then(|roles| roles.get("root")).unwrap();
    assert_eq!(keys.get("threshold").and_then(Value::as_integer), i64::try_from(root.threshold()).ok());
    assert!(root.threshold() <= root.signed_by().len() as u64);
    assert!(repository.root_carries_pin());
}

/// The signed part of `timestamp.json`.
pub fn timestamp(data: &[u8]) {
    let Some((signed, repository)) = verified("timestamp", data) else { return };
    common(&signed, repository.role(&RoleName::timestamp()).unwrap());
    lists(&signed, "snapshot", &GENUINE["snapshot"]);
}

/// The signed part of `snapshot.json`.
pub fn snapshot(data: &[u8]) {
    let Some((signed, repository)) = verified("snapshot", data) else { return };
    common(&signed, repository.role(&RoleName::snapshot()).unwrap());
    lists(&signed, "root", &GENUINE["root"]);
    lists(&signed, "targets", &GENUINE["targets"]);
    let releases = RoleName::parse(RELEASES).unwrap();
    if repository.usable(&releases, now(), SKEW).is_ok() {
        lists(&signed, RELEASES, &GENUINE[RELEASES]);
    }
}

/// The signed part of `targets.json`.
pub fn targets(data: &[u8]) {
    let Some((signed, repository)) = verified("targets", data) else { return };
    let role = repository.role(&RoleName::targets()).unwrap();
    common(&signed, role);
    listed(&signed, role, |_| true);
    let delegated: Vec<_> = role.delegated().iter().map(|delegated| delegated.name.to_string()).collect();
    let written = signed.get("delegations").and_then(|all| all.get("roles")).and_then(Value::as_array);
    let written = written.into_iter().flatten().map(|role| role.get("name").unwrap().as_str().unwrap());
    assert_eq!(delegated, written.collect::<Vec<_>>());
    bounded(&repository);
}

/// The signed part of `targets/releases.json`, which may speak for some tags alone.
pub fn delegation(data: &[u8]) {
    let Some(file) = signer(RELEASES).file(data) else { return };
    let name = RoleName::parse(RELEASES).unwrap();
    // One that cannot be read is the server's fault; one that cannot be believed leaves the others as they are.
    let repository = match update(&with(RELEASES, file)) {
        Ok(updated) => updated.repository,
        Err(TufError::Malformed { role, .. }) => return assert_eq!(role, name),
        Err(error) => return assert!(matches!(error, TufError::TooMany { .. }), "{error}"),
    };
    bounded(&repository);
    let Ok(role) = repository.usable(&name, now(), SKEW) else { return };
    let signed = parse(data).unwrap();
    common(&signed, role);
    listed(&signed, role, |tag| tag.starts_with("1.") || tag.starts_with('v'));

    let forged = update(&with(RELEASES, signer(RELEASES).forged(data))).unwrap().repository;
    let problem = RoleProblem::Unusable {
        role: name.clone(),
        error: TufError::NoValidSignature { role: name.clone() },
    };
    assert_eq!(forged.usable(&name, now(), SKEW).err(), Some(problem));
}

/// What verifies, and the repository that it is part of. With a signature over something else it does not.
fn verified(role: &'static str, data: &[u8]) -> Option<(Value, Arc<TrustedRepository>)> {
    let file = signer(role).file(data)?;
    let repository = update(&with(role, file)).ok()?.repository;
    let forged = update(&with(role, signer(role).forged(data))).err();
    assert_eq!(forged, Some(TufError::NoValidSignature { role: RoleName::parse(role).unwrap() }));
    Some((parse(data).unwrap(), repository))
}

fn common(signed: &Value, role: Role<'_>) {
    assert_eq!(signed.get("version"), Some(&Value::Number(role.version().to_string())));
    let expires = signed.get("expires").and_then(Value::as_str).unwrap();
    if let Ok(expires) = expires.parse::<Timestamp>() {
        assert_eq!(role.expires(), expires);
    }
    assert!(role.expires() >= now(), "an expired file is believed");
}

/// That the file is the one of which `signed` has the hash.
fn lists(signed: &Value, role: &str, file: &[u8]) {
    let meta = signed.get("meta").and_then(|meta| meta.get(role)).unwrap();
    let hashes = meta.get("hashes").unwrap();
    match hashes.get("sha256") {
        Some(hash) => assert_eq!(digest(hash), Some(Digest::of(file))),
        None => assert!(hashes.get("sha512").is_some()),
    }
}

fn listed(signed: &Value, role: Role<'_>, covers: impl Fn(&str) -> bool) {
    let targets = signed.get("targets").and_then(Value::as_object);
    let mut found = role.targets();
    for (name, target) in targets.into_iter().flatten() {
        let digest = target.get("hashes").and_then(|hashes| digest(hashes.get("sha256")?));
        match (covers(name), digest) {
            (true, Some(digest)) => {
                let entry = found.next().unwrap();
                assert_eq!((entry.name, entry.digest), (name.as_str(), digest));
                assert_eq!(role.lookup(name), Lookup::Listed(entry));
            }
            (true, None) => assert_eq!(role.lookup(name), Lookup::BadHash),
            (false, _) => assert!(matches!(role.lookup(name), Lookup::NotCovered(_))),
        }
        let longer = format!("{name}\u{0}");
        if targets.is_some_and(|targets| !targets.contains_key(&longer)) {
            assert_eq!(role.lookup(&longer), Lookup::NotListed);
        }
    }
    assert_eq!(found.next(), None);
}

/// No role lists more targets than a file can have.
fn bounded(repository: &TrustedRepository) {
    for role in repository.roles(now(), SKEW) {
        assert!(role.targets().count() <= tagseal::limits::FILE_VALUES);
    }
    repository.unusable(now(), SKEW);
    repository.floors();
}

fn digest(hash: &Value) -> Option<Digest> {
    let bytes: [u8; 32] = STANDARD.decode(hash.as_str()?).ok()?.try_into().ok()?;
    Some(Digest::from_bytes(bytes))
}
