//! The certificate by which a root key is listed: self-signed, as notary makes it.
//!
//! It is written by hand, because no certificate library of the tree signs for P-521.

use jiff::{SignedDuration, Timestamp};
use x509_cert::der::asn1::ObjectIdentifier;

use super::der::{self, Der, bit_string, explicit, oid, tlv, uint};
use super::secret::random;
use super::{KeyFault, public};
use crate::tuf::Gun;

/// How long notary's root certificates are valid (Notary v1, "Certificates").
const VALIDITY: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// PEM. `sign` signs the bytes that it is given by the algorithm that `algorithm` (DER) names, as certificates have it.
pub(super) fn self_signed<E: From<KeyFault>>(
    algorithm: &[u8],
    spki: &[u8],
    gun: &Gun,
    now: Timestamp,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let name = common_name(gun);
    let not_after =
        now.checked_add(VALIDITY).map_err(|_| KeyFault::Malformed("no date is so late".to_owned()))?;
    let tbs = tlv(
        der::SEQUENCE,
        &[
            &tlv(explicit(0), &[&uint(&[2])]), // version 3
            &uint(&random::<16>()?),
            algorithm,
            &name,
            &tlv(der::SEQUENCE, &[&time(now), &time(not_after)]),
            &name,
            spki,
            &tlv(explicit(3), &[&extensions()]),
        ],
    );
    let signature = sign(&tbs)?;
    let certificate = tlv(der::SEQUENCE, &[&tbs, algorithm, &bit_string(&signature)]);
    Ok(public::pem("CERTIFICATE", &certificate))
}

fn common_name(gun: &Gun) -> Der {
    const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
    let attribute =
        tlv(der::SEQUENCE, &[&oid(COMMON_NAME), &tlv(der::UTF8_STRING, &[gun.as_str().as_bytes()])]);
    tlv(der::SEQUENCE, &[&tlv(der::SET, &[&attribute])])
}

/// RFC 5280, 4.1.2.5: two digits of the year through 2049.
fn time(time: Timestamp) -> Der {
    let text = time.strftime("%Y%m%d%H%M%SZ").to_string();
    match text.split_at_checked(2) {
        Some(("19" | "20", short)) if text.as_str() < "2050" => tlv(der::UTC_TIME, &[short.as_bytes()]),
        _ => tlv(der::GENERALIZED_TIME, &[text.as_bytes()]),
    }
}

/// keyUsage (critical), extKeyUsage and basicConstraints (critical), in notary's order; no subjectAltName.
fn extensions() -> Der {
    const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
    const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
    const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
    const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
    let critical = tlv(der::BOOLEAN, &[&[0xff]]);
    let extension = |id, critical: &[u8], value: &[u8]| {
        tlv(der::SEQUENCE, &[&oid(id), critical, &tlv(der::OCTET_STRING, &[value])])
    };
    // digitalSignature is bit 0, keyEncipherment bit 2; five bits are unused.
    let usage = tlv(der::BIT_STRING, &[&[5, 0b1010_0000]]);
    let extended = tlv(der::SEQUENCE, &[&oid(CODE_SIGNING)]);
    // CA:FALSE is the default, which DER leaves out.
    let constraints = tlv(der::SEQUENCE, &[]);
    tlv(
        der::SEQUENCE,
        &[
            &extension(KEY_USAGE, &critical, &usage),
            &extension(EXTENDED_KEY_USAGE, &[], &extended),
            &extension(BASIC_CONSTRAINTS, &critical, &constraints),
        ],
    )
}
