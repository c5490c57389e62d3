//! What kubectl, kustomize and Helm take a plain scalar for. They read YAML 1.1 as go-yaml does (`go.yaml.in/yaml/v2`,
//! `resolve.go`), and by way of JSON, where a date is a string.

/// Whether a scalar without quotes and tag is a string to them. Where it is none, what it says may change on the way: `1.10` is
/// read as the number 1.1.
pub fn is_string_in_yaml_1_1(text: &str) -> bool {
    !(is_word(text) || is_number(text))
}

/// Whether a scalar without quotes and tag is the boolean `true` to them.
pub fn is_true_in_yaml_1_1(text: &str) -> bool {
    ["y", "yes", "true", "on"].into_iter().any(|word| is_written_as(text, word))
}

/// Whether `text` is this word in small letters, in capitals, or with a capital first letter.
fn is_written_as(text: &str, word: &str) -> bool {
    let (first, rest) = word.split_at(1);
    text == word || text == word.to_ascii_uppercase() || text == first.to_ascii_uppercase() + rest
}

/// Null, a boolean, or a number that is a word.
fn is_word(text: &str) -> bool {
    let is_infinite = |text: &str| matches!(text, ".inf" | ".Inf" | ".INF");
    matches!(text, "" | "~" | ".nan" | ".NaN" | ".NAN")
        || is_infinite(text.strip_prefix(['+', '-']).unwrap_or(text))
        || is_true_in_yaml_1_1(text)
        || ["n", "no", "false", "off", "null"].into_iter().any(|word| is_written_as(text, word))
}

fn is_number(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'.') => is_decimal(text),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = text.replace('_', "");
            is_integer(&digits) || is_decimal(&digits)
        }
        _ => false,
    }
}

/// An integer with a prefix for its base. Those of more than 64 bits are strings.
fn is_integer(text: &str) -> bool {
    let (most, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (1 << 63, &text[1..]),
        Some(b'+') => ((1 << 63) - 1, &text[1..]),
        _ => (u64::MAX, text),
    };
    let Some((prefix, digits)) = unsigned.split_at_checked(2) else { return false };
    let radix = match prefix {
        "0x" | "0X" => 16,
        "0o" | "0O" => 8,
        "0b" | "0B" => 2,
        _ => return false,
    };
    // Go takes a sign after `0b`, and after no other prefix.
    let digits = match digits.strip_prefix(['+', '-']) {
        Some(digits) if text.starts_with("0b") => digits,
        _ => digits,
    };
    !digits.starts_with('+') && u64::from_str_radix(digits, radix).is_ok_and(|value| value <= most)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, if it is no larger than a float can be.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && are_digits(fraction),
        Some((whole, fraction)) => are_digits(whole) && are_digits(fraction),
        None => !mantissa.is_empty() && are_digits(mantissa),
    };
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && are_digits(digits)
    });
    is_mantissa && is_exponent && text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::is_string_in_yaml_1_1;

    /// Each was read by `sigs.k8s.io/yaml` 1.6.0.
    #[test]
    fn plain_scalars_are_what_go_yaml_takes_them_for() {
        let other = "1.4 1.10 1_000 1_000.5 1_ 0x1F 0X1f 0x_1F 0o17 0O17 010 08 09 0b1 0B1 -0b1 -0b1_0 +0b1 +1 -1 +0x1F -0x1F \
             on On ON off y Y n N yes YES Yes no true True TRUE false null Null NULL ~ .5 -.5 +.5 5. 1e3 1E3 1e+3 1.e3 .inf .Inf \
             .INF -.inf +.inf .nan .NaN .NAN 20240101 12345678901234567890 123456789012345678901234567890 1. 0. 00 0 -0 1__0 0_1 \
             0b_1 0b1_0 0o1_7 -0o17 +0o17 1_e3 1e1_0 5_.5 0_ -_1 0b-1 0b+1 .5e3 -1e3 \
             +.5e-3 1e-400 -0x8000000000000000 0xFFFFFFFFFFFFFFFF";
        let strings = "_1 0x 0x1G 0b2 1:30 190:20:30 oN tRUE nULL 1e .e3 -.nan inf nan Infinity 2024-01-01 2024-1-1 \
             2024-01-01T10:00:00Z 0x123456789abcdef01 1.2.3 v1 1-2 1.4-rc << = . .. + 0o8 0b ._5 1e400 0x1p3 0x1.8p1 1p3 .5_ \
             0x-1 0X+1 -0b-1 -0b+1 0b--1 0B-1 -0x8000000000000001 +0xFFFFFFFFFFFFFFFF 1.4@sha256 \
             yEs 1e5f3a2 0b1e 7f3a";
        for text in other.split_whitespace().chain([""]) {
            assert!(!is_string_in_yaml_1_1(text), "{text:?}");
        }
        for text in strings.split_whitespace() {
            assert!(is_string_in_yaml_1_1(text), "{text:?}");
        }
    }
}
