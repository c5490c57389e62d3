use super::*;
use crate::gitops::tree::SyntaxError;

const D: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const E: &str = "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

/// Gives the value of `key`, anywhere in the text, the digest; `DIGEST` and `OLD` stand for digests.
fn sealed(part: Part, key: &str, text: &str) -> Result<String, Vec<EditError>> {
    let text = text.replace("DIGEST", D).replace("OLD", E);
    let as_edit = |errors: Vec<SyntaxError>| {
        errors
            .into_iter()
            .map(|SyntaxError { place, message }| EditError { place, message })
            .collect::<Vec<_>>()
    };
    let tree = Tree::parse(&text).map_err(as_edit)?;
    let scalar = tree
        .nodes()
        .find_map(|(_, node)| match &node.value {
            Value::Mapping(entries) => {
                entries.iter().find(|(name, _)| tree.text(*name) == Some(key)).map(|(_, value)| *value)
            }
            _ => None,
        })
        .unwrap_or_else(|| panic!("no {key} in {text:?}"));
    let scalar = tree.target(scalar);
    let said = tree.text(scalar).unwrap_or_default().to_owned();
    let image = match part {
        Part::Reference => said.clone(),
        Part::Tag => format!("web:{said}"),
        Part::Digest => "web:1".to_owned(),
    };
    let name = image.split('@').next().unwrap_or_default();
    let latest =
        if image.contains('@') || image.rsplit('/').next().unwrap().contains(':') { "" } else { ":latest" };
    let value = sealed_scalar(part, &said, &image, &format!("{name}{latest}@{D}")).unwrap();
    apply(&text, &tree, &BTreeMap::from([(scalar, value)]))
}

/// Compares each text of a table with what becomes of it, and tells of all at once.
#[track_caller]
fn become_so(part: Part, key: &str, table: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (text, wanted) in table {
        let wanted = wanted.replace("DIGEST", D).replace("OLD", E);
        match sealed(part, key, text) {
            Ok(changed) if changed == wanted => {}
            other => wrong += &format!("{text:?} became {other:?}\n"),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_digest_is_inserted_where_the_reference_ends() {
    become_so(
        Part::Reference,
        "image",
        &[
            ("image: web:1\n", "image: web:1@DIGEST\n"),
            ("image: web\n", "image: web:latest@DIGEST\n"),
            ("image: host:5000/web\n", "image: host:5000/web:latest@DIGEST\n"),
            ("image: web:1", "image: web:1@DIGEST"),
            ("image: web:1   # why\n", "image: web:1@DIGEST   # why\n"),
            ("\u{feff}a: ü\r\nimage: web:1\r\nb: x\r\n", "\u{feff}a: ü\r\nimage: web:1@DIGEST\r\nb: x\r\n"),
            ("a: ü\rimage: web:1\rb: x", "a: ü\rimage: web:1@DIGEST\rb: x"),
            ("image:\n    web:1\nb: x\n", "image:\n    web:1@DIGEST\nb: x\n"),
            ("image: # why\n  # so\n  web:1\n\n\n# end", "image: # why\n  # so\n  web:1@DIGEST\n\n\n# end"),
            ("image: 'web:1' # c\n", "image: 'web:1@DIGEST' # c\n"),
            ("'image': \"web:1\"\n", "'image': \"web:1@DIGEST\"\n"),
            ("image: \"w\\x65b\\x3a1\"\n", "image: \"w\\x65b\\x3a1@DIGEST\"\n"),
            ("image: \"host\\/web\\u003A\\U00000031\"\n", "image: \"host\\/web\\u003A\\U00000031@DIGEST\"\n"),
            ("image: \"host/\\\n    web:1\\\n  \"\n", "image: \"host/\\\n    web:1@DIGEST\\\n  \"\n"),
            ("image: \"host/\\\r\n \tweb:1\"\r\n", "image: \"host/\\\r\n \tweb:1@DIGEST\"\r\n"),
            ("image: |-\n  web:1\nb: x\n", "image: |-\n  web:1@DIGEST\nb: x\n"),
            ("image: >-\n  web:1\n\n\nb: x\n", "image: >-\n  web:1@DIGEST\n\n\nb: x\n"),
            ("image: >-  # why\n  web:1\n# c\nb: x\n", "image: >-  # why\n  web:1@DIGEST\n# c\nb: x\n"),
            ("a:\n  image: |4-\n      web:1\n", "a:\n  image: |4-\n      web:1@DIGEST\n"),
            ("a:\n  image: |-2\r\n    web:1\r\n", "a:\n  image: |-2\r\n    web:1@DIGEST\r\n"),
            ("image: >-\n  web:1", "image: >-\n  web:1@DIGEST"),
            ("? image\n: web:1\n", "? image\n: web:1@DIGEST\n"),
            ("? |-\n  image\n: 'web:1'\n", "? |-\n  image\n: 'web:1@DIGEST'\n"),
            ("image: !!str web:1\n", "image: !!str web:1@DIGEST\n"),
            ("image: &i !!str 'web:1'\nb: *i\n", "image: &i !!str 'web:1@DIGEST'\nb: *i\n"),
            (
                "image: !<tag:yaml.org,2002:str> &i web:1\n",
                "image: !<tag:yaml.org,2002:str> &i web:1@DIGEST\n",
            ),
            ("{image: web, x: y}\n", "{image: web:latest@DIGEST, x: y}\n"),
            ("{image: web:1}", "{image: web:1@DIGEST}"),
            ("{image: web:1 , x: y}\n", "{image: web:1@DIGEST , x: y}\n"),
            ("{image: web:1\n}\n", "{image: web:1@DIGEST\n}\n"),
            ("[{image: 'web', x: [a]}]\n", "[{image: 'web:latest@DIGEST', x: [a]}]\n"),
            ("{\"image\":\"web:1\",\"x\":1}", "{\"image\":\"web:1@DIGEST\",\"x\":1}"),
            ("{\"image\": \"host\\/web\\u003a1\"}", "{\"image\": \"host\\/web\\u003a1@DIGEST\"}"),
            ("{\n\t\"image\":\t\"web:1\"\n}", "{\n\t\"image\":\t\"web:1@DIGEST\"\n}"),
            ("- - image: web:1\n  - x\n", "- - image: web:1@DIGEST\n  - x\n"),
            ("--- {image: web:1}\n...\n--- # two\n", "--- {image: web:1@DIGEST}\n...\n--- # two\n"),
            ("%YAML 1.2\n---\nimage: web:1\n...\n", "%YAML 1.2\n---\nimage: web:1@DIGEST\n...\n"),
        ],
    );
}

#[test]
fn the_digest_that_stands_there_is_replaced() {
    become_so(
        Part::Reference,
        "image",
        &[
            ("image: web:1@OLD # c\n", "image: web:1@DIGEST # c\n"),
            ("image: web@OLD\n", "image: web@DIGEST\n"),
            ("image: 'web:1@OLD'\n", "image: 'web:1@DIGEST'\n"),
            ("image: \"web:1\\u0040OLD\"\n", "image: \"web:1\\u0040DIGEST\"\n"),
            ("image: \"web:1\\\n  @\\\n  OLD\"\n", "image: \"web:1\\\n  @DIGEST\"\n"),
            ("image: >-\n  web:1@OLD\n\nb: x\n", "image: >-\n  web:1@DIGEST\n\nb: x\n"),
            ("{image: web:1@OLD, b: x}\n", "{image: web:1@DIGEST, b: x}\n"),
            ("image: web:1@DIGEST\n", "image: web:1@DIGEST\n"),
        ],
    );
    become_so(Part::Tag, "newTag", &[("newTag: \"1.4@OLD\"\n", "newTag: \"1.4@DIGEST\"\n")]);
    become_so(Part::Tag, "newTag", &[("newTag: \"1.4\"\n", "newTag: \"1.4@DIGEST\"\n")]);
    become_so(Part::Tag, "tag", &[("image: {tag: v1.4}\n", "image: {tag: v1.4@DIGEST}\n")]);
    become_so(Part::Digest, "digest", &[("digest: OLD\n", "digest: DIGEST\n")]);
    become_so(Part::Digest, "digest", &[("digest: 'OLD' # c\n", "digest: 'DIGEST' # c\n")]);
}

#[test]
fn an_empty_digest_is_filled() {
    become_so(
        Part::Digest,
        "digest",
        &[
            ("digest: \"\"\n", "digest: \"DIGEST\"\n"),
            ("digest: ''\n", "digest: 'DIGEST'\n"),
            ("digest: ~\n", "digest: DIGEST\n"),
            ("digest: null # c\n", "digest: DIGEST # c\n"),
            ("digest:\n", "digest: DIGEST\n"),
            ("digest:", "digest: DIGEST"),
            ("digest:\r\ntag: x\r\n", "digest: DIGEST\r\ntag: x\r\n"),
            ("digest:   \ntag: x\n", "digest: DIGEST   \ntag: x\n"),
            ("digest: # c\ntag: x\n", "digest: DIGEST # c\ntag: x\n"),
            ("a:\n  digest:\n  # c\n  tag: x\nb: x\n", "a:\n  digest: DIGEST\n  # c\n  tag: x\nb: x\n"),
            ("- digest:\n- x\n", "- digest: DIGEST\n- x\n"),
            ("digest: &d\ntag: *d\n", "digest: &d DIGEST\ntag: *d\n"),
            ("digest: !!str\ntag: x\n", "digest: !!str DIGEST\ntag: x\n"),
            ("digest: !!str &d\ntag: x\n", "digest: !!str &d DIGEST\ntag: x\n"),
            ("{digest: , tag: x}\n", "{digest: DIGEST , tag: x}\n"),
            ("{digest: }\n", "{digest: DIGEST }\n"),
            ("{tag: x, digest:}\n", "{tag: x, digest: DIGEST }\n"),
            ("{\"digest\":null}", "{\"digest\":\"DIGEST\"}"),
            ("{\"digest\":\"\"}", "{\"digest\":\"DIGEST\"}"),
            ("digest :\ntag: x\n", "digest : DIGEST\ntag: x\n"),
            ("? digest\n:\ntag: x\n", "? digest\n: DIGEST\ntag: x\n"),
        ],
    );
}

#[test]
fn a_key_without_a_value_and_an_empty_block_are_filled() {
    become_so(
        Part::Digest,
        "digest",
        &[
            ("{tag: x, digest}\n", "{tag: x, digest: DIGEST}\n"),
            ("{digest, tag: x}\n", "{digest: DIGEST, tag: x}\n"),
            ("{ digest }", "{ digest: DIGEST }"),
            ("{\n  \"digest\"\n}\n", "{\n  \"digest\": \"DIGEST\"\n}\n"),
            ("{? digest}\n", "{? digest: DIGEST}\n"),
            ("tag: x\n? digest\n", "tag: x\n? digest\n: DIGEST\n"),
            ("? digest", "? digest\n: DIGEST"),
            ("? digest # c\r\ntag: x\r\n", "? digest # c\r\n: DIGEST\r\ntag: x\r\n"),
            ("a:\n  - ? digest\n    ? tag\n", "a:\n  - ? digest\n    : DIGEST\n    ? tag\n"),
            ("tag: x\ndigest: |-\nb: x\n", "tag: x\ndigest: |-\n  DIGEST\nb: x\n"),
            ("digest: |-", "digest: |-\n  DIGEST"),
            ("digest: >-\n\n# c\nb: x\n", "digest: >-\n  DIGEST\n\n# c\nb: x\n"),
            (
                "a:\r\n  - digest: |- # c\r\n  - x\r\n",
                "a:\r\n  - digest: |- # c\r\n      DIGEST\r\n  - x\r\n",
            ),
            ("digest: !!str &d |1-\ntag: *d\n", "digest: !!str &d |1-\n DIGEST\ntag: *d\n"),
            ("\u{feff}digest: |-\ntag: x\n", "\u{feff}digest: |-\n  DIGEST\ntag: x\n"),
        ],
    );
}

#[test]
fn what_cannot_be_edited_is_an_error_with_its_place() {
    for (part, key, text, place) in [
        // The block would end with a line break.
        (Part::Digest, "digest", "tag: x\ndigest: |\nb: x\n", "2:1"),
        (Part::Digest, "digest", "tag: x\ndigest: |+\nb: x\n", "2:1"),
        (Part::Digest, "digest", "tag: x\n? digest\n: |-\n", "2:3"),
        (Part::Digest, "digest", "{digest # c\n}\n", "1:2"),
        (Part::Digest, "digest", "digest: !!null\n", "1:9"),
    ] {
        let errors = sealed(part, key, text).expect_err(text);
        assert_eq!(
            errors[0].place.line,
            place.split(':').next().unwrap().parse::<usize>().unwrap(),
            "{text}: {errors:?}"
        );
    }
}

#[test]
fn nothing_else_may_be_read_otherwise() {
    let tree = Tree::parse("image: web\nb: x\n").unwrap();
    let image = tree.field(tree.documents()[0].root, "image").unwrap();
    let values = BTreeMap::from([(image, format!("web:latest@{D}"))]);
    let good = format!("image: web:latest@{D}\nb: x\n");
    assert_eq!(verify::edits(&tree, &good, &values), Ok(()));
    for wrong in [
        good.replace("b: x", "b: y"),
        good.replace("b: x", "c: x"),
        good.replace("b: x", "b: x\nc: x"),
        good.replace("b: x", "b: !!str x"),
        good.replace("b: x", "b: 'x'"),
        good.replace("latest", "latest2"),
        good.replace("b: x", "---\nb: x"),
        good.replace("b: x", "b: ["),
        format!("image: \"web:latest@{D}\"\nb: x\n"),
    ] {
        assert!(verify::edits(&tree, &wrong, &values).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_diff_is_what_patch_takes() {
    let before = "a\nb\r\nimage: web:1\nd";
    let after = "a\nb\r\nimage: web:1@x\nd";
    let wanted = "--- a/k8s/web.yaml\n+++ b/k8s/web.yaml\n@@ -1,4 +1,4 @@\n a\n b\r\n-image: web:1\n+image: web:1@x\n d\n\\ No newline at end of file\n";
    assert_eq!(unified("./k8s/web.yaml", before, after), wanted);
    assert_eq!(unified("x", before, before), "");
    assert!(unified("a\nb", "x\n", "y\n").starts_with("--- \"a/a\\nb\"\n"));
}
