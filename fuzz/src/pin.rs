//! `pin` in YAML: nothing but the bytes of images changes, and a second run changes nothing.

use std::collections::BTreeSet;

use tagseal::admission::judge::{Denial, Fault, ImageVerdict, Outcome, Passed};
use tagseal::digest::Digest;
use tagseal::gitops::judge::Question;
use tagseal::gitops::pin::{Change, Plan, plan, questions};
use tagseal::gitops::{FileRole, NodeId, Scan, ScanOptions, SourceFile, Tree, scan};
use tagseal::image::ImageReference;
use tagseal::policy::{Actions, Finding, Mutation, Reason};

/// The first byte says which file it is, the others are its text.
pub fn run(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let (name, role) = match kind % 4 {
        0 => ("kustomization.yaml", FileRole::Manifest),
        1 => ("values.yaml", FileRole::HelmValues),
        _ => ("f.yaml", FileRole::Manifest),
    };
    let Ok((text, tree)) = Tree::parse_bytes(text) else { return };
    let before = SourceFile { name: name.to_owned(), role, text, tree };
    let update = kind & 4 != 0;
    let (scan, planned) = planned(&before, update);
    for change in &planned.changes {
        check(&before, &scan, change, update);
    }
}

fn check(before: &SourceFile, scan: &Scan, change: &Change, update: bool) {
    let tree = Tree::parse(&change.after).unwrap();
    let after = SourceFile { text: change.after.clone(), tree, ..before.clone() };
    let scalars: BTreeSet<NodeId> = change.pins.iter().map(|pin| scan.sites[pin.site].slot.scalar).collect();
    assert!(!scalars.is_empty() && before.text != after.text);
    // Where nothing was written yet, a blank comes with the value.
    let is_filled = scalars.iter().any(|id| before.tree.is_null(*id) || before.tree.text(*id) == Some(""));
    let (kept, keeps) = (rest(before, &scalars), rest(&after, &scalars));
    match is_filled {
        true => assert_eq!(
            kept.split_whitespace().collect::<String>(),
            keeps.split_whitespace().collect::<String>()
        ),
        false => assert_eq!(kept, keeps),
    }
    let (again, second) = planned(&after, update);
    assert!(second.changes.is_empty(), "a second run changes something: {:?}", second.changes);
    assert_eq!(again.sites.len(), scan.sites.len());
    for pin in &change.pins {
        assert_eq!(again.sites[pin.site].image, pin.after);
    }
}

/// The text without these scalars.
fn rest(file: &SourceFile, scalars: &BTreeSet<NodeId>) -> String {
    let mut ranges: Vec<_> = scalars.iter().map(|id| file.tree.node(*id).range.clone()).collect();
    ranges.sort_by_key(|range| range.start);
    let (mut rest, mut at) = (String::new(), 0);
    for range in ranges {
        rest.push_str(&file.text[at..range.start]);
        at = range.end;
    }
    rest + &file.text[at..]
}

fn planned(file: &SourceFile, update: bool) -> (Scan, Plan) {
    let files = std::slice::from_ref(file);
    let scan = scan(files, &ScanOptions { namespace: "default".to_owned(), image_paths: Vec::new() });
    let verdicts: Vec<_> = questions(&scan, update).iter().map(judged).collect();
    let planned = plan(files, &scan, &verdicts, "");
    (scan, planned)
}

/// Every image with a tag is signed, for a digest that follows from its name.
fn judged(question: &Question) -> Option<ImageVerdict> {
    let outcome = match ImageReference::parse(&question.image) {
        Ok(image) => {
            let digest = Digest::of(image.to_string().as_bytes());
            let sealed = image.digest().is_none().then(|| image.with_digest(digest));
            let actions = Actions { deny: true, warn: false, audit: false };
            let mutation = Mutation::Workloads;
            Outcome::Passed(Passed { answers: Vec::new(), sealed, sealed_by: None, mutation, actions })
        }
        Err(error) => {
            let (reason, message) = (Reason::InvalidReference, error.to_string());
            let finding = Finding { policy: None, role: None, reason, message };
            Outcome::Denied(vec![Denial { finding, fault: Fault::Untrusted }])
        }
    };
    Some(ImageVerdict {
        image: question.image.clone(),
        outcome,
        policies: Vec::new(),
        remarks: Vec::new(),
        warnings: Vec::new(),
        exemptions: Vec::new(),
    })
}
