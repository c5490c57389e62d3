//! What is aggregated, what is asked, and how rows stand; the verdicts are made up.

use serde_json::{Value, json};

use super::*;
use crate::gitops::report::{ImageReport, Warning, Word};
use crate::policy::{ImageSite, Reason};

const OLD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn pod(name: &str, owner: Option<(&str, &str)>, image: &str, runs: Option<&str>) -> Pod {
    let owners: Vec<_> = owner
        .into_iter()
        .map(|(kind, name)| {
            json!({"apiVersion": api_version(kind), "kind": kind, "name": name, "controller": true})
        })
        .collect();
    let id = runs.map(|hex| format!("r.test/web@sha256:{hex}")).unwrap_or_default();
    let pod = json!({
        "metadata": {"name": name, "namespace": "shop", "ownerReferences": owners},
        "spec": {"containers": [{"name": "web", "image": image}]},
        "status": {"containerStatuses": [{"name": "web", "imageID": id}]},
    });
    serde_json::from_value(pod).unwrap()
}

fn api_version(kind: &str) -> &'static str {
    match kind {
        "Job" | "CronJob" => "batch/v1",
        "Rollout" => "argoproj.io/v1alpha1",
        "Node" => "v1",
        _ => "apps/v1",
    }
}

fn template<const ROW: usize>(
    name: &str,
    owner: Option<(&str, &str)>,
    image: &str,
    status: Value,
) -> Template {
    let owners: Vec<_> = owner
        .into_iter()
        .map(|(kind, name)| {
            json!({"apiVersion": api_version(kind), "kind": kind, "name": name, "controller": true})
        })
        .collect();
    let template = json!({"spec": {"containers": [{"name": "web", "image": image}]}});
    let spec = match ROW {
        8 => json!({"jobTemplate": {"spec": {"template": template}}}),
        _ => json!({ "template": template }),
    };
    let object = json!({
        "metadata": {"name": name, "namespace": "shop", "ownerReferences": owners}, "spec": spec, "status": status,
    });
    serde_json::from_value::<Workload<ROW>>(object).unwrap().template()
}

/// Rows as `KIND/NAME image pods template`.
fn lines(collected: &Collected) -> Vec<String> {
    let line = |(place, found): (&Place, &Found)| {
        let Owner { kind, name, .. } = &place.owner;
        let template = found.template.as_deref().unwrap_or("-");
        format!("{kind}/{name} {} {} {template}", place.image, found.pods)
    };
    collected.0.iter().map(line).collect()
}

#[test]
fn pods_are_counted_at_their_topmost_controller_and_compared_with_its_template() {
    let pods = [
        pod("web-1-a", Some(("ReplicaSet", "web-1")), "web:1", None),
        pod("web-2-a", Some(("ReplicaSet", "web-2")), "web:2", None),
        pod("web-2-b", Some(("ReplicaSet", "web-2")), "web:2", None),
        pod("tick-1-a", Some(("Job", "tick-1")), "tick:1", None),
        pod("canary-1-a", Some(("ReplicaSet", "canary-1")), "canary:1", None),
        pod("lost-1-a", Some(("ReplicaSet", "lost-1")), "lost:1", None),
        pod("alone", None, "alone:1", None),
        pod("static-node", Some(("Node", "node")), "static:1", None),
    ];
    let none = Value::Null;
    let templates = vec![
        template::<3>("web", None, "web:2", none.clone()),
        template::<4>("web-1", Some(("Deployment", "web")), "web:1", none.clone()),
        template::<4>("web-2", Some(("Deployment", "web")), "web:2", none.clone()),
        // A revision without pods is no more than a memory.
        template::<4>("web-0", Some(("Deployment", "web")), "web:0", none.clone()),
        template::<8>("tick", None, "tick:2", none.clone()),
        template::<7>("tick-1", Some(("CronJob", "tick")), "tick:1", none.clone()),
        template::<4>("canary-1", Some(("Rollout", "canary")), "canary:1", none.clone()),
        template::<5>("idle", None, "idle:1", none.clone()),
        template::<7>(
            "done",
            None,
            "done:1",
            json!({"conditions": [{"type": "Complete", "status": "True"}]}),
        ),
        template::<7>(
            "waits",
            None,
            "waits:1",
            json!({"conditions": [{"type": "Suspended", "status": "True"}]}),
        ),
        template::<3>(
            "rolls",
            None,
            "rolls:1",
            json!({"conditions": [{"type": "Failed", "status": "True"}]}),
        ),
    ];
    // Sorted, as objects are: by apiVersion, kind and name.
    assert_eq!(
        lines(&Collected::of(pods, templates)),
        [
            "Deployment/rolls rolls:1 0 rolls:1",
            "Deployment/web web:1 1 web:2",
            "Deployment/web web:2 2 web:2",
            "ReplicaSet/lost-1 lost:1 1 -",
            "StatefulSet/idle idle:1 0 idle:1",
            // What was read of its maker stands for an owner that cannot be read.
            "Rollout/canary canary:1 1 canary:1",
            "CronJob/tick tick:1 1 tick:2",
            "Job/waits waits:1 0 waits:1",
            "Node/node static:1 1 -",
            "Pod/alone alone:1 1 alone:1",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn controllers_that_own_each_other_are_no_endless_way_up() {
    let none = Value::Null;
    let templates = vec![
        template::<4>("a", Some(("ReplicaSet", "b")), "x:1", none.clone()),
        template::<4>("b", Some(("ReplicaSet", "a")), "x:1", none),
    ];
    let collected = Collected::of([pod("p", Some(("ReplicaSet", "a")), "x:1", None)], templates);
    assert_eq!(collected.0.values().map(|found| found.pods).collect::<Vec<_>>(), [1]);
}

#[test]
fn what_runs_is_asked_about_with_the_digest_that_runs() {
    let sealed = format!("r.test/web:1@sha256:{OLD}");
    let asked = |image: &str, runs: &[Option<&str>]| {
        let pods = runs
            .iter()
            .enumerate()
            .map(|(number, runs)| pod(&number.to_string(), Some(("ReplicaSet", "w")), image, *runs));
        let collected = Collected::of(pods, Vec::new());
        let mut asked: Vec<_> = collected.questions().into_iter().map(|question| question.image).collect();
        asked.sort();
        asked
    };
    let with = |hex: &str| format!("r.test/web:1@sha256:{hex}");
    assert_eq!(asked("r.test/web:1", &[Some(OLD), Some(OLD)]), [with(OLD)]);
    assert_eq!(asked("r.test/web:1", &[Some(OLD), Some(NEW)]), [with(OLD), with(NEW)]);
    assert_eq!(asked("r.test/web", &[Some(OLD)]), [format!("r.test/web:latest@sha256:{OLD}")]);
    assert_eq!(asked("r.test/web:1", &[Some(OLD), None]), ["r.test/web:1".to_owned(), with(OLD)]);
    assert_eq!(asked("r.test/web:1", &[None]), ["r.test/web:1"]);
    // A runtime may call the image of one platform otherwise than the list that was pulled.
    assert_eq!(asked(&sealed, &[Some(NEW)]), [&*sealed]);
    assert_eq!(asked("not an image", &[Some(OLD)]), ["not an image"]);
}

/// How one pod with `image` stands whose owner declares `declared`, by these answers.
fn row(image: &str, runs: &str, declared: &str, answers: &[(&str, Answer)]) -> Row {
    let pods = [pod("p", Some(("StatefulSet", "web")), image, Some(runs))];
    let templates = vec![template::<5>("web", None, declared, Value::Null)];
    let collected = Collected::of(pods, templates);
    let question = |image: &str| Question {
        namespace: "shop".into(),
        image: image.into(),
        image_site: ImageSite::Containers,
    };
    let answers: Answers = answers.iter().map(|(image, answer)| (question(image), answer.clone())).collect();
    assert_eq!(collected.questions(), answers.keys().cloned().collect::<HashSet<_>>());
    collected.rows(&answers, now()).remove(0)
}

fn now() -> jiff::Timestamp {
    "2026-11-30T00:00:00Z".parse().unwrap()
}

fn with(change: impl FnOnce(&mut ImageReport)) -> Answer {
    let mut answer = Answer::excluded("i", "shop");
    change(&mut answer.report);
    answer
}

fn sealed(hex: &str) -> Answer {
    with(|report| (report.verdict, report.digest) = (Word::Sealed, Some(format!("sha256:{hex}"))))
}

fn denied(reason: Reason) -> Answer {
    with(|report| {
        report.verdict = Word::Denied;
        (report.reason, report.message) = (Some(reason), Some(format!("{reason}: so it is")));
    })
}

fn as_word(mut answer: Answer, word: Word) -> Answer {
    answer.report.verdict = word;
    answer
}

#[test]
fn rows_stand_by_what_runs_first_and_then_by_what_would_come() {
    let (tag, old) = ("r.test/web:1", format!("r.test/web:1@sha256:{OLD}"));
    let of = |now: Answer, anew: Answer| row(&old, OLD, tag, &[(&*old, now), (tag, anew)]);
    let ending = |days: i64| {
        let at = now() + jiff::SignedDuration::from_hours(24 * days);
        Answer { ends: Some(Ends { at, what: "targets expires".to_owned() }), ..sealed(OLD) }
    };
    let unavailable = as_word(denied(Reason::TrustServerUnreachable), Word::Unavailable);
    let mut observed = sealed(OLD);
    let warning = Warning { reason: Some(Reason::NotSigned), text: "NotSigned: so it is".to_owned() };
    observed.report.warnings.push(warning);
    for (runs, anew, standing) in [
        (denied(Reason::DigestRevoked), denied(Reason::NotSigned), Standing::Refused),
        (denied(Reason::DigestRevoked), sealed(NEW), Standing::Refused),
        (sealed(OLD), denied(Reason::NotSigned), Standing::RefusedAnew),
        (unavailable.clone(), denied(Reason::NotSigned), Standing::RefusedAnew),
        (sealed(OLD), unavailable, Standing::Undecided),
        (ending(29), sealed(OLD), Standing::Ending),
        (ending(31), sealed(OLD), Standing::Good),
        (Answer { is_superseded: true, ..ending(60) }, sealed(NEW), Standing::Ending),
        (sealed(OLD), sealed(NEW), Standing::Changing),
        (sealed(OLD), observed, Standing::Observed),
        (sealed(OLD), as_word(sealed(OLD), Word::Exempt), Standing::Exempt),
        (sealed(OLD), as_word(sealed(OLD), Word::Unmatched), Standing::Unmatched),
        (with(|_| ()), with(|_| ()), Standing::Excluded),
        (sealed(OLD), sealed(OLD), Standing::Good),
    ] {
        assert_eq!(of(runs.clone(), anew.clone()).standing, standing, "{runs:?} {anew:?}");
    }
}

#[test]
fn a_row_says_whether_what_runs_is_what_the_reference_names() {
    let (tag, old) = ("r.test/web:1", format!("r.test/web:1@sha256:{OLD}"));
    let says = |image: &str, runs: &str| {
        let asked = if image == tag { format!("{tag}@sha256:{runs}") } else { image.to_owned() };
        row(image, runs, tag, &[(&*asked, sealed(OLD)), (tag, sealed(OLD))]).running[0].is_referenced
    };
    assert_eq!(says(&old, OLD), Some(true));
    assert_eq!(says(&old, NEW), Some(false));
    assert_eq!(says(tag, OLD), None);
    // The verdict of what several pods run is the worst of them; each digest has its own.
    let pods = [
        pod("p", Some(("StatefulSet", "web")), tag, Some(OLD)),
        pod("q", Some(("StatefulSet", "web")), tag, Some(NEW)),
    ];
    let collected = Collected::of(pods, Vec::new());
    let answer = |question: Question| match question.image.ends_with(NEW) {
        true => (question, denied(Reason::DigestMismatch)),
        false => (question, sealed(OLD)),
    };
    let answers: Answers = collected.questions().into_iter().map(answer).collect();
    let row = collected.rows(&answers, now()).remove(0);
    assert_eq!((row.pods, row.standing, row.anew), (2, Standing::Refused, None));
    let running: Vec<_> = row.running.iter().map(|one| (one.pods, one.reason)).collect();
    assert_eq!(running, [(1, None), (1, Some("DigestMismatch"))]);
}

#[test]
fn the_worst_stands_first_and_a_line_cannot_be_forged() {
    let mut rows = vec![
        row("r.test/we\nb:1", OLD, "r.test/we\nb:1", &[("r.test/we\nb:1", denied(Reason::InvalidReference))]),
        row(
            "r.test/a",
            OLD,
            "r.test/a",
            &[(&*format!("r.test/a:latest@sha256:{OLD}"), sealed(OLD)), ("r.test/a", sealed(OLD))],
        ),
    ];
    rows.sort_by_key(|row| row.standing);
    assert_eq!(
        cells(&rows[0]),
        [
            "shop",
            "StatefulSet/web",
            "container web",
            r#""r.test/we\nb:1""#,
            "1",
            "InvalidReference",
            "InvalidReference",
            "InvalidReference: so it is"
        ]
    );
    assert_eq!(cells(&rows[1])[5..], ["Sealed", "Sealed", ""]);
    assert_eq!(summary(&rows), "2 images in 1 namespace: 1 run and would be refused, 1 are good");
    assert_eq!(summary(&[]), "no images");
}
