mod random;

use super::*;
use crate::admission::judge::{Passed, Remark};
use crate::digest::Digest;
use crate::gitops::scan::{ScanOptions, scan};
use crate::gitops::source::FileRole;
use crate::gitops::tree::Tree;
use crate::policy::{Actions, Finding, Mutation};

const OLD: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn source(name: &str, text: &str) -> SourceFile {
    let tree = Tree::parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"));
    SourceFile { name: name.to_owned(), role: FileRole::Manifest, text: text.to_owned(), tree }
}

/// The digest that an image, tag and all, is signed for.
fn digest(image: &str) -> String {
    Digest::of(image.as_bytes()).to_string()
}

fn verdict(image: &str, outcome: Outcome) -> ImageVerdict {
    ImageVerdict {
        image: image.to_owned(),
        outcome,
        policies: Vec::new(),
        remarks: Vec::new(),
        warnings: Vec::new(),
        exemptions: Vec::new(),
    }
}

fn passed(image: &str, sealed: Option<String>) -> ImageVerdict {
    let actions = Actions { deny: true, warn: false, audit: false };
    let mutation = Mutation::None;
    verdict(
        image,
        Outcome::Passed(Passed { answers: Vec::new(), sealed, sealed_by: None, mutation, actions }),
    )
}

/// What policies would say: names that begin with `other` match none, tags `bad` and `away` are denied and undecided; everything
/// else is signed, in the namespace `b` for another digest.
fn judged(question: &Question) -> Option<ImageVerdict> {
    let image = &*question.image;
    if question.namespace == "excluded" {
        return None;
    }
    if image.starts_with("other") {
        return Some(verdict(image, Outcome::Unmatched));
    }
    let (name, written) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let latest = if name.rsplit('/').next().unwrap().contains(':') { "" } else { ":latest" };
    let signed = match &*question.namespace {
        "b" => digest(&format!("b/{name}{latest}")),
        _ => digest(&format!("{name}{latest}")),
    };
    let denial = match name.rsplit(':').next().unwrap() {
        "bad" => Some(Denial::untrusted(None, Reason::NotSigned, "no role lists it")),
        "away" => Some(Denial::unavailable(None, Reason::TrustServerUnreachable, "no answer")),
        _ if written.is_some_and(|written| written != signed && !latest.is_empty()) => None,
        _ if written.is_some_and(|written| written != signed) => {
            Some(Denial::untrusted(None, Reason::DigestMismatch, "signed otherwise"))
        }
        _ => None,
    };
    Some(match denial {
        Some(denial) => verdict(image, Outcome::Denied(vec![denial])),
        None => passed(image, written.is_none().then(|| format!("{name}{latest}@{signed}"))),
    })
}

fn planned(files: &[SourceFile], update: bool) -> (Scan, Plan) {
    let scan = scan(files, &ScanOptions { namespace: "default".to_owned(), image_paths: Vec::new() });
    let verdicts: Vec<_> = questions(&scan, update).iter().map(judged).collect();
    let plan = plan(files, &scan, &verdicts, if update { "" } else { "tagseal pin --update moves it" });
    (scan, plan)
}

fn plan_of(text: &str, update: bool) -> Plan {
    planned(&[source("f.yaml", text)], update).1
}

fn pod(namespace: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: {namespace}}}\nspec:\n  containers:\n  - image: {image}\n"
    )
}

#[test]
fn a_pin_says_what_it_was_and_what_it_is() {
    let plan = plan_of(&pod("a", "web"), false);
    assert!(!plan.is_refused());
    let sealed = format!("web:latest@{}", digest("web:latest"));
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(plan.changes[0].after, pod("a", &sealed));
    let pin = &plan.changes[0].pins[0];
    assert_eq!(
        (&*pin.before, &*pin.after, &pin.from, &pin.to),
        ("web", &*sealed, &None, &digest("web:latest"))
    );
    assert_eq!(pin.place.to_string(), "6:12");
    assert_eq!(plan_of(&pod("a", &sealed.replace(":latest", "")), false), Plan::default());
}

#[test]
fn update_moves_pins_whose_tag_is_signed_otherwise() {
    let old = pod("a", &format!("web:1@{OLD}"));
    let refused = plan_of(&old, false);
    assert_eq!(refused.refusals[0].reason, Reason::DigestMismatch);
    assert!(refused.refusals[0].message.contains("tagseal pin --update"), "{refused:?}");
    assert!(refused.changes.is_empty());

    let plan = plan_of(&old, true);
    let new = pod("a", &format!("web:1@{}", digest("web:1")));
    assert_eq!(plan.changes[0].after, new);
    assert_eq!(plan.changes[0].pins[0].from.as_deref(), Some(OLD));
    for update in [false, true] {
        assert_eq!(plan_of(&new, update), Plan::default());
    }
    // A digest without a tag says itself which image it is.
    assert_eq!(plan_of(&pod("a", &format!("host:5000/web@{OLD}")), true), Plan::default());
}

#[test]
fn everything_that_is_refused_is_told_and_nothing_is_hidden() {
    let text = ["bad", "good", "away", "good"].map(|tag| pod("a", &format!("web:{tag}"))).join("---\n");
    let plan = plan_of(&text, false);
    let refused: Vec<_> =
        plan.refusals.iter().map(|refusal| (refusal.site, refusal.reason, refusal.fault)).collect();
    let (no, none) = (Fault::Untrusted, Fault::Unavailable);
    assert_eq!(refused, [(0, Reason::NotSigned, no), (2, Reason::TrustServerUnreachable, none)]);
    assert!(plan.is_refused());
    assert_eq!(plan.changes[0].pins.len(), 2);
}

#[test]
fn what_no_policy_seals_is_left_and_told() {
    let text =
        [pod("a", "other:1"), pod("excluded", "web:1"), pod("a", &format!("other@{OLD}"))].join("---\n");
    let plan = plan_of(&text, false);
    let left = [Left { site: 0, why: WhyLeft::Unmatched }, Left { site: 1, why: WhyLeft::Excluded }];
    assert_eq!(plan, Plan { left: left.to_vec(), ..Plan::default() });

    let files = [source("f", &pod("a", "web:1"))];
    let scan = scan(&files, &ScanOptions::default());
    let finding = Finding { policy: None, role: None, reason: Reason::NotSigned, message: "no".to_owned() };
    let mut observed = passed("web:1", None);
    let actions = Actions { deny: false, warn: true, audit: false };
    observed.remarks.push(Remark { actions, denial: Denial { finding, fault: Fault::Untrusted } });
    let plan = super::plan(&files, &scan, &[Some(observed)], "");
    assert_eq!(plan.warnings, [Warning { site: 0, message: "NotSigned: no".to_owned() }]);
    assert_eq!(plan.left, [Left { site: 0, why: WhyLeft::NotWritten }]);
    assert!(!plan.is_refused());
}

/// An object with two containers, of which the second takes an alias of the first's image, and one more object.
fn aliased(image: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - image: &i {image}\n  - image: *i\n{more}"
    )
}

#[test]
fn a_scalar_with_several_uses_is_edited_once_where_it_is_defined() {
    let plan = plan_of(&aliased("'web:1'", ""), false);
    assert_eq!(plan.changes[0].after, aliased(&format!("'web:1@{}'", digest("web:1")), ""));
    assert_eq!(plan.changes[0].pins.len(), 1);
    assert_eq!(plan.changes[0].pins[0].place.to_string(), "6:15");
}

#[test]
fn a_scalar_whose_uses_need_different_digests_is_refused_with_its_place() {
    let list = |namespace: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n\
             - {{kind: Pod, apiVersion: v1, metadata: {{name: a}}, spec: {{containers: [{{image: &i web:1}}]}}}}\n\
             - {{kind: Pod, apiVersion: v1, metadata: {{name: b, namespace: {namespace}}}, spec: {{containers: [{{image: *i}}]}}}}\n"
        )
    };
    let plan = plan_of(&list("b"), false);
    assert!(plan.changes.is_empty() && plan.problems.len() == 1, "{plan:?}");
    let told = plan.problems[0].to_string();
    assert!(told.starts_with("f.yaml:4:83: web:1 is used several times"), "{told}");
    assert!(
        told.contains("at f.yaml:5:") && told.contains(&digest("web:1")) && told.contains(&digest("b/web:1")),
        "{told}"
    );
    // One of the two needs none.
    let plan = plan_of(&list("excluded"), false);
    assert!(
        plan.changes.is_empty() && plan.problems[0].message.contains("and none at f.yaml:5:"),
        "{plan:?}"
    );
    assert_eq!(plan_of(&list("a"), false).changes.len(), 1);
}

#[test]
fn a_use_that_is_no_image_counts_where_the_scalar_would_change() {
    let more = "  schedulerName: *i\n";
    let plan = plan_of(&aliased("web:1", more), false);
    assert!(plan.changes.is_empty() && plan.problems.len() == 1, "{plan:?}");
    assert_eq!(plan.problems[0].place.unwrap().line, 8, "{plan:?}");
    let pinned = format!("web:1@{}", digest("web:1"));
    assert_eq!(plan_of(&aliased(&pinned, more), false), Plan::default());
    assert!(!plan_of(&aliased("other:1", more), false).is_refused());
}

#[test]
fn a_file_that_must_not_change_is_refused_where_it_would() {
    let sops = "sops: {mac: 'ENC[x]', version: 3.9.0}\n";
    let plan = plan_of(&(pod("a", "web:1") + sops), false);
    assert!(plan.changes.is_empty() && plan.problems.len() == 1, "{plan:?}");
    assert!(plan.problems[0].to_string().starts_with("f.yaml:7:1: "), "{plan:?}");
    assert!(!plan_of(&(pod("a", "other:1") + sops), false).is_refused());
    let partial = "sops: {mac: 'ENC[x]', mac_only_encrypted: true}\n";
    assert_eq!(plan_of(&(pod("a", "web:1") + partial), false).changes.len(), 1);
}

#[test]
fn kustomizations_take_digests_in_place() {
    let text = |tag: &str, digest: &str| {
        format!("images:\n- name: web\n  newTag: {tag}\n- name: db\n  newTag: v1\n  digest: {digest}\n")
    };
    let files = [source("kustomization.yaml", &text("v1", "\"\""))];
    let (_, plan) = planned(&files, false);
    let sealed = (format!("v1@{}", digest("web:v1")), format!("\"{}\"", digest("db:v1")));
    assert_eq!(plan.changes[0].after, text(&sealed.0, &sealed.1), "{plan:?}");
    let files = [source("kustomization.yaml", &text(&format!("v1@{OLD}"), OLD))];
    let (_, plan) = planned(&files, true);
    assert_eq!(plan.changes[0].after, text(&sealed.0, &digest("db:v1")), "{plan:?}");
}
