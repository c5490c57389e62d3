//! Writing DER, in pieces that are zeroised: some of them are private keys.

use zeroize::Zeroizing;

use x509_cert::der::asn1::ObjectIdentifier;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The tag of `[n] EXPLICIT`.
pub(super) const fn explicit(n: u8) -> u8 {
    0xa0 | n
}

/// A DER value.
pub(super) type Der = Zeroizing<Vec<u8>>;

/// A value of `tag` whose content is `parts`, one after the other.
pub(super) fn tlv(tag: u8, parts: &[&[u8]]) -> Der {
    const LONGEST_HEADER: usize = 2 + size_of::<usize>();
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // Enough from the start: a vector that grows leaves its old content behind.
    let mut out = Zeroizing::new(Vec::with_capacity(LONGEST_HEADER + length));
    out.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let digits = length.to_be_bytes();
            let zeros = digits.iter().take_while(|digit| **digit == 0).count();
            out.push(0x80 | u8::try_from(digits.len() - zeros).unwrap_or(u8::MAX));
            out.extend(digits.iter().skip(zeros));
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A non-negative integer of big-endian bytes.
pub(super) fn uint(big_endian: &[u8]) -> Der {
    let zeros = big_endian.iter().take_while(|digit| **digit == 0).count();
    let digits = big_endian.get(zeros..).unwrap_or_default();
    match digits.first() {
        Some(first) if *first < 0x80 => tlv(INTEGER, &[digits]),
        _ => tlv(INTEGER, &[&[0], digits]),
    }
}

/// An object identifier.
pub(super) fn oid(oid: ObjectIdentifier) -> Der {
    tlv(OBJECT_IDENTIFIER, &[oid.as_bytes()])
}

/// A bit string of whole bytes.
pub(super) fn bit_string(bytes: &[u8]) -> Der {
    tlv(BIT_STRING, &[&[0], bytes])
}
