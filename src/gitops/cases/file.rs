//! The file of a test: YAML, a test in each document.

mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use self::reader::Reader;
use crate::gitops::place::{Place, Problem};
use crate::gitops::report::Word;
use crate::image::ImageReference;
use crate::policy::{
    Document, ImageSite, Labels, LoadedFile, Reason, UnmatchedImages, documents, load_within, server_url,
};

/// The verdicts that a case may expect. Without a cluster no namespace is excluded.
const VERDICTS: [Word; 6] =
    [Word::Sealed, Word::Admitted, Word::Denied, Word::Unavailable, Word::Unmatched, Word::Exempt];

/// The label that Kubernetes gives to every namespace: its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// One document: policies, and what is expected of them.
#[derive(Debug)]
pub struct Test {
    /// The file, as it was given.
    pub file: String,
    /// Where the document begins.
    pub place: Place,
    /// What is tested.
    pub policies: Vec<PolicySource>,
    /// When trust data and exemptions are judged; `None`: when it was recorded, or now.
    pub at: Option<Timestamp>,
    /// Where trust data comes from.
    pub trust: Trust,
    /// What becomes of images that no policy matches, where the test says it.
    pub unmatched: Option<UnmatchedImages>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// Where policies come from.
#[derive(Debug)]
pub enum PolicySource {
    /// A file, relative to the test's.
    File {
        /// As the test has it.
        path: String,
        /// Where it says so.
        place: Place,
    },
    /// An object in the test itself.
    Inline(LoadedFile),
}

/// Where trust data comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The trust servers that the policies name.
    Live,
    /// This server, in the place of every one that the policies name.
    Server(Url),
    /// A recorded folder, relative to the test's file.
    Recorded {
        /// As the test has it.
        folder: String,
        /// Where it says so.
        place: Place,
    },
}

/// An image, and what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Where it begins.
    pub place: Place,
    /// What people call it.
    pub name: Option<String>,
    /// The image, as a pod spec has it.
    pub image: String,
    /// The namespace of the pod.
    pub namespace: String,
    /// All labels of that namespace, its name included.
    pub labels: Arc<Labels>,
    /// Where in a pod the image stands.
    pub site: ImageSite,
    /// What is expected.
    pub expected: Expected,
}

/// What a case expects. What it does not say may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The verdict.
    pub verdict: Word,
    /// The reason of a denial, or of the lack of an answer.
    pub reason: Option<Reason>,
    /// The signed digest, `sha256:…`.
    pub digest: Option<String>,
    /// What a pod would name.
    pub sealed: Option<String>,
    /// The reasons of what Warn and Audit policies find, without repetitions and in order; empty: they find nothing.
    pub warnings: Option<Vec<Reason>>,
}

/// Reads a file. The tests of documents without a problem are there, whatever is wrong with others.
pub fn read(file: &str, text: &str) -> (Vec<Test>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut tests = Vec::new();
    match documents(text) {
        Ok(documents) => {
            if documents.is_empty() {
                let message = "holds no test: write policies and cases".to_owned();
                problems.push(Problem { file: file.to_owned(), place: None, message });
            }
            for document in documents {
                let mut reader = Reader::new(file, Arc::new(document));
                let test = read_test(&mut reader);
                match reader.into_problems() {
                    found if found.is_empty() => tests.extend(test),
                    found => problems.extend(found),
                }
            }
        }
        Err((place, message)) => {
            problems.push(Problem { file: file.to_owned(), place: Some(place.into()), message });
        }
    }
    (tests, problems)
}

fn read_test(reader: &mut Reader) -> Option<Test> {
    let document = reader.document();
    let known = ["policies", "at", "trust", "unmatchedImages", "cases"];
    let fields = reader.object("", &document.value, &known)?;
    let policies = reader.list("policies", fields.get("policies")).iter().enumerate();
    let policies = policies.filter_map(|(index, value)| policy(reader, &document, index, value)).collect();
    let at = fields.get("at").and_then(|value| time(reader, value));
    let trust = fields.get("trust").map_or(Some(Trust::Live), |value| trust(reader, value));
    let unmatched = reader.text("unmatchedImages", fields.get("unmatchedImages"));
    let words = UnmatchedImages::ALL.map(|(word, _)| word);
    let unmatched = unmatched.and_then(|word| reader.word("unmatchedImages", &word, &words));
    let unmatched = unmatched.map(|index| UnmatchedImages::ALL[index].1);
    let cases = reader.list("cases", fields.get("cases")).iter().enumerate();
    let cases = cases.filter_map(|(index, value)| case(reader, &format!("cases[{index}]"), value)).collect();
    let (file, place) = (reader.file().to_owned(), reader.place(""));
    Some(Test { file, place, policies, at, trust: trust?, unmatched, cases })
}

fn policy(
    reader: &mut Reader,
    document: &Arc<Document>,
    index: usize,
    value: &Value,
) -> Option<PolicySource> {
    let field = format!("policies[{index}]");
    match value {
        Value::Null => {
            reader.problem(&field, "is empty: write a file's name, or a policy");
            None
        }
        Value::Object(_) => match load_within(reader.file(), document, value, &field) {
            Ok(loaded) => Some(PolicySource::Inline(loaded)),
            Err(error) => {
                reader.add(error.into());
                None
            }
        },
        _ => {
            let path = reader.text(&field, Some(value))?;
            Some(PolicySource::File { path, place: reader.place(&field) })
        }
    }
}

fn time(reader: &mut Reader, value: &Value) -> Option<Timestamp> {
    let text = reader.text("at", Some(value))?;
    let time = text.parse().ok();
    if time.is_none() {
        reader.problem("at", &format!("{text:?} is no time: write one like 2026-11-30T12:00:00Z"));
    }
    time
}

fn trust(reader: &mut Reader, value: &Value) -> Option<Trust> {
    let text = match value {
        Value::Null => return Some(Trust::Live),
        value => reader.text("trust", Some(value))?,
    };
    match &*text {
        "live" => Some(Trust::Live),
        url if url.contains("://") => match server_url(url) {
            Ok(url) => Some(Trust::Server(url)),
            Err(error) => {
                reader.problem("trust", &error.to_string());
                None
            }
        },
        folder => Some(Trust::Recorded { folder: folder.to_owned(), place: reader.place("trust") }),
    }
}

fn case(reader: &mut Reader, at: &str, value: &Value) -> Option<Case> {
    let known = [
        "name",
        "image",
        "namespace",
        "namespaceLabels",
        "site",
        "expect",
        "reason",
        "digest",
        "sealed",
        "warnings",
    ];
    let fields = reader.object(at, value, &known)?;
    let within = |field: &str| format!("{at}.{field}");
    let text = |reader: &mut Reader, field: &str| reader.text(&within(field), fields.get(field));
    let image = text(reader, "image");
    if fields.get("image").is_none_or(Value::is_null) {
        reader.problem(at, &format!("{at}.image is missing"));
    }
    let namespace = text(reader, "namespace").unwrap_or_else(|| "default".to_owned());
    let labels = labels(reader, &within("namespaceLabels"), &namespace, fields.get("namespaceLabels"));
    let site = match text(reader, "site") {
        None => Some(ImageSite::Containers),
        Some(word) => {
            let words = ImageSite::ALL.map(ImageSite::as_str);
            reader.word(&within("site"), &word, &words).map(|index| ImageSite::ALL[index])
        }
    };
    let name = text(reader, "name");
    let expected = expected(reader, at, fields);
    Some(Case {
        place: reader.place(at),
        name,
        image: image?,
        namespace,
        labels: Arc::new(labels),
        site: site?,
        expected: expected?,
    })
}

/// The labels, and the one that Kubernetes adds.
fn labels(reader: &mut Reader, field: &str, namespace: &str, value: Option<&Value>) -> Labels {
    let mut labels = BTreeMap::new();
    match value {
        None | Some(Value::Null) => {}
        Some(Value::Object(fields)) => {
            for (key, value) in fields {
                let field = format!("{field}.{key}");
                match value {
                    Value::String(text) => drop(labels.insert(key.clone(), text.clone())),
                    _ => reader.problem(&field, "a label's value must be a string: put it in quotes"),
                }
            }
        }
        Some(_) => reader.problem(field, "must be a mapping of labels"),
    }
    if labels.get(NAME_LABEL).is_some_and(|name| name != namespace) {
        let field = format!("{field}.{NAME_LABEL}");
        reader
            .problem(&field, &format!("is the namespace's name in every cluster, and that is {namespace:?}"));
    }
    labels.insert(NAME_LABEL.to_owned(), namespace.to_owned());
    labels
}

fn expected(reader: &mut Reader, at: &str, fields: &serde_json::Map<String, Value>) -> Option<Expected> {
    let within = |field: &str| format!("{at}.{field}");
    let words = VERDICTS.map(Word::as_str);
    let verdict = reader.text(&within("expect"), fields.get("expect"));
    if verdict.is_none() && fields.get("expect").is_none_or(Value::is_null) {
        reader.problem(at, &format!("{at}.expect is missing: write one of {}", words.join(", ")));
    }
    let verdict = verdict.and_then(|word| reader.word(&within("expect"), &word, &words));
    let verdict = verdict.map(|index| VERDICTS[index]);
    let reason = reader.text(&within("reason"), fields.get("reason"));
    let reason = reason.and_then(|word| reason_of(reader, &within("reason"), &word));
    if let (Some(verdict), Some(_)) = (verdict, reason)
        && !matches!(verdict, Word::Denied | Word::Unavailable)
    {
        reader
            .problem(&within("reason"), &format!("only Denied and Unavailable have a reason, not {verdict}"));
    }
    let digest = reader.text(&within("digest"), fields.get("digest"));
    if digest.as_ref().is_some_and(|digest| !is_digest(digest)) {
        reader.problem(&within("digest"), "must be sha256: and 64 lower-case hexadecimal digits");
    }
    let sealed = reader.text(&within("sealed"), fields.get("sealed"));
    let warnings = match fields.get("warnings") {
        None | Some(Value::Null) => None,
        Some(value) => warnings(reader, &within("warnings"), value),
    };
    Some(Expected { verdict: verdict?, reason, digest, sealed, warnings })
}

fn warnings(reader: &mut Reader, at: &str, value: &Value) -> Option<Vec<Reason>> {
    let Some(list) = value.as_array() else {
        reader.problem(at, "must be a list of reasons");
        return None;
    };
    let mut reasons = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let field = format!("{at}[{index}]");
        if value.is_null() {
            reader.problem(&field, "is empty: write a reason");
        }
        let word = reader.text(&field, Some(value));
        reasons.extend(word.and_then(|word| reason_of(reader, &field, &word)));
    }
    reasons.sort_unstable();
    reasons.dedup();
    Some(reasons)
}

fn reason_of(reader: &mut Reader, field: &str, word: &str) -> Option<Reason> {
    let words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    reader.word(field, word, &words).and_then(|index| Reason::ALL.get(index).copied())
}

fn is_digest(text: &str) -> bool {
    ImageReference::parse(&format!("image@{text}")).is_ok()
}
