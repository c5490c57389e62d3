//! Durations as arguments take them: `60s`, `24h`, `1d`, `1h30m`.

use jiff::SignedDuration;

/// Each unit once, from the largest to the smallest.
const UNITS: [(&str, SignedDuration); 5] = [
    ("d", SignedDuration::from_hours(24)),
    ("h", SignedDuration::from_hours(1)),
    ("m", SignedDuration::from_mins(1)),
    ("s", SignedDuration::from_secs(1)),
    ("ms", SignedDuration::from_millis(1)),
];

/// More digits are a mistake, and could overflow. The chart's schema has the same bound.
const MOST_DIGITS: usize = 9;

/// Reads a duration in days of 24 hours, hours, minutes, seconds and milliseconds. These are the forms that the chart's
/// `values.schema.json` lets pass.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    read(text).ok_or_else(|| "write days, hours, minutes and seconds like 60s, 24h, 1d or 1h30m".to_owned())
}

fn read(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut sum = SignedDuration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > MOST_DIGITS {
            return None;
        }
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let (_, one) = units.find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(one.checked_mul(number.parse().ok()?)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_what_a_person_would_write() {
        for (text, seconds) in [
            ("0s", 0),
            ("60s", 60),
            ("24h", 86_400),
            ("1d", 86_400),
            ("90d", 90 * 86_400),
            ("1d12h", 129_600),
            ("1h30m", 5_400),
            ("1m5s", 65),
        ] {
            assert_eq!(duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("500ms"), Ok(SignedDuration::from_millis(500)));
        assert_eq!(duration("1s1ms"), Ok(SignedDuration::from_millis(1001)));
        assert!(duration("999999999d999999999h999999999m999999999s999999999ms").is_ok());
    }

    #[test]
    fn nothing_else_is_a_duration() {
        for text in [
            "",
            " ",
            "60",
            "-60s",
            "+60s",
            "1.5h",
            "1 h",
            " 60s",
            "60s ",
            "1m1h",
            "1h1h",
            "60S",
            "1w",
            "1y",
            "PT1H",
            "s",
            "1h30",
            "9999999999s",
            "1d-1h",
            "٣s",
        ] {
            let error = duration(text).unwrap_err();
            assert!(error.contains("60s, 24h, 1d or 1h30m"), "{text}");
        }
    }
}
