//! What keys need whose private half is not in this process: their signatures and root certificates in Notary's forms.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};

use super::der::{Der, explicit, oid, tlv, uint};
use super::{KeyFault, PublicForm, certificate, der as write};
use crate::tuf::Gun;

/// The self-signed certificate by which a root key is listed, as [`super::PrivateKey::root_certificate`] makes it. `sign` signs as for
/// metadata: r‖s over SHA-256, or RSA-PSS. So the certificate's algorithm is ECDSA with SHA-256 on every curve, or RSA-PSS, because
/// signature plugins make no other signature.
pub(in crate::publish) fn root_certificate_of<E: From<KeyFault>>(
    public: &PublicForm,
    gun: &Gun,
    now: Timestamp,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<PublicForm, E> {
    let spki = STANDARD.decode(public.public()).map_err(super::secret::malformed)?;
    let (keytype, pem) = match public.keytype() {
        "ecdsa" => {
            let sign = |tbs: &[u8]| Ok(der_of_fixed(&sign(tbs)?));
            ("ecdsa-x509", certificate::self_signed::<E>(&ecdsa_with_sha256(), &spki, gun, now, sign)?)
        }
        "rsa" => ("rsa-x509", certificate::self_signed::<E>(&rsa_pss_with_sha256(), &spki, gun, now, sign)?),
        _ => return Err(KeyFault::NoCertificate.into()),
    };
    Ok(PublicForm::from_bytes(keytype, pem.as_bytes()).map_err(KeyFault::from)?)
}

/// r‖s, each of `bytes` bytes, of an ECDSA signature in DER; `None` where it is none.
pub(in crate::publish) fn fixed_of_der(der: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut reader = SliceReader::new(der).ok()?;
    let numbers = reader.sequence(|fields| {
        let numbers = [UintRef::decode(fields)?, UintRef::decode(fields)?];
        Ok::<_, x509_cert::der::Error>(numbers)
    });
    let numbers = numbers.ok().filter(|_| reader.is_finished())?;
    let mut fixed = Vec::with_capacity(2 * bytes);
    for number in numbers {
        let digits = number.as_bytes();
        let zeros = bytes.checked_sub(digits.len())?;
        fixed.resize(fixed.len() + zeros, 0);
        fixed.extend_from_slice(digits);
    }
    Some(fixed)
}

fn der_of_fixed(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    tlv(write::SEQUENCE, &[&uint(r), &uint(s)]).to_vec()
}

fn ecdsa_with_sha256() -> Der {
    const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
    tlv(write::SEQUENCE, &[&oid(ECDSA_WITH_SHA256)])
}

/// RFC 4055, 3.1: SHA-256, MGF1 with SHA-256, 32 bytes of salt.
fn rsa_pss_with_sha256() -> Der {
    const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
    const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
    const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
    let sha256 = tlv(write::SEQUENCE, &[&oid(SHA256), &tlv(write::NULL, &[])]);
    let mgf1 = tlv(write::SEQUENCE, &[&oid(MGF1), &sha256]);
    let parameters = tlv(
        write::SEQUENCE,
        &[&tlv(explicit(0), &[&sha256]), &tlv(explicit(1), &[&mgf1]), &tlv(explicit(2), &[&uint(&[32])])],
    );
    tlv(write::SEQUENCE, &[&oid(RSA_PSS), &parameters])
}
