//! [`Size`]: bytes as arguments take them, as Kubernetes writes them: `512Ki`, `160Mi`, `2Gi`.

use std::fmt;

/// Each unit with its bytes, from the largest to the smallest.
const UNITS: [(&str, usize); 3] = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

impl Size {
    /// Reads a whole number of a unit.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, bytes) =
            UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)))?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: usize = is_number.then(|| number.parse().ok())??;
        number.checked_mul(*bytes).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes)) {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_of_a_unit_and_is_written_as_it_is_read() {
        for (text, bytes) in
            [("1Ki", 1 << 10), ("160Mi", 160 << 20), ("1536Mi", 1536 << 20), ("2Gi", 2 << 30)]
        {
            assert_eq!(Size::parse(text), Some(Size(bytes)), "{text}");
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!(Size::parse("1024Ki"), Size::parse("1Mi"));
        for text in
            ["", "Mi", "160", "160M", "160MiB", "1.5Gi", "-1Gi", "+1Gi", " 1Gi", "99999999999999999999Gi"]
        {
            assert_eq!(Size::parse(text), None, "{text}");
        }
        assert_eq!(Size::parse("17179869184Gi"), None, "more than fits");
    }
}
