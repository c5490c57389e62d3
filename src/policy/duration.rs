//! Durations as policies write them: `60s`, `24h`, `1h30m`.

use jiff::SignedDuration;

/// The longest duration that a policy may state: ten years.
const MAX: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// Reads a duration in hours, minutes, seconds and milliseconds, the part of the friendly format that the API server's rules
/// take too.
///
/// # Errors
/// What to write instead.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let fits =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'h' | b'm' | b's'));
    let read = text.parse::<SignedDuration>().ok().filter(|_| fits);
    let shown: String = text.chars().take(32).collect();
    match read {
        Some(duration) if duration > MAX => Err(format!("{shown:?} is more than 87600h (ten years)")),
        Some(duration) => Ok(duration),
        None => {
            Err(format!("{shown:?} is no duration: write hours, minutes and seconds like 60s, 24h or 1h30m"))
        }
    }
}

/// A duration as policies write it.
pub fn show(duration: SignedDuration) -> String {
    format!("{duration:#}").replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_hours_minutes_and_seconds() {
        for (text, seconds) in [("60s", 60), ("24h", 86_400), ("168h", 604_800), ("1h30m", 5_400), ("0s", 0)]
        {
            assert_eq!(parse(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("500ms"), Ok(SignedDuration::from_millis(500)));
        for text in
            ["", "60", "1d", "-60s", "1 week", "PT1H", "60S", "1h ago", "s", "1.5h", "99999999999999999999h"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("87601h").unwrap_err().contains("ten years"));
    }

    #[test]
    fn a_duration_is_shown_as_it_is_written() {
        for text in ["1m", "24h", "1h30m"] {
            assert_eq!(parse(text).map(show).as_deref(), Ok(text));
        }
    }
}
