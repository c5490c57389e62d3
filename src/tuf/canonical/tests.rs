//! Tests of the decoder and of the canonical form.

use proptest::prelude::*;

use super::parsed::{ITEM, Item, MEMBER};
use super::*;
use crate::limits::{FILE_LEVELS, FILE_VALUES, PARSED_BYTES};
use crate::tuf::stop::Stop;
use crate::tuf::work::Work;

fn canonical(json: &str) -> Result<String, CanonicalError> {
    parse(json.as_bytes())?.canonical().map(|bytes| String::from_utf8(bytes).unwrap())
}

fn refused(json: impl AsRef<[u8]>) -> (usize, String) {
    match parse(json.as_ref()) {
        Err(CanonicalError::Syntax { offset, what }) => (offset, what),
        other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(json.as_ref())),
    }
}

#[test]
fn keys_are_sorted_by_their_decoded_bytes_and_space_is_dropped() {
    let json =
        r#" { "sp!x" : 1 , "sp ace":2,"sp" :3, "\u0041":4,"\u00e9":5, "é́":6, "😀":7, "":8, "\uffff": 9 } "#;
    let expected =
        "{\"\":8,\"A\":4,\"sp\":3,\"sp ace\":2,\"sp!x\":1,\"é\":5,\"é́\":6,\"\u{ffff}\":9,\"😀\":7}";
    assert_eq!(canonical(json).unwrap(), expected);
}

#[test]
fn only_quotes_and_backslashes_are_escaped() {
    let json = r#"["\"\\\/\b\f\n\r\t\u0000\u003c\u003e\u0026\u2028\u2029<\u007f"]"#;
    let expected = "[\"\\\"\\\\/\u{8}\u{c}\n\r\t\0<>&\u{2028}\u{2029}<\u{7f}\"]";
    assert_eq!(canonical(json).unwrap(), expected);
}

#[test]
fn surrogates_decode_as_go_decodes_them() {
    for (json, expected) in [
        (r#""\ud83d\ude00""#, "\"😀\""),
        (r#""\uD83D\uDE00""#, "\"😀\""),
        (r#""\ud83d""#, "\"\u{fffd}\""),
        (r#""\ude00\ud83d""#, "\"\u{fffd}\u{fffd}\""),
        (r#""\ud83d\ud83d\ude00""#, "\"\u{fffd}😀\""),
        (r#""\ud83d\u0041""#, "\"\u{fffd}A\""),
        (r#""\ud83dx""#, "\"\u{fffd}x\""),
    ] {
        assert_eq!(canonical(json).unwrap(), expected, "{json}");
    }
}

#[test]
fn numbers_pass_through_a_float64() {
    for (json, expected) in [
        ("0", "0"),
        ("-0", "0"),
        ("4", "4"),
        ("4.0", "4"),
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("1500e-2", "15"),
        ("-12", "-12"),
        ("1e-400", "0"),
        ("9007199254740992", "9007199254740992"),
        ("9007199254740993", "9007199254740992"),
        ("9223372036854774784", "9223372036854774784"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1e18", "1000000000000000000"),
    ] {
        assert_eq!(canonical(json).unwrap(), expected, "{json}");
    }
    for json in ["1.5", "1e-1", "9223372036854775807", "1e19", "-1e19", "1e400", "-1e400"] {
        assert_eq!(canonical(json), Err(CanonicalError::Number(json.to_owned())));
    }
}

#[test]
fn only_an_integer_as_written_is_an_integer() {
    let integer = |json: &str| parse(json.as_bytes()).unwrap().as_integer();
    assert_eq!(integer("4"), Some(4));
    assert_eq!(integer("-4"), Some(-4));
    assert_eq!(integer("9007199254740993"), Some(9_007_199_254_740_992), "the signed value is read");
    for json in ["4.0", "4e0", "4E0", "9223372036854775807", "\"4\"", "null"] {
        assert_eq!(integer(json), None, "{json}");
    }
}

#[test]
fn accessors_answer_only_for_their_own_kind() {
    let value = parse(br#"{"s":"x","a":[true],"n":null}"#).unwrap();
    assert_eq!(value.get("s").and_then(Value::as_str), Some("x"));
    assert_eq!(value.get("a").and_then(Value::as_array), Some(&[Value::Bool(true)][..]));
    assert!(value.get("n").is_some_and(Value::is_null));
    assert_eq!(value.get("s").and_then(Value::as_bool), None);
    assert_eq!(value.as_str(), None);
    assert_eq!(value.get("missing"), None);
}

#[test]
fn t17_duplicate_keys_are_refused_wherever_they_are_and_however_written() {
    assert_eq!(refused(r#"{"a":1,"b":2,"a":1}"#), (13, "duplicate key \"a\"".to_owned()));
    assert_eq!(refused(r#"{"x":[{"a":1,"\u0061":2}]}"#), (13, "duplicate key \"a\"".to_owned()));
    assert_eq!(refused(r#"{"\ud800":1,"\udc00":2}"#), (12, "duplicate key \"\u{fffd}\"".to_owned()));
}

#[test]
fn t17_depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(FILE_LEVELS).as_bytes()).is_ok());
    assert_eq!(refused(nested(FILE_LEVELS + 1)), (FILE_LEVELS, "nested deeper than 64".to_owned()));
    assert_eq!(refused("{\"a\":".repeat(1_000_000)).1, "nested deeper than 64");
}

#[test]
fn t17_the_number_of_values_is_bounded() {
    let array = |items: usize| format!("[{}0]", "0,".repeat(items - 1));
    assert!(parse(array(FILE_VALUES - 1).as_bytes()).is_ok());
    assert_eq!(refused(array(FILE_VALUES)).1, "more than 1048576 values");
}

/// `piece` so often that it fills so many bytes, in an array.
fn array_of(piece: &str, bytes: usize) -> String {
    let piece = format!("{piece},");
    format!("[{}0]", piece.repeat(bytes / piece.len()))
}

#[test]
fn t36_nested_empty_values_take_no_more_than_ten_times_their_bytes() {
    let member = |key: usize| format!("\"{key}\":{{}}");
    let members = format!("{{{}}}", (0..200_000).map(member).collect::<Vec<_>>().join(","));
    let deep = format!("{}{}", "[".repeat(FILE_LEVELS - 1), "]".repeat(FILE_LEVELS - 1));
    let shapes = ["[]", "{}", "0", "\"\"", "[[],[]]", "{\"\":{}}", "{\"\":0}", "\"\\n\"", deep.as_str()]
        .map(|piece| array_of(piece, 1 << 20));
    for json in shapes.iter().chain([&members]) {
        let parsed = read(json.as_bytes(), &Work::unstopped()).unwrap();
        assert!(parsed.memory() <= 10 * json.len(), "{} for {} of {:.20}", parsed.memory(), json.len(), json);
    }
}

#[test]
fn t36_a_document_that_would_take_too_much_memory_is_refused_before_it_takes_it() {
    assert_eq!(size_of::<Item>(), ITEM);
    assert_eq!((ITEM, MEMBER), (16, 8));
    let json = format!("{{{}}}", (0..1_000_000).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(","));
    assert_eq!(parse(json.as_bytes()), Err(CanonicalError::Memory { max: PARSED_BYTES }));
    let error = "it takes more than 33554432 bytes of memory decoded";
    assert_eq!(parse(json.as_bytes()).unwrap_err().to_string(), error);
}

#[test]
fn what_is_reserved_is_what_a_document_takes() {
    for json in
        [r#"{"a":[1,{},[],"x\"]",{"b":{"c":null}}],"d":"{[,:"}"#, "0", "[]", "{}", r#"{"":[{"":[]}]}"#]
    {
        let parsed = read(json.as_bytes(), &Work::unstopped()).unwrap();
        assert_eq!(parsed.items.capacity(), parsed.items.len(), "{json}");
        assert_eq!(parsed.order.capacity(), parsed.order.len(), "{json}");
    }
}

#[test]
fn reading_and_writing_end_when_they_are_stopped() {
    let (json, stop) = (array_of("0", 1 << 20), Stop::default());
    let work = Work::under(&stop);
    let parsed = read(json.as_bytes(), &work).unwrap();
    let values = 1 + (1 << 19) + 1;
    assert_eq!(work.steps(), values);
    assert_eq!(parsed.root().canonical(&work).unwrap().len(), json.len());
    assert_eq!(work.steps(), 2 * values);
    stop.stop();
    assert_eq!(parsed.root().canonical(&work), Err(CanonicalError::Ended(Ended::Stopped)));
    let work = Work::under(&stop);
    assert_eq!(read(json.as_bytes(), &work).unwrap_err(), CanonicalError::Ended(Ended::Stopped));
    assert_eq!(work.steps(), 4096, "it looks after so many values");
}

#[test]
fn sorting_is_counted() {
    let object = |keys: &mut dyn Iterator<Item = usize>| {
        format!("{{{}}}", keys.map(|n| format!("\"{n:04}\":0")).collect::<Vec<_>>().join(","))
    };
    let steps = |json: String| {
        let work = Work::unstopped();
        read(json.as_bytes(), &work).unwrap();
        work.steps()
    };
    assert_eq!(steps(object(&mut (0..1024))), 2049);
    assert_eq!(steps(object(&mut (0..1024).rev())), 2049 + 1024 * 10);
}

#[test]
fn t17_invalid_utf8_is_refused() {
    assert_eq!(refused(b"{\"a\":\"\xff\"}"), (6, "invalid UTF-8".to_owned()));
    assert_eq!(refused(b"\"\xed\xa0\x80\""), (1, "invalid UTF-8".to_owned()), "a surrogate in UTF-8");
    assert_eq!(refused(b"\xef\xbb\xbf{}").1, "a value was expected", "a byte order mark");
}

#[test]
fn what_is_not_json_is_refused() {
    for (json, offset, what) in [
        ("", 0, "the document ends early"),
        ("{} {}", 3, "more after the document"),
        ("nuel", 0, "\"null\" was expected"),
        ("True", 0, "a value was expected"),
        ("01", 1, "more after the document"),
        ("-", 1, "a digit was expected"),
        ("1.", 2, "a digit was expected"),
        (".5", 0, "a value was expected"),
        ("+1", 0, "a value was expected"),
        ("1e", 2, "a digit was expected"),
        ("[1,]", 3, "a value was expected"),
        ("[1 2]", 3, "',' or ']' was expected"),
        ("{\"a\":1,}", 7, "a key was expected"),
        ("{a:1}", 1, "a key was expected"),
        ("{\"a\" 1}", 5, "':' was expected"),
        ("{\"a\":1 \"b\":2}", 7, "',' or '}' was expected"),
        ("{\"a\"", 4, "':' was expected"),
        ("\"a", 2, "the document ends early"),
        ("\"\n\"", 1, "a raw control character in a string"),
        ("\"\\x\"", 1, "an unknown escape"),
        ("\"\\u12\"", 1, "four hexadecimal digits were expected"),
        ("\"\\u+123\"", 1, "four hexadecimal digits were expected"),
        ("\"\\u00é\"", 1, "four hexadecimal digits were expected"),
        ("'a'", 0, "a value was expected"),
        ("NaN", 0, "a value was expected"),
        ("// x\n1", 0, "a value was expected"),
        ("\u{a0}1", 0, "a value was expected"),
    ] {
        assert_eq!(refused(json), (offset, what.to_owned()), "{json:?}");
    }
}

#[test]
fn an_error_does_not_repeat_a_long_text() {
    let key = "k".repeat(1 << 20);
    let (_, what) = refused(format!("{{\"{key}\":1,\"{key}\":2}}"));
    assert_eq!(what, format!("duplicate key \"{}…\"", "k".repeat(64)));
    let number = format!("0.{}", "1".repeat(1 << 20));
    assert_eq!(canonical(&number), Err(CanonicalError::Number(format!("0.{}…", "1".repeat(62)))));
}

/// Values whose canonical form is JSON: no control characters, and integers that a float64 holds.
fn value() -> impl Strategy<Value = Value> {
    let text = "[ -~é😀\u{2028}\u{e000}]{0,8}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-(1_i64 << 53)..=1 << 53).prop_map(|n| Value::Number(n.to_string())),
        text.prop_map(Value::String),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(text, inner, 0..6).prop_map(Value::Object),
        ]
    })
}

proptest! {
    #![proptest_config(crate::random::cases(256))]

    #[test]
    fn what_is_encoded_decodes_to_the_same_value(value in value()) {
        let bytes = value.canonical().unwrap();
        let decoded = parse(&bytes).unwrap();
        prop_assert_eq!(decoded.canonical().unwrap(), bytes.clone());
        // What is read, not to be edited, is written the same.
        let work = Work::unstopped();
        prop_assert_eq!(read(&bytes, &work).unwrap().root().canonical(&work).unwrap(), bytes);
        prop_assert_eq!(decoded, value);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes).map(|value| value.canonical());
        let work = Work::unstopped();
        let _ = read(&bytes, &work).map(|parsed| parsed.root().canonical(&work));
    }

    #[test]
    fn nothing_that_looks_like_json_makes_it_panic(text in "[\\[\\]{}\":,\\\\u0-9a-fdDeE.+-é ]{0,48}") {
        let value = parse(text.as_bytes()).map(|value| value.canonical());
        let work = Work::unstopped();
        let node = read(text.as_bytes(), &work).map(|parsed| parsed.root().canonical(&work));
        prop_assert_eq!(node, value);
    }
}
