use super::*;

fn parse(text: &str) -> Tree {
    Tree::parse(text).unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"))
}

#[track_caller]
fn refused(text: &str) -> Vec<String> {
    match Tree::parse(text) {
        Ok(tree) => panic!("{text:?} was taken: {tree:?}"),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn is_refused(text: &str, place: &str, what: &str) {
    let errors = refused(text);
    let is_it = |error: &String| error.starts_with(&format!("{place}: ")) && error.contains(what);
    assert!(errors.iter().any(is_it), "{text:?}: {errors:?}");
}

#[test]
fn every_scalar_knows_its_bytes() {
    let text = "\u{feff}a: ü\r\nb: 'x' # c\r\nc: &x !!str \"y\\x41\"\nd: *x\ne: >-\n  z\nf:\n";
    let tree = parse(text);
    let root = tree.documents()[0].root;
    let slice = |name: &str| &text[tree.node(tree.field(root, name).unwrap()).range.clone()];
    assert_eq!(["a", "b", "c", "d"].map(slice), ["ü", "'x'", "\"y\\x41\"", "*x"]);
    assert_eq!(tree.text(tree.field(root, "d").unwrap()), Some("yA"));
    assert_eq!(tree.text(tree.field(root, "e").unwrap()), Some("z"));
    assert!(tree.is_null(tree.field(root, "f").unwrap()));
    assert_eq!(tree.node(tree.field(root, "b").unwrap()).place.to_string(), "2:4");
}

#[test]
fn merge_keys_bring_what_a_mapping_does_not_have_itself() {
    let tree =
        parse("x: &x {image: a, name: n}\ny: &y {image: b, kind: k}\nz:\n  <<: [*x, *y]\n  name: own\n");
    let z = tree.field(tree.documents()[0].root, "z").unwrap();
    let fields = tree.fields(z);
    let mut named: Vec<_> = fields.iter().map(|(name, _, value)| (name, tree.text(value).unwrap())).collect();
    named.sort_unstable();
    assert_eq!(named, [("image", "a"), ("kind", "k"), ("name", "own")]);
}

#[test]
fn what_two_readers_may_read_differently_is_refused() {
    for (text, place, what) in [
        ("a: 1\na: 2\n", "2:1", "\"a\" stands twice, first at 1:1"),
        ("a: 1\n\"a\": 2\n", "2:1", "stands twice"),
        ("x: {a: 1, a: 2}\n", "1:11", "stands twice"),
        ("a: x # c\u{2028}b: y\n", "1:9", "U+2028"),
        ("a: x # c\u{85}b: y\n", "1:9", "U+0085"),
        ("a: \"\u{2029}\"\n", "1:5", "U+2029"),
        ("a: 1\n\u{feff}b: 2\n", "2:1", "U+FEFF"),
        ("a: \0\n", "1:4", "U+0000"),
        ("a:\n\tb: c\n", "2:2", "not YAML"),
        ("a: {{ x }}\n", "1:5", "template"),
        ("{{ x }}: 1\n", "1:1", "template"),
        ("{\"a\":1}\n{\"b\":2}\n", "2:1", "not YAML"),
        ("!!binary aW1hZ2U=: x\n", "1:10", "a key with a tag"),
        ("a: *nope\n", "1:4", "alias of nothing"),
        ("a: &a [*a]\n", "1:8", "stands in itself"),
        ("a: &a {i: 1}\nb:\n  i: 2\n  <<: *a\n", "4:3", "put << first"),
        ("a: &a {i: 1}\nb:\n  <<: 3\n", "3:3", "merges mappings"),
    ] {
        is_refused(text, place, what);
    }
}

#[test]
fn every_error_of_a_text_is_told() {
    assert_eq!(refused("a: 1\na: 2\nb: {c: 1, c: 2}\nd: *e\nf: *g\n").len(), 4);
}

#[test]
fn more_aliases_or_nesting_than_a_manifest_has_are_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        laughs += &format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "));
    }
    assert!(refused(&laughs)[0].contains("more aliases"), "{:?}", refused(&laughs));
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..1000 {
        deep += &format!("a{level}: &a{level} [[[*a{}]]]\n", level - 1);
    }
    assert!(refused(&deep)[0].contains("than a manifest has"), "{:?}", refused(&deep));
    assert!(!refused(&"[".repeat(5000)).is_empty());
    let wide: String = (0..5000).map(|n| format!("- image: &i{n} web:{n}\n")).collect();
    parse(&wide);
}

#[test]
fn many_keys_are_read_once() {
    let keys: String = (0..30_000).map(|n| format!("  k{n}: v\n")).collect();
    let text = format!("a: &a\n{keys}b:\n  c: d\n  <<: [{{k1: w}}]\ne:\n  <<: {{k0: w}}\n{keys}");
    let tree = parse(&text);
    let e = tree.field(tree.documents()[0].root, "e").unwrap();
    assert_eq!(tree.fields(e).iter().count(), 30_000);
}

#[test]
fn other_encodings_are_named() {
    let utf16: Vec<u8> = "a: b".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [&utf16[..], &[0xff, 0xfe, b'a', 0], b"a: \xff\n"] {
        let errors = Tree::parse_bytes(bytes).unwrap_err();
        assert!(errors[0].message.contains("not UTF-8"), "{errors:?}");
    }
}

#[test]
fn documents_begin_where_their_marks_stand() {
    let text = "# c\na: 1\n---\n# Source: x\nb: 2\n---\n...\n";
    let starts: Vec<_> = parse(text).documents().iter().map(|document| document.start).collect();
    assert_eq!(starts, [4, text.find("---").unwrap(), text.rfind("---").unwrap()]);
}
