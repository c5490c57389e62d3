//! Text from outside, as it is shown: names in trust data, what servers and registries say, what users wrote. It may hold what
//! moves a terminal's cursor, turns the direction of writing, or begins a line of its own. Nothing else in the crate escapes
//! text for people.
//!
//! - A name beside other words or columns is [`Foreign`], or [`Quoted`] where it always stands in quotes.
//! - What somebody else said in words of his own is [`plain`].
//! - A whole message, in which those already stand, is [`one_line`] or [`lines`] at the place where it is shown.
//! - A line of a JSON log is [`json`].

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// The longest name that is shown whole, in bytes.
const NAME: usize = 300;

/// A name: as it is where it is one word of ordinary ASCII, else [`Quoted`]. Two names are never shown alike, unless only their
/// ends differ, beyond 300 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign<'a>(pub &'a str);

/// A name between quotation marks, in ASCII: what is not, quotation marks and backslashes stand as Rust's escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = *self;
        let is_word = |byte| {
            let separates = b"\"\\'`,;()[]{}<>".contains(&byte);
            byte.is_ascii_graphic() && !separates
        };
        match !name.is_empty() && name.len() <= NAME && name.bytes().all(is_word) {
            true => f.write_str(name),
            false => Quoted(name).fmt(f),
        }
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = *self;
        let needs_escapes = !is_ascii_text(name) || name.contains(['"', '\\']);
        let shown = match needs_escapes {
            // An apostrophe ends nothing here.
            true => name.chars().flat_map(|c| escaped(c, c != '\'')).collect::<String>().into(),
            false => Cow::Borrowed(name),
        };
        write!(f, "\"{}\"", cut(&shown, NAME))
    }
}

/// What somebody else said, `limit` characters of it at most, on one line: a backslash in it is two, so that no escape is taken for
/// another.
pub fn plain(text: &str, limit: usize) -> Cow<'_, str> {
    let is_whole = text.chars().nth(limit).is_none();
    if is_whole && is_ascii_text(text) && !text.contains('\\') {
        return text.into();
    }
    let shown = text.chars().take(limit).flat_map(|c| escaped(c, c == '\\' || !is_printable(c)));
    shown.chain((!is_whole).then_some('…')).collect::<String>().into()
}

/// At most `limit` bytes of a message of ours, on one line: what is not printable becomes its escape.
pub fn one_line(text: &str, limit: usize) -> Cow<'_, str> {
    if is_ascii_text(text) || text.chars().all(is_printable) {
        return cut(text, limit);
    }
    let shown: String = text.chars().flat_map(|c| escaped(c, !is_printable(c))).collect();
    cut(&shown, limit).into_owned().into()
}

/// A text of ours in lines of ours: what is not printable becomes its escape, but for line feeds.
pub fn lines(text: &str) -> Cow<'_, str> {
    let is_kept = |c| c == '\n' || is_printable(c);
    if text.chars().all(is_kept) {
        return text.into();
    }
    text.chars().flat_map(|c| escaped(c, !is_kept(c))).collect::<String>().into()
}

/// A line of JSON that holds the same, in printable characters.
pub fn json(line: &str) -> Cow<'_, str> {
    if is_ascii_text(line) || line.chars().all(is_printable) {
        return line.into();
    }
    let mut shown = String::with_capacity(line.len() + 32);
    for c in line.chars() {
        if is_printable(c) {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown.into()
}

/// At most `limit` bytes of what is fit to be shown already.
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return text.into();
    }
    let end = text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end]).into()
}

/// Whether all of it is printable ASCII, as most texts are. Looks at many bytes at a time.
pub fn is_ascii_text(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

/// `c`, or its escape.
fn escaped(c: char, escapes: bool) -> impl Iterator<Item = char> {
    let (escape, whole) = if escapes { (Some(c.escape_default()), None) } else { (None, Some(c)) };
    escape.into_iter().flatten().chain(whole)
}

/// Whether a terminal shows it, as one character that leaves those around it alone. Rust's debug form escapes what Unicode has as
/// control, format, separator, private and unassigned characters, and what joins the character before; some that are
/// letters and shown as nothing come here.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    let is_blank = matches!(c, '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}');
    !is_blank && c.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Control characters, C1, overrides of direction, separators, what is shown as nothing, tags, private ones.
    const UNFIT: &str = "\0\t\n\r\u{1b}\u{7f}\u{80}\u{85}\u{9b}\u{a0}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\u{200e}\u{2028}\u{2029}\
        \u{202e}\u{2066}\u{2069}\u{2800}\u{3000}\u{3164}\u{fe0f}\u{feff}\u{fff9}\u{e000}\u{e0041}\u{e0100}\u{10ffff}";

    #[test]
    fn t40_what_is_not_printable_is_never_shown_raw() {
        for c in UNFIT.chars() {
            let text = format!("a{c}b");
            for shown in
                [Foreign(&text).to_string(), Quoted(&text).to_string(), plain(&text, 99).into_owned()]
            {
                assert!(is_ascii_text(&shown), "{shown:?}");
            }
            assert!(is_ascii_text(&one_line(&text, 99)), "{text:?}");
            assert!(c == '\n' || is_ascii_text(&lines(&text)), "{text:?}");
        }
    }

    #[test]
    fn t40_a_name_is_bare_where_it_is_a_word_and_quoted_where_it_could_be_more() {
        for (name, shown) in [
            ("1.4", "1.4"),
            ("targets/releases", "targets/releases"),
            ("", r#""""#),
            ("1.4   sha256:dead", r#""1.4   sha256:dead""#),
            ("a,b", r#""a,b""#),
            (r"a\n", r#""a\\n""#),
            ("a\n", r#""a\n""#),
            ("say \"yes\"", r#""say \"yes\"""#),
            ("it's", r#""it's""#),
            ("m\u{fc}ll", r#""m\u{fc}ll""#),
        ] {
            assert_eq!(Foreign(name).to_string(), shown);
        }
        assert!(Foreign(&"x".repeat(10_000)).to_string().len() <= NAME + 2);
    }

    #[test]
    fn messages_keep_their_letters_and_are_cut_between_characters() {
        assert_eq!(one_line("a\nb\u{1b}[31m\u{0}", 99), "a\\nb\\u{1b}[31m\\u{0}");
        assert_eq!(one_line("müll", 5), "müll");
        assert_eq!(one_line("müüüll", 6), "mü…");
        assert_eq!(one_line("a \"b\\n\" 日本", 99), "a \"b\\n\" 日本");
        assert_eq!(lines("a\n\u{9b}b"), "a\n\\u{9b}b");
        assert_eq!(plain("a\\n\nü", 99), "a\\\\n\\nü");
    }

    proptest! {
        #![proptest_config(crate::random::cases(512))]

        #[test]
        fn t40_two_names_are_never_shown_alike(one in "[a-z\"\\\\'\\n\u{202e}u{} ]{0,6}", other in "[a-z\"\\\\'\\n\u{202e}u{} ]{0,6}") {
            let is_same = one == other;
            prop_assert_eq!(Foreign(&one).to_string() == Foreign(&other).to_string(), is_same);
            prop_assert_eq!(Quoted(&one).to_string() == Quoted(&other).to_string(), is_same);
            prop_assert_eq!(plain(&one, 99) == plain(&other, 99), is_same);
        }

        #[test]
        fn t40_a_line_of_json_holds_the_same_in_printable_characters(text in any::<String>()) {
            let line = serde_json::to_string(&text).unwrap();
            let shown = json(&line);
            prop_assert!(shown.chars().all(is_printable), "{:?}", shown);
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
