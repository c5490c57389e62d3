//! The forms of one report, held to their schemas.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::admission::judge::{Denial, ImageVerdict, Outcome, Passed, Remark};
use crate::gitops::{Part, Site, Slot, Tree};
use crate::policy::{Actions, ImageSite, Mutation, PolicyId, Reason};
use crate::schemas;

const WEB: &str = "r.io/shop/web:1.4";

/// Files, what stands in them and what is wrong with them.
#[derive(Default)]
struct World {
    files: Vec<String>,
    sites: Vec<SiteVerdict>,
    problems: Vec<Problem>,
}

impl World {
    fn of(verdicts: impl IntoIterator<Item = Option<ImageVerdict>>) -> Self {
        let sites = verdicts.into_iter().enumerate().map(|(index, verdict)| site(0, index, verdict));
        Self { files: vec!["deploy/web.yaml".to_owned()], sites: sites.collect(), problems: Vec::new() }
    }

    fn with_problem(mut self, file: &str, place: Option<Place>, message: &str) -> Self {
        self.problems.push(Problem { file: file.to_owned(), place, message: message.to_owned() });
        self
    }

    fn write(&self, form: Form) -> String {
        self.write_in("/srv/repo", form)
    }

    fn write_in(&self, working_dir: &str, form: Form) -> String {
        let paths = Paths::new(working_dir.into());
        Report::new(&self.files, &self.sites, &self.problems, &paths).write(form).unwrap()
    }

    fn standing(&self) -> Standing {
        Report::new(&self.files, &self.sites, &self.problems, &Paths::new("/srv/repo".into())).standing()
    }

    fn sarif(&self) -> Value {
        schemas::sarif(&self.write(Form::Sarif))["runs"][0].take()
    }

    fn junit(&self) -> schemas::Element {
        schemas::junit(&self.write(Form::Junit))
    }
}

/// The container of this index of the Deployment `shop/web`.
fn site(file: usize, index: usize, verdict: Option<ImageVerdict>) -> SiteVerdict {
    let tree = Tree::parse("image").unwrap();
    let object = ObjectId {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        namespace: None,
    };
    let site = Site {
        file,
        place: Place { line: 10 + index, column: 16 },
        field: format!("spec.template.spec.containers[{index}].image"),
        object,
        namespace: "shop".to_owned(),
        image_site: ImageSite::Containers,
        subject: None,
        image: verdict.as_ref().map_or(WEB, |verdict| &verdict.image).to_owned(),
        slot: Slot { scalar: tree.documents()[0].root, part: Part::Reference },
        origin: None,
    };
    SiteVerdict { site, verdict }
}

fn verdict(outcome: Outcome) -> ImageVerdict {
    ImageVerdict {
        image: WEB.to_owned(),
        outcome,
        policies: Vec::new(),
        remarks: Vec::new(),
        warnings: Vec::new(),
        exemptions: Vec::new(),
    }
}

fn policy() -> PolicyId {
    PolicyId { namespace: None, name: "production".to_owned() }
}

fn sealed() -> ImageVerdict {
    let sealed = Some(format!("{WEB}@sha256:{}", "a".repeat(64)));
    verdict(Outcome::Passed(Passed {
        answers: Vec::new(),
        sealed,
        sealed_by: None,
        mutation: Mutation::Pods,
        actions: Actions::DENY,
    }))
}

fn denied(reason: Reason, message: &str) -> ImageVerdict {
    verdict(Outcome::Denied(vec![Denial::untrusted(Some(&policy()), reason, message)]))
}

fn unavailable() -> ImageVerdict {
    let denial = Denial::unavailable(Some(&policy()), Reason::TrustServerUnreachable, "no answer");
    verdict(Outcome::Denied(vec![denial]))
}

fn warned() -> ImageVerdict {
    let denial = Denial::untrusted(Some(&policy()), Reason::NotSigned, "nobody signed it");
    let remark = Remark { actions: Actions { deny: false, warn: true, audit: false }, denial };
    ImageVerdict { remarks: vec![remark], ..verdict(Outcome::Unmatched) }
}

fn expiring() -> ImageVerdict {
    ImageVerdict { warnings: vec!["targets of r.io/shop/web expires soon".to_owned()], ..sealed() }
}

/// One of each: sealed, denied, undecided, unmatched, warned about, to be done soon, excluded.
fn each() -> World {
    let denied = denied(Reason::NotSigned, "50% of\n::error::it");
    let unmatched = verdict(Outcome::Unmatched);
    let each = [sealed(), denied, unavailable(), unmatched, warned(), expiring()];
    World::of(each.into_iter().map(Some).chain([None]))
}

fn texts(values: &Value, pointer: &str) -> Vec<String> {
    let values = values.as_array().unwrap().iter();
    values.map(|value| value.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_element_of_json_is_that_of_an_image_with_its_place() {
    let report: Value = serde_json::from_str(&each().write(Form::Json)).unwrap();
    assert_eq!(
        texts(&report, "/verdict"),
        ["Sealed", "Denied", "Unavailable", "Unmatched", "Unmatched", "Sealed", "Excluded"]
    );
    assert_eq!(
        report[1],
        json!({
            "image": WEB, "verdict": "Denied", "sealed": null, "digest": null, "policies": [], "signedBy": [],
            "reason": "NotSigned", "message": "ClusterTrustPolicy production: NotSigned: 50% of\n::error::it",
            "file": "deploy/web.yaml", "line": 11, "column": 16, "field": "spec.template.spec.containers[1].image",
            "object": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": null},
        })
    );
    assert_eq!(report[4]["warnings"], json!(["ClusterTrustPolicy production: NotSigned: nobody signed it"]));
}

#[test]
fn what_is_denied_comes_before_what_could_not_be_decided() {
    let of = |verdicts: &[ImageVerdict]| World::of(verdicts.iter().cloned().map(Some));
    let no = denied(Reason::NotSigned, "no");
    assert_eq!(of(&[]).standing(), Standing::Passed);
    assert_eq!(of(&[sealed(), warned(), expiring()]).standing(), Standing::Passed);
    assert_eq!(of(&[unavailable(), sealed()]).standing(), Standing::Undecided);
    assert_eq!(of(&[sealed()]).with_problem("b.yaml", None, "no").standing(), Standing::Undecided);
    assert_eq!(of(&[no, unavailable()]).with_problem("b.yaml", None, "no").standing(), Standing::Denied);
}

#[test]
fn sarif_has_results_for_what_is_denied_or_warned_alone() {
    let run = each().with_problem("b.yaml", Some(Place { line: 3, column: 1 }), "not YAML").sarif();
    let results = &run["results"];
    assert_eq!(texts(results, "/level"), ["error", "warning"]);
    assert_eq!(texts(results, "/ruleId"), ["NotSigned", "NotSigned"]);
    let rules = &run["tool"]["driver"]["rules"];
    let index = results[0]["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(rules[index]["id"], "NotSigned");
    assert_eq!(rules[index]["shortDescription"]["text"], "No required role lists the tag.");
    let ids: BTreeSet<_> = texts(rules, "/id").into_iter().collect();
    assert_eq!(ids.len(), Reason::ALL.len());
    let at = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(
        *at,
        json!({
            "artifactLocation": {"uri": "deploy/web.yaml"}, "region": {"startLine": 11, "startColumn": 16},
        })
    );
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let told = &invocation["toolExecutionNotifications"];
    assert_eq!(texts(told, "/level"), ["error", "error", "note"]);
    assert_eq!(texts(told, "/message/text")[0], "not YAML");
    assert_eq!(told[1]["associatedRule"]["id"], "TrustServerUnreachable");
}

#[test]
fn sarif_of_what_is_well_has_no_results() {
    let run = World::of([sealed(), expiring(), verdict(Outcome::Unmatched)].map(Some)).sarif();
    assert_eq!(run["results"], json!([]));
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    assert_eq!(World::default().sarif()["results"], json!([]));
}

/// The fingerprints of SARIF's results.
fn prints(world: &World) -> Vec<String> {
    texts(&world.sarif()["results"], "/partialFingerprints/tagsealImage~1v1")
}

#[test]
fn a_fingerprint_stays_where_lines_move_and_tags_change_and_no_two_are_the_same() {
    let no = || Some(denied(Reason::NotSigned, "no"));
    let world = World::of([no(), no()]);
    let [one, other] = &prints(&world)[..] else { panic!("two") };
    assert_ne!(one, other);
    let mut moved = World::of([no()]);
    moved.sites[0].site.place.line += 7;
    moved.sites[0].verdict.as_mut().unwrap().image = "r.io/shop/web:1.5".to_owned();
    assert_eq!(prints(&moved)[0], *one);
    let changes: [fn(&mut SiteVerdict); 4] = [
        |site| site.site.object.name = "db".to_owned(),
        |site| site.site.namespace = "other".to_owned(),
        |site| site.verdict.as_mut().unwrap().image = "r.io/shop/db:1.4".to_owned(),
        |site| site.verdict = Some(denied(Reason::Expired, "no")),
    ];
    for change in changes {
        let mut changed = World::of([no()]);
        change(&mut changed.sites[0]);
        assert_ne!(prints(&changed)[0], *one);
    }
    // The same object stands in the file twice.
    let mut twice = World::of([no(), no()]);
    twice.sites[1].site.field = twice.sites[0].site.field.clone();
    let found = prints(&twice);
    assert_eq!(found[0], *one);
    assert_ne!(found[0], found[1]);
    schemas::code_quality(&twice.write(Form::Gitlab));
    assert_eq!(twice.junit().children[0].children[1].attribute("name").rsplit_once(' ').unwrap().1, "#2");
}

#[test]
fn junit_tells_failures_errors_and_what_was_skipped_apart() {
    let report = each().with_problem("gone.yaml", None, "no such file").junit();
    let names: Vec<_> = report.children.iter().map(|suite| suite.attribute("name")).collect();
    assert_eq!(names, ["deploy/web.yaml", "gone.yaml"]);
    let kinds: Vec<_> = report.children[0]
        .children
        .iter()
        .map(|case| case.children.iter().map(|child| child.name.as_str()).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(kinds, ["", "failure", "error", "skipped", "skipped system-out", "system-out", "skipped"]);
    let case = &report.children[0].children[1];
    assert_eq!(
        ["classname", "name", "file", "line"].map(|name| case.attribute(name)),
        [
            "deploy/web.yaml",
            "Deployment shop/web spec.template.spec.containers[1].image",
            "deploy/web.yaml",
            "11"
        ]
    );
    let failure = &case.children[0];
    assert_eq!(failure.attribute("type"), "NotSigned");
    assert_eq!(failure.attribute("message"), failure.text);
    assert_eq!(
        failure.text,
        "deploy/web.yaml:11:16: image r.io/shop/web:1.4 (Deployment shop/web, spec.template.spec.containers[1].image): \
         ClusterTrustPolicy production: NotSigned: 50% of\\n::error::it"
    );
    assert_eq!(report.children[1].children[0].children[0].text, "gone.yaml: no such file");
}

#[test]
fn github_has_a_command_for_each_denial_and_warning() {
    let written = each().with_problem("a,b:c%.yaml", None, "not YAML").write(Form::Github);
    let lines: Vec<_> = written.lines().collect();
    let begins = [
        "::error file=a%2Cb%3Ac%25.yaml,line=1,col=1,title=tagseal::not YAML",
        "::error file=deploy/web.yaml,line=11,col=16,title=NotSigned::image r.io/shop/web:1.4 (Deployment shop/web, \
         spec.template.spec.containers[1].image): ClusterTrustPolicy production: NotSigned: 50%25 of\\n::error::it",
        "::error file=deploy/web.yaml,line=12,col=16,title=TrustServerUnreachable::",
        "::warning file=deploy/web.yaml,line=14,col=16,title=NotSigned::",
        "::warning file=deploy/web.yaml,line=15,col=16,title=tagseal::image ",
    ];
    assert_eq!(lines.len(), begins.len(), "{written}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
}

#[test]
fn gitlab_has_an_issue_for_each() {
    let report =
        schemas::code_quality(&each().with_problem("./b.yaml", None, "not YAML").write(Form::Gitlab));
    assert_eq!(texts(&report, "/severity"), ["major", "critical", "major", "minor", "info"]);
    assert_eq!(
        texts(&report, "/check_name"),
        ["UnreadableFile", "NotSigned", "TrustServerUnreachable", "NotSigned", "Attention"]
    );
    assert_eq!(report[1]["location"], json!({"path": "deploy/web.yaml", "lines": {"begin": 11}}));
    assert_eq!(schemas::code_quality(&World::default().write(Form::Gitlab)), json!([]));
}

#[test]
fn text_begins_with_the_place() {
    let text = each().write(Form::Text);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        format!(
            "deploy/web.yaml:10:16: sealed {WEB}@sha256:{} (Deployment shop/web, spec.template.spec.containers[0].image)",
            "a".repeat(64)
        )
    );
    assert_eq!(
        lines[1],
        "deploy/web.yaml:11:16: denied r.io/shop/web:1.4 (Deployment shop/web, spec.template.spec.containers[1].image): \
         ClusterTrustPolicy production: NotSigned: 50% of\\n::error::it"
    );
    assert!(
        lines.iter().all(|line| line.starts_with("deploy/web.yaml:") || line.starts_with("            "))
    );
}

#[test]
fn a_pin_whose_tag_moved_is_told_how_to_follow() {
    let advice = "`tagseal pin --update`";
    let moved = World::of([Some(denied(Reason::DigestMismatch, "signed otherwise"))]);
    for form in [Form::Text, Form::Json, Form::Junit, Form::Sarif, Form::Github, Form::Gitlab] {
        assert!(moved.write(form).contains(advice), "{form:?}");
    }
    let denials = [Reason::NotSigned, Reason::DigestMismatch]
        .map(|reason| Denial::untrusted(Some(&policy()), reason, "no"));
    let also = World::of([Some(verdict(Outcome::Denied(denials.to_vec())))]);
    assert!(!also.write(Form::Json).contains(advice));
}

#[test]
fn what_was_rendered_is_shown_at_its_source_where_that_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().canonicalize().unwrap();
    std::fs::create_dir_all(work.join("chart/templates")).unwrap();
    std::fs::write(work.join("chart/templates/web.yaml"), "").unwrap();
    let mut world = World::of([Some(denied(Reason::NotSigned, "no")), Some(denied(Reason::NotSigned, "no"))]);
    world.files = vec!["-".to_owned()];
    for (site, path) in world.sites.iter_mut().zip(["chart/templates/web.yaml", "chart/templates/gone.yaml"])
    {
        site.site.origin = Some(Origin { path: path.to_owned(), repository: None });
    }
    let write = |form| world.write_in(work.to_str().unwrap(), form);
    let github = write(Form::Github);
    let lines: Vec<_> = github.lines().collect();
    assert!(lines[0].starts_with("::error file=chart/templates/web.yaml,line=1,col=1,"), "{github}");
    assert!(lines[0].contains(".image) (rendered, at -:10:16): "), "{github}");
    assert!(lines[1].starts_with("::error file=-,line=11,col=16,"), "{github}");
    assert!(lines[1].contains(".image) (rendered from chart/templates/gone.yaml): "), "{github}");
    let sarif = schemas::sarif(&write(Form::Sarif));
    let at = "/locations/0/physicalLocation/artifactLocation/uri";
    assert_eq!(texts(&sarif["runs"][0]["results"], at), ["chart/templates/web.yaml", "-"]);
    let text = write(Form::Text);
    assert!(text.starts_with("-:10:16: denied "), "{text}");
    assert!(text.contains("(rendered from chart/templates/web.yaml)"), "{text}");
    let json: Value = serde_json::from_str(&write(Form::Json)).unwrap();
    assert_eq!(json[0]["origin"], json!({"path": "chart/templates/web.yaml"}));
    schemas::junit(&write(Form::Junit));
}

proptest! {
    #![proptest_config(crate::random::cases(64))]

    #[test]
    fn t40_no_text_from_outside_breaks_a_form(
        file in "[^/\u{0}]{1,8}", name in any::<String>(), field in any::<String>(), image in any::<String>(),
        message in any::<String>(), path in any::<String>(),
    ) {
        let mut no = denied(Reason::NotSigned, &message);
        no.image = image;
        let mut world = World::of([Some(no.clone()), Some(no.clone()), Some(warned())]).with_problem(&file, None, &message);
        world.files = vec![file];
        for site in &mut world.sites {
            site.site.object.name = name.clone();
            site.site.object.kind = name.clone();
            site.site.field = field.clone();
            site.site.origin = Some(Origin { path: path.clone(), repository: Some(name.clone()) });
        }
        world.sarif();
        world.junit();
        // A path of a file may begin with anything.
        let _: Value = serde_json::from_str(&world.write(Form::Gitlab)).unwrap();
        let _: Value = serde_json::from_str(&world.write(Form::Json)).unwrap();
        prop_assert_eq!(world.write(Form::Text).split('\n').count(), 4);
        let github = world.write(Form::Github);
        prop_assert_eq!(github.split(['\n', '\r']).count(), 4);
        prop_assert!(github.split('\n').all(|line| line.starts_with("::")));
    }
}
