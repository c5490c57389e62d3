//! What people read of a verdict: denials, warnings, and the bounds on both.

use std::borrow::Cow;

use super::judge::Denial;

/// The longest image string that is repeated.
const IMAGE: usize = 300;
/// The longest message of one denial.
const MESSAGE: usize = 2000;
/// The longest denial in all; what does not fit is counted.
const DENIAL: usize = 32 * 1024;
/// The API server cuts a warning beyond this, and drops all beyond the sum.
const WARNING: usize = 256;
const WARNINGS: usize = 4096;

/// At most `limit` bytes of one line that a terminal may show: control characters become their escapes.
pub fn one_line(text: &str, limit: usize) -> Cow<'_, str> {
    let shown: Cow<'_, str> = if text.chars().any(char::is_control) {
        text.chars().flat_map(escaped).collect::<String>().into()
    } else {
        text.into()
    };
    if shown.len() <= limit {
        return shown;
    }
    let end = shown.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
    format!("{}…", &shown[..end]).into()
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    let (control, plain) = if c.is_control() { (Some(c.escape_default()), None) } else { (None, Some(c)) };
    control.into_iter().flatten().chain(plain)
}

/// An image as it was written, safe to repeat.
pub fn image(image: &str) -> Cow<'_, str> {
    if image.is_empty() { "(no image)".into() } else { one_line(image, IMAGE) }
}

/// `NotSigned (ClusterTrustPolicy production): no required role lists …`
pub fn denial(denial: &Denial) -> String {
    let finding = &denial.finding;
    let message = one_line(&finding.message, MESSAGE);
    match &finding.policy {
        Some(policy) => format!("{} ({policy}): {message}", finding.reason),
        None => format!("{}: {message}", finding.reason),
    }
}

/// All failures of a request; one stands on the first line, several on lines of their own.
pub fn denials(failures: &[String]) -> String {
    if let [one] = failures {
        return one.clone();
    }
    let mut text = format!("{} images are refused:", failures.len());
    for (index, failure) in failures.iter().enumerate() {
        if text.len() + failure.len() > DENIAL {
            text.push_str(&format!("\n- and {} more", failures.len() - index));
            break;
        }
        text.push_str("\n- ");
        text.push_str(failure);
    }
    text
}

/// Warnings as the API server passes them on, each once; where they are too many, the last says how many more.
pub fn bounded_warnings(warnings: Vec<String>) -> Vec<String> {
    let mut bounded: Vec<String> = Vec::new();
    let mut dropped = 0_usize;
    let mut size = 0;
    for warning in &warnings {
        let warning = one_line(warning, WARNING);
        if bounded.iter().any(|known| *known == warning) {
            continue;
        }
        if size + warning.len() > WARNINGS - WARNING {
            dropped += 1;
            continue;
        }
        size += warning.len();
        bounded.push(warning.into_owned());
    }
    if dropped > 0 {
        bounded.push(format!("tagseal: {dropped} more warnings are in its log"));
    }
    bounded
}
