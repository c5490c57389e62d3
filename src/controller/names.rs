//! [`is_object_name`]: names from pod specs and policies, before they become part of a request's path.

/// Whether an object can have this name (RFC 1123 subdomain). Pod specs reach a webhook before the API server has looked at
/// the names in them: one with a slash or a question mark would ask for something else than was meant.
pub(super) fn is_object_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let outer = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = name.as_bytes();
    bytes.len() <= 253 && outer(bytes.first()) && outer(bytes.last()) && bytes.iter().all(|byte| inner(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_api_server_would_take_as_a_name_is_one() {
        for name in ["a", "pull-secret", "registry.example.com", "0", &"a".repeat(253)] {
            assert!(is_object_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a?watch=true",
            "a,metadata.name!=b",
            "A",
            "a ",
            "-a",
            "ä",
            &"a".repeat(254),
        ] {
            assert!(!is_object_name(name), "{name}");
        }
    }
}
