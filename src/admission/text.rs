//! What people read of a verdict: denials, warnings, and the bounds on both.

use std::borrow::Cow;

use super::judge::Denial;
use crate::foreign::{Foreign, Quoted, is_ascii_text};
pub use crate::foreign::{cut, one_line};
use crate::policy::Reason;

/// The longest image string that is repeated.
const IMAGE: usize = 300;
/// The longest message of one denial.
const MESSAGE: usize = 2000;
/// The longest denial in all; what does not fit is counted.
const DENIAL: usize = 32 * 1024;
/// The API server cuts a warning beyond this, and drops all beyond the sum.
const WARNING: usize = 256;
const WARNINGS: usize = 4096;

/// An image as it was written, safe to repeat: what is not ASCII is no image name, and could look like another one.
pub fn image(image: &str) -> Cow<'_, str> {
    if image.is_empty() {
        return "(no image)".into();
    }
    if is_ascii_text(image) {
        return cut(image, IMAGE);
    }
    Foreign(image).to_string().into()
}

/// The same between quotation marks, in which blanks show and no image can end early.
pub fn quoted(image: &str) -> String {
    Quoted(image).to_string()
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

/// That the mutating hook could not seal `what`. The reason's own text is told once, by the validating hook.
pub fn deferral(what: &str, reason: Reason) -> String {
    let end = format!(": not sealed ({reason}); validate.tagseal.dev decides");
    let room = WARNING - "tagseal: ".len() - end.len();
    format!("tagseal: {}{end}", one_line(what, room))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PolicyId;

    #[test]
    fn an_image_is_shown_in_ascii_and_cut() {
        assert_eq!(image(""), "(no image)");
        assert_eq!(image(&"x".repeat(10_000)).len(), IMAGE);
        assert_eq!(image("sh\u{202e}op"), "\"sh\\u{202e}op\"");
    }

    #[test]
    fn a_quoted_image_shows_its_blanks_and_cannot_end_early() {
        let cases = [
            ("r.io/web:1", r#""r.io/web:1""#),
            ("", r#""""#),
            (" ", r#"" ""#),
            ("a\": NotSigned", r#""a\": NotSigned""#),
            ("a\\", r#""a\\""#),
            ("a\n\u{202e}b", r#""a\n\u{202e}b""#),
        ];
        for (image, shown) in cases {
            assert_eq!(quoted(image), shown);
        }
        assert_eq!(quoted(&"x".repeat(10_000)).len(), IMAGE + 2);
    }

    #[test]
    fn a_denial_names_its_policy_and_several_stand_on_lines_of_their_own() {
        let policy = PolicyId { namespace: Some("shop".into()), name: "strict".into() };
        let named = Denial::untrusted(Some(&policy), Reason::NotSigned, "nobody\nsigned");
        assert_eq!(denial(&named), "NotSigned (TrustPolicy shop/strict): nobody\\nsigned");
        let nameless = Denial::untrusted(None, Reason::NoPolicy, "none");
        assert_eq!(denial(&nameless), "NoPolicy: none");
        assert_eq!(denials(&["a".into()]), "a");
        assert_eq!(denials(&["a".into(), "b".into()]), "2 images are refused:\n- a\n- b");
        let many = denials(&vec!["x".repeat(1000); 100]);
        assert!(many.len() <= DENIAL + 100, "{}", many.len());
        assert!(
            many.starts_with("100 images are refused:\n- xxx") && many.ends_with("\n- and 68 more"),
            "{}",
            many.len()
        );
    }

    #[test]
    fn warnings_are_told_once_within_the_api_servers_bounds() {
        let warnings = bounded_warnings(vec!["a".into(), "b\n".into(), "a".into()]);
        assert_eq!(warnings, ["a", "b\\n"]);
        let many = bounded_warnings((0..100).map(|n| format!("{n}{}", "x".repeat(500))).collect());
        assert!(many.iter().all(|warning| warning.len() <= WARNING));
        assert!(many.iter().map(String::len).sum::<usize>() <= WARNINGS);
        assert_eq!(many.last().unwrap(), "tagseal: 85 more warnings are in its log");
    }
}
