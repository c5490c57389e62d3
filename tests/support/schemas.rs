//! What reports have to be: SARIF and code quality by their JSON schemas, JUnit by what its XML schema says of elements and
//! attributes. The end-to-end suite asks xmllint besides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jsonschema::Validator;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Value, json};

const SARIF: &str = include_str!("../data/schemas/sarif-schema-2.1.0.json");
const JUNIT: &str = include_str!("../data/schemas/junit-10.xsd");

/// The report, which is SARIF 2.1.0.
#[track_caller]
pub fn sarif(text: &str) -> Value {
    valid(text, &SARIF_VALIDATOR)
}

static SARIF_VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let mut schema: Value = serde_json::from_str(SARIF).expect("the schema");
    // As published, the pattern of languages has a bracket that closes nothing: no regular expression in Unicode mode.
    for definition in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][definition]["properties"]["language"];
        language.as_object_mut().expect("language").remove("pattern");
    }
    jsonschema::validator_for(&schema).expect("the schema")
});

/// The report, which has the fields that GitLab documents for code quality.
#[track_caller]
pub fn code_quality(text: &str) -> Value {
    let location = json!({
        "type": "object", "required": ["path", "lines"],
        "properties": {
            "path": {"type": "string", "pattern": "^[^/]", "not": {"pattern": "^\\./"}},
            "lines": {"type": "object", "required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}},
        },
    });
    let issue = json!({
        "type": "object", "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": location,
        },
    });
    let schema = json!({"type": "array", "items": issue});
    let report = valid(text, &jsonschema::validator_for(&schema).expect("the schema"));
    let prints: BTreeSet<_> =
        report.as_array().into_iter().flatten().map(|issue| issue["fingerprint"].to_string()).collect();
    assert_eq!(Some(prints.len()), report.as_array().map(Vec::len), "fingerprints are unique: {report:#}");
    report
}

#[track_caller]
fn valid(text: &str, validator: &Validator) -> Value {
    let report: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let errors: Vec<_> =
        validator.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}\n{report:#}", errors.join("\n"));
    report
}

/// An element of XML.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// An attribute; empty where it is not there.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// The children of a name.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// The report, which Jenkins' schema of JUnit's XML takes, whose counts add up, and whose cases are told apart.
#[track_caller]
pub fn junit(text: &str) -> Element {
    let report = xml(text);
    let rules = rules();
    assert_eq!(report.name, "testsuites");
    obeys(&report, &rules);
    let (mut cases, mut sums) = (BTreeSet::new(), [0; 3]);
    for suite in report.all("testsuite") {
        for case in suite.all("testcase") {
            let key = (case.attribute("classname").to_owned(), case.attribute("name").to_owned());
            assert!(cases.insert(key), "twice: {case:?}");
        }
        let having = |what: &str| suite.all("testcase").filter(|case| case.all(what).count() > 0).count();
        let counts = [suite.all("testcase").count(), having("failure"), having("error")];
        assert_eq!(said(suite), counts, "{suite:#?}");
        assert_eq!(suite.attribute("skipped"), having("skipped").to_string(), "{suite:#?}");
        sums = [0, 1, 2].map(|at| sums[at] + counts[at]);
    }
    assert_eq!(said(&report), sums, "{report:#?}");
    report
}

fn said(element: &Element) -> [usize; 3] {
    ["tests", "failures", "errors"].map(|name| element.attribute(name).parse().expect("a number"))
}

/// What the schema says of an element: its attributes and whether they are required, its children, and whether it has text.
#[derive(Default)]
struct Rule {
    attributes: BTreeMap<String, bool>,
    children: BTreeSet<String>,
    has_text: bool,
}

fn rules() -> BTreeMap<String, Rule> {
    let schema = xml(JUNIT);
    schema.all("xs:element").map(|element| (element.attribute("name").to_owned(), rule(element))).collect()
}

fn rule(element: &Element) -> Rule {
    let mut rule = Rule { has_text: element.attribute("type") == "xs:string", ..Rule::default() };
    let mut rest: Vec<_> = element.children.iter().collect();
    while let Some(part) = rest.pop() {
        match part.name.as_str() {
            "xs:attribute" => {
                let is_required = part.attribute("use") == "required";
                rule.attributes.insert(part.attribute("name").to_owned(), is_required);
            }
            "xs:element" => {
                rule.children.insert(part.attribute("ref").to_owned());
            }
            "xs:complexType" => rule.has_text |= part.attribute("mixed") == "true",
            "xs:sequence" | "xs:choice" => {}
            name => panic!("the schema has {name}, which this test does not know"),
        }
        rest.extend(&part.children);
    }
    rule
}

#[track_caller]
fn obeys(element: &Element, rules: &BTreeMap<String, Rule>) {
    let rule = rules.get(&element.name).unwrap_or_else(|| panic!("unknown: {element:?}"));
    for name in element.attributes.keys() {
        assert!(rule.attributes.contains_key(name), "attribute {name}: {element:?}");
    }
    for (name, _) in rule.attributes.iter().filter(|(_, is_required)| **is_required) {
        assert!(element.attributes.contains_key(name), "no attribute {name}: {element:?}");
    }
    assert!(rule.has_text || element.text.trim().is_empty(), "text: {element:?}");
    for child in &element.children {
        assert!(rule.children.contains(&child.name), "child {}: {element:?}", child.name);
        obeys(child, rules);
    }
}

/// Reads well-formed XML.
#[track_caller]
pub fn xml(text: &str) -> Element {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        let close = |open: &mut Vec<Element>| {
            let element = open.pop().expect("an element");
            open.last_mut().expect("its parent").children.push(element);
        };
        let event = reader.read_event().unwrap_or_else(|error| panic!("{error}: {text}"));
        let last = open.last_mut().expect("an element");
        match event {
            Event::Eof => break,
            Event::Start(tag) => open.push(element(&tag)),
            Event::Empty(tag) => last.children.push(element(&tag)),
            Event::End(_) => close(&mut open),
            Event::Text(part) => last.text.push_str(&part),
            Event::GeneralRef(name) => {
                let known = quick_xml::escape::resolve_predefined_entity(&name);
                let number = || name.resolve_char_ref().expect("a reference").map(String::from);
                last.text.push_str(&known.map(str::to_owned).or_else(number).expect("an entity"));
            }
            Event::Decl(_) | Event::Comment(_) => {}
            other => panic!("{other:?} in {text}"),
        }
    }
    assert_eq!(open.len(), 1, "{text}");
    let mut roots = open.remove(0).children;
    assert_eq!(roots.len(), 1, "{text}");
    let root = roots.remove(0);
    characters(&root);
    root
}

/// XML 1.0 has no other characters.
fn characters(element: &Element) {
    let is_valid = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let texts = element.attributes.values().chain([&element.text]);
    texts.for_each(|text| assert!(text.chars().all(is_valid), "{element:?}"));
    element.children.iter().for_each(characters);
}

fn element(tag: &BytesStart<'_>) -> Element {
    let attributes = tag.attributes().map(|attribute| {
        let attribute = attribute.expect("an attribute");
        let value = quick_xml::escape::unescape(&attribute.value).expect("a value").into_owned();
        (attribute.key.as_ref().to_owned(), value)
    });
    Element { name: tag.name().as_ref().to_owned(), attributes: attributes.collect(), ..Element::default() }
}
