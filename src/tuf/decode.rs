//! Reading fields out of a decoded JSON value: exact names, exact types. An error says what is wrong where.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::canonical::{Node, shortened};
use super::error::TufError;
use super::role::RoleName;

/// What is wrong, in words; the caller knows in which role's file.
pub(super) type What = String;

/// As a text from outside may be of any length, what is told of it is not.
const MAX_WHAT: usize = 512;

/// The error for what is wrong with a role's file.
pub(super) fn malformed(role: &RoleName, mut what: What) -> TufError {
    if let Some((end, _)) = what.char_indices().nth(MAX_WHAT) {
        what.truncate(end);
        what.push('…');
    }
    TufError::Malformed { role: role.clone(), what }
}

/// A JSON object whose fields are being read. An absent field and a `null` one are the same, as in Go.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    object: Node<'a>,
    at: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn of(value: Node<'a>, at: &'a str) -> Result<Self, What> {
        if value.is_object() { Ok(Self { object: value, at }) } else { Err(format!("{at} is not an object")) }
    }

    pub(super) fn optional(&self, name: &str) -> Option<Node<'a>> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(&self, name: &str) -> Result<Node<'a>, What> {
        self.optional(name).ok_or_else(|| format!("{} has no field {name:?}", self.at))
    }

    /// An integer of at least `least`, as written: `4.0` and `1e3` are none (design §11 tuf).
    pub(super) fn integer(&self, name: &str, least: u64) -> Result<u64, What> {
        let text = self.required(name)?.as_number();
        let text = text.ok_or_else(|| format!("{}.{name} is not an integer", self.at))?;
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // Go reads them into a signed 64-bit integer.
        let number = plain.then(|| text.parse::<i64>().ok()).flatten().and_then(|n| u64::try_from(n).ok());
        number.filter(|n| *n >= least).ok_or_else(|| {
            format!("{}.{name} is {}, not an integer of at least {least}", self.at, shortened(text))
        })
    }

    pub(super) fn string(&self, name: &str) -> Result<&'a str, What> {
        self.required(name)?.as_str().ok_or_else(|| format!("{}.{name} is not a string", self.at))
    }

    /// A string, empty when absent.
    pub(super) fn string_or_empty(&self, name: &str) -> Result<&'a str, What> {
        if self.optional(name).is_none() { Ok("") } else { self.string(name) }
    }

    /// An array of strings, empty when absent.
    pub(super) fn strings(&self, name: &str) -> Result<Vec<&'a str>, What> {
        self.array(name)?
            .map(|value| value.as_str().ok_or_else(|| format!("{}.{name} holds what is no string", self.at)))
            .collect()
    }

    /// An array, empty when absent.
    pub(super) fn array(&self, name: &str) -> Result<impl Iterator<Item = Node<'a>> + use<'a>, What> {
        let items = match self.optional(name) {
            None => None,
            Some(value) => Some(value.items().ok_or_else(|| format!("{}.{name} is not an array", self.at))?),
        };
        Ok(items.into_iter().flatten())
    }

    /// The entries of an object, sorted by name; none when absent.
    pub(super) fn entries(
        &self,
        name: &str,
    ) -> Result<impl Iterator<Item = (&'a str, Node<'a>)> + use<'a>, What> {
        let members = match self.optional(name) {
            None => None,
            Some(value) => {
                Some(value.members().ok_or_else(|| format!("{}.{name} is not an object", self.at))?)
            }
        };
        Ok(members.into_iter().flatten())
    }

    /// The bytes of a padded standard base64 string.
    pub(super) fn base64(&self, name: &str) -> Result<Vec<u8>, What> {
        base64(self.string_or_empty(name)?).ok_or_else(|| format!("{}.{name} is not base64", self.at))
    }

    /// A field that is not used, but must have its type where it is there.
    pub(super) fn unused_bool(&self, name: &str) -> Result<(), What> {
        match self.optional(name) {
            None => Ok(()),
            Some(value) if value.is_bool() => Ok(()),
            Some(_) => Err(format!("{}.{name} is neither true nor false", self.at)),
        }
    }
}

/// Decodes padded standard base64.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Reads an RFC 3339 time with any offset and fraction; a time without a zone is none. A time beyond the year 9999
/// in UTC is the end of time.
pub(super) fn timestamp(text: &str) -> Result<Timestamp, What> {
    parse_rfc3339(text).ok_or_else(|| format!("{:?} is not an RFC 3339 time with a zone", shortened(text)))
}

fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let shape = |s: &str, like: &[u8]| {
        s.len() == like.len()
            && s.bytes().zip(like).all(|(b, l)| if *l == b'0' { b.is_ascii_digit() } else { b == *l })
    };
    let (seconds, rest) = text.split_at_checked(19)?;
    if !shape(seconds, b"0000-00-00T00:00:00") {
        return None;
    }
    let zone_at = rest.find(['Z', '+', '-'])?;
    let (fraction, zone) = rest.split_at_checked(zone_at)?;
    let nanoseconds = match fraction.strip_prefix('.') {
        None if fraction.is_empty() => 0,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{digits:0<9}").get(..9)?.parse().ok()?
        }
        _ => return None,
    };
    let offset = match zone {
        "Z" => Offset::UTC,
        _ if shape(zone.get(1..)?, b"00:00") => {
            let (hours, minutes) =
                (zone.get(1..3)?.parse::<i32>().ok()?, zone.get(4..)?.parse::<i32>().ok()?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = (hours * 60 + minutes) * 60;
            Offset::from_seconds(if zone.starts_with('-') { -seconds } else { seconds }).ok()?
        }
        _ => return None,
    };
    let number = |at: std::ops::Range<usize>| seconds.get(at)?.parse::<i8>().ok();
    let year = seconds.get(..4)?.parse().ok()?;
    let when = DateTime::new(
        year,
        number(5..7)?,
        number(8..10)?,
        number(11..13)?,
        number(14..16)?,
        number(17..19)?,
        nanoseconds,
    )
    .ok()?;
    offset.to_timestamp(when).ok().or_else(|| (year == 9999).then_some(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::canonical;
    use crate::tuf::work::Work;

    #[test]
    fn times_have_a_zone_and_any_offset_and_fraction() {
        let at = |s: &str| timestamp(s).map(|t| t.to_string());
        assert_eq!(at("2026-11-21T03:02:01Z").as_deref(), Ok("2026-11-21T03:02:01Z"));
        assert_eq!(at("2026-11-21T03:02:01.5+01:00").as_deref(), Ok("2026-11-21T02:02:01.5Z"));
        assert_eq!(
            at("2026-11-21T03:02:01.1234567891-05:30").as_deref(),
            Ok("2026-11-21T08:32:01.123456789Z")
        );
        assert_eq!(timestamp("9999-12-31T23:59:59Z"), Ok(Timestamp::MAX));
        assert_eq!(at("0001-01-01T00:00:00Z").as_deref(), Ok("0001-01-01T00:00:00Z"));
    }

    #[test]
    fn other_shapes_are_no_times() {
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21T03:02:01",
            "2026-11-21 03:02:01Z",
            "2026-11-21t03:02:01z",
            "2026-11-21T03:02:60Z",
            "2026-11-21T03:02:01.Z",
            "2026-11-21T03:02:01+0100",
            "2026-11-21T03:02:01+24:00",
            "2026-11-21T03:02:01Z[UTC]",
            "2026-02-30T03:02:01Z",
            "+002026-11-21T03:02:01Z",
            "2026-11-21T03:02:01é",
            "cannot be parsed as time",
        ] {
            assert!(timestamp(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn integers_are_integers_as_written() {
        let read = |n: &str| {
            let json = format!("{{\"version\":{n}}}");
            let parsed = canonical::read(json.as_bytes(), &Work::unstopped()).unwrap();
            Fields::of(parsed.root(), "signed").and_then(|f| f.integer("version", 1))
        };
        assert_eq!(read("4"), Ok(4));
        assert_eq!(read("9007199254740993"), Ok(9_007_199_254_740_993));
        for bad in ["4.0", "1e3", "0", "-1", "9223372036854775808"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
