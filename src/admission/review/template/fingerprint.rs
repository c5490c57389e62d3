//! [`Fingerprint`]: a number for a JSON value, read without building it. Equal values have equal ones.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Reads a value's fingerprint under random keys: nobody can make two values of one fingerprint.
#[derive(Clone, Copy)]
pub(super) struct Fingerprint<'k>(pub(super) &'k RandomState);

impl Fingerprint<'_> {
    fn of<E>(self, what: impl Hash) -> Result<u64, E> {
        Ok(self.0.hash_one(what))
    }
}

impl<'de> DeserializeSeed<'de> for Fingerprint<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fingerprint<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        self.of("null")
    }

    fn visit_bool<E>(self, value: bool) -> Result<u64, E> {
        self.of((0_u8, value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
        self.of((1_u8, value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<u64, E> {
        self.of((2_u8, value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
        // Both zeros are one number.
        let value = if value == 0.0 { 0.0 } else { value };
        self.of((3_u8, value.to_bits()))
    }

    fn visit_str<E>(self, value: &str) -> Result<u64, E> {
        self.of((4_u8, value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let mut all = 0_u64;
        while let Some(item) = list.next_element_seed(self)? {
            all = self.0.hash_one((5_u8, all, item));
        }
        self.of((6_u8, all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        // The order of fields is none of the value.
        let mut all = 0_u64;
        while let Some(key) = map.next_key_seed(self)? {
            let value = map.next_value_seed(self)?;
            all = all.wrapping_add(self.0.hash_one((7_u8, key, value)));
        }
        self.of((8_u8, all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_fingerprints_and_others_do_not() {
        let keys = RandomState::new();
        let of = |text: &str| {
            Fingerprint(&keys).deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
        };
        for (one, other) in [
            (r#"{"a":1,"b":[2,{"c":null}]}"#, r#"{ "b": [2, {"c": null}], "a": 1 }"#),
            (r#""\u0061""#, r#""a""#),
            ("0.0", "-0.0"),
            ("[]", "[ ]"),
        ] {
            assert_eq!(of(one), of(other), "{one} and {other}");
        }
        let others = [
            "null",
            "0",
            "-1",
            "1",
            "1.0",
            "true",
            "false",
            r#""""#,
            r#""null""#,
            r#""1""#,
            "[]",
            "[[]]",
            "[1]",
            "[1,2]",
            "[2,1]",
            "{}",
            "[{}]",
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"a":2,"b":1}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":null}"#,
            r#"["a",1]"#,
        ];
        for (at, one) in others.iter().enumerate() {
            for other in &others[at + 1..] {
                assert_ne!(of(one), of(other), "{one} and {other}");
            }
        }
    }
}
