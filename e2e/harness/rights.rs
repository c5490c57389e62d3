//! What tagseal was granted in a run of the suite, against what it asked for: from what the run left in its folder.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::account::{GRANTS, SYSTEM_NAMESPACE, TAGSEAL, TAGSEAL_USER};
use super::control_plane::{AUDIT_LOG, STARTS};
use super::run::{self, EndedRun};

/// One verb on one resource, as a rule of a role grants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    role: String,
    /// `None`: in all of them.
    namespace: Option<String>,
    group: String,
    /// With its subresource.
    resource: String,
    verb: String,
    /// Empty: all of them.
    names: Vec<String>,
}

/// What was asked for once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    namespace: String,
    group: String,
    resource: String,
    verb: String,
    name: String,
    code: u64,
    at: Timestamp,
}

/// From when to when an API server started, knowing no roles yet.
type Start = (Timestamp, Timestamp);

/// What a run shows.
#[derive(Debug, Default)]
pub struct Findings {
    /// Requests that the API server answered with 403.
    pub refused: Vec<Request>,
    /// Lines of tagseal's and the API server's own logs that speak of it.
    pub told: Vec<String>,
    /// Rights that nothing used.
    pub unused: Vec<Right>,
    /// How many requests there were.
    pub requests: usize,
}

/// The findings of the suite's last run, which must have been of the whole suite.
pub fn findings_of_last_run() -> Findings {
    let EndedRun { dir, arguments } = run::last_ended();
    assert!(
        arguments.is_empty(),
        "the last run was of {arguments:?}, not of the whole suite: {}",
        dir.display()
    );
    let planes: Vec<_> = folders(&dir).filter(|plane| plane.join(GRANTS).is_file()).collect();
    assert!(!planes.is_empty(), "tagseal had an account in no control plane of {}", dir.display());
    let mut requests = Vec::new();
    let mut rights = BTreeSet::new();
    let mut starts = Vec::new();
    for plane in &planes {
        starts.extend(starts_in(plane));
        let grants = fs::read_to_string(plane.join(GRANTS)).expect("the grants");
        rights.extend(granted(&serde_json::from_str(&grants).expect("JSON")));
        requests.extend(asked(&fs::read_to_string(plane.join(AUDIT_LOG)).expect("the audit log")));
    }
    Findings {
        refused: refused(&requests, &starts),
        told: folders(&dir).flat_map(|folder| told_in(&folder, &starts)).collect(),
        unused: unused(rights, &requests),
        requests: requests.len(),
    }
}

/// The requests that were forbidden by an API server that knew its roles.
pub fn refused(requests: &[Request], starts: &[Start]) -> Vec<Request> {
    let refused = requests.iter().filter(|request| request.code == 403 && !is_within(starts, request.at));
    refused.cloned().collect()
}

fn is_within(starts: &[Start], at: Timestamp) -> bool {
    starts.iter().any(|(from, until)| *from <= at && at <= *until)
}

fn starts_in(plane: &Path) -> Vec<Start> {
    let lines = fs::read_to_string(plane.join(STARTS)).unwrap_or_default();
    let windows = lines.lines().filter_map(|line| line.split_once(' '));
    windows.map(|(from, until)| (time(from), time(until))).collect()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The rights that no request needed.
pub fn unused(rights: impl IntoIterator<Item = Right>, requests: &[Request]) -> Vec<Right> {
    let is_unused = |right: &Right| !requests.iter().any(|request| right.is_used_by(request));
    rights.into_iter().filter(is_unused).collect()
}

/// What the roles that are bound to tagseal's account grant; `objects` is a list of roles and bindings of both kinds.
pub fn granted(objects: &Value) -> Vec<Right> {
    let objects = objects["items"].as_array().expect("a list");
    let bindings = objects.iter().filter(|object| {
        let subjects = object["subjects"].as_array().into_iter().flatten();
        let mut accounts = subjects.filter(|subject| subject["kind"] == "ServiceAccount");
        accounts.any(|account| account["name"] == TAGSEAL && account["namespace"] == SYSTEM_NAMESPACE)
    });
    bindings.flat_map(|binding| granted_by(binding, objects)).collect()
}

fn granted_by(binding: &Value, objects: &[Value]) -> Vec<Right> {
    let (kind, name) = (&binding["roleRef"]["kind"], &binding["roleRef"]["name"]);
    let namespace = binding["metadata"]["namespace"].as_str().map(str::to_owned);
    let role = objects.iter().find(|role| {
        let is_it = role["kind"] == *kind && role["metadata"]["name"] == *name;
        is_it && (kind == "ClusterRole" || role["metadata"]["namespace"].as_str() == namespace.as_deref())
    });
    let role = role.unwrap_or_else(|| panic!("{kind} {name} is bound, but not there"));
    let mut rights = Vec::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                rights.extend(words(&rule["verbs"]).into_iter().map(|verb| Right {
                    role: format!("{} {}", text(kind), text(name)),
                    namespace: namespace.clone(),
                    group: group.clone(),
                    resource: resource.clone(),
                    verb,
                    names: words(&rule["resourceNames"]),
                }));
            }
        }
    }
    rights
}

/// What tagseal asked for, from an audit log.
pub fn asked(audit_log: &str) -> Vec<Request> {
    // The last line may be half written.
    let events = audit_log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let own = events.filter(|event| event["user"]["username"] == TAGSEAL_USER);
    own.map(|event| {
        let object = &event["objectRef"];
        let resource = match object["subresource"].as_str() {
            Some(subresource) => format!("{}/{subresource}", text(&object["resource"])),
            // What is no resource is a path, which no rule of ours names.
            None if object.is_null() => text(&event["requestURI"]),
            None => text(&object["resource"]),
        };
        Request {
            namespace: text(&object["namespace"]),
            group: text(&object["apiGroup"]),
            resource,
            verb: text(&event["verb"]),
            name: text(&object["name"]),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
            at: time(event["requestReceivedTimestamp"].as_str().unwrap_or_default()),
        }
    })
    .collect()
}

impl Right {
    fn is_used_by(&self, request: &Request) -> bool {
        (&self.group, &self.resource, &self.verb) == (&request.group, &request.resource, &request.verb)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == request.namespace)
            && (self.names.is_empty() || self.names.contains(&request.name))
            && request.code != 403
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, group, resource, verb, names, .. } = self;
        write!(f, "{role}: {verb} {resource}")?;
        if !group.is_empty() {
            write!(f, ".{group}")?;
        }
        if !names.is_empty() {
            write!(f, " {names:?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests of tagseal's account", self.requests)?;
        for request in &self.refused {
            writeln!(f, "forbidden: {request:?}")?;
        }
        for line in &self.told {
            writeln!(f, "forbidden, says {line}")?;
        }
        for right in &self.unused {
            writeln!(f, "granted and never used: {right}")?;
        }
        Ok(())
    }
}

fn folders(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).expect("the run's folder").flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// The lines of a folder's logs by which tagseal, or the API server of tagseal, says that something was forbidden.
fn told_in(folder: &Path, starts: &[Start]) -> Vec<String> {
    let files = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let logs = files.filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let is_tagseal = name.starts_with("serve") && name.ends_with(".log");
        (is_tagseal || name == "kube-apiserver.log").then_some((path, is_tagseal))
    });
    let mut told = Vec::new();
    for (path, is_tagseal) in logs {
        let log = fs::read(&path).expect("a log");
        for line in String::from_utf8_lossy(&log).lines() {
            let says = line.to_ascii_lowercase().contains("forbidden");
            let is_excused = || {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                line["timestamp"].as_str().is_some_and(|at| is_within(starts, time(at)))
            };
            if says && (is_tagseal || line.contains(TAGSEAL_USER)) && !is_excused() {
                told.push(format!("{}: {line}", path.display()));
            }
        }
    }
    told
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
