//! No drift: what GitOps tools say of objects whose images tagseal has sealed. `docs/gitops.md` tells users the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use crate::harness::*;

/// The field manager of what Flux applies.
const FLUX: &str = "kustomize-controller";

type Kinds = BTreeSet<String>;

/// What a tool does not find as Git has it, by the tool: one that finds nothing is not in it.
type Drift = BTreeMap<&'static str, Kinds>;

// The questions, each named by its tool and what the tool does.
const DIFF: &str = "kubectl diff";
const CONFIGURED: &str = "kubectl apply: configured";
const CHANGED: &str = "kubectl apply: specified otherwise afterwards";
const CONFLICTS: &str = "kubectl apply --server-side: conflicts";
const CONFLICTS_OF_FLUX: &str = "server-side apply by Flux without force: conflicts";
const FORCED: &str = "server-side apply by Argo CD with force: specified otherwise afterwards";
const THREE_WAY: &str = "Argo CD: OutOfSync";
const MERGED: &str = "Argo CD with ServerSideApply=true: OutOfSync";
const SERVER_SIDE: &str = "Argo CD with ServerSideDiff=true: OutOfSync";

/// What compares Git with the cluster by itself, and cannot know what the webhooks write.
const BLIND: [&str; 5] = [CONFIGURED, CONFLICTS, CONFLICTS_OF_FLUX, THREE_WAY, MERGED];

#[test]
fn where_pods_are_sealed_only_a_bare_pod_drifts() {
    plays("Pods", &only(&["pod"]));
}

#[test]
fn where_templates_are_sealed_only_those_drift_that_do_not_ask_the_server() {
    plays("Workloads", &only(&NINE_KINDS.map(str::to_lowercase)));
}

#[test]
fn where_git_has_the_digests_nothing_drifts() {
    plays("None", &Kinds::new());
}

/// From the first apply to the day when Git names a newer digest. `written` are the kinds that do not stay as Git has them.
fn plays(mutation: &str, written: &Kinds) {
    let shop = Shop::new(&format!("drift-{mutation}"), mutation);
    let manifests = if mutation == "None" { shop.pinned("old") } else { shop.manifests() };
    let drift: Drift = BLIND
        .into_iter()
        .map(|tool| (tool, written.clone()))
        .filter(|(_, kinds)| !kinds.is_empty())
        .collect();
    shop.applies(&manifests);
    assert_eq!(shop.drift(&manifests), drift, "{mutation}, applied");
    shop.is_signed_anew();
    assert_eq!(shop.drift(&manifests), drift, "{mutation}, signed anew");
    shop.flux_takes_over(&manifests, written);
    shop.is_scaled_and_restarted(&manifests, written);
    shop.is_pinned();
}

#[test]
fn a_digest_that_is_good_no_more_is_replaced_where_kubernetes_lets_it() {
    let shop = Shop::new("drift-superseded", "Workloads");
    let manifests = shop.manifests();
    shop.applies(&manifests);
    shop.is_signed_anew();
    shop.accepts_superseded_for("2s");
    shop.s.soon_denies(&sealed(&shop.image(), &digest_of("old")), "DigestMismatch");
    shop.moves_on(&manifests, "new");

    // With the tag gone, nothing can take the place of the digest that was written.
    shop.web.removes(&["targets"], "1.4");
    shop.s.soon_denies(&sealed(&shop.image(), &digest_of("new")), "DigestRevoked");
    let before = shop.live();
    let answer = shop.kubectl(&["apply", "-f", "-"], &manifests);
    assert_eq!(shop.refused(&answer), only(&NINE_KINDS.map(str::to_lowercase)), "{}", answer.text());
    // The Job and the Pod do not come so far: without a digest they differ from what may not change.
    assert_eq!(answer.errors.matches(": NotSigned (ClusterTrustPolicy ").count(), 7, "{}", answer.errors);
    assert_eq!(answer.errors.matches(" is invalid: ").count(), 2, "{}", answer.errors);
    assert_eq!(specified_otherwise(&before, &shop.live()), Kinds::new());
}

#[test]
fn what_argo_cd_is_told_to_ignore_it_does_not_see_in_git_either() {
    let shop = Shop::new("drift-ignored", "Workloads");
    let (manifests, other) = (shop.manifests(), nine_kinds(&shop.s.image("web:1.5"), &shop.s.image("web")));
    shop.applies(&manifests);
    let live = shop.live();
    let ignoring = shop.argo.ignoring(documented_ignore_differences());
    for compared in [ignoring.compares(&manifests, &live), ignoring.merges(&manifests, &live)] {
        assert_eq!(compared, Vec::<String>::new());
    }
    assert_eq!(ignoring.compares(&other, &live), Vec::<String>::new(), "a new tag in Git goes unnoticed");
    let mut scaled = manifests;
    scaled[3]["spec"]["replicas"] = json!(3);
    assert_eq!(ignoring.compares(&scaled, &live), ["Deployment/web spec.replicas: live 1, desired 3"]);
}

/// A namespace with one object of each kind.
struct Shop {
    s: Scenario,
    web: Publisher,
    argo: Argo,
    policy: Policy,
}

impl Shop {
    fn new(name: &str, mutation: &str) -> Self {
        let s = Scenario::new(&name.to_lowercase());
        let (web, argo) = (s.repository("web"), Argo::of(&s.cluster, &s.folder("argo")));
        web.signs(&["targets"], "1.4", &digest_of("old"));
        web.signs(&["targets"], "latest", &digest_of("latest"));
        let policy = s.policy().trusts(&web).with("mutation", mutation);
        let policy = policy.with("freshness", json!({"revalidateAfter": "1s", "maxStaleness": "1h"}));
        s.has_policy(&policy);
        Self { s, web, argo, policy }
    }

    fn image(&self) -> String {
        self.s.image("web:1.4")
    }

    /// As people write them: a tag, and none at all.
    fn manifests(&self) -> Vec<Value> {
        nine_kinds(&self.image(), &self.s.image("web"))
    }

    /// As `tagseal pin` leaves them.
    fn pinned(&self, digest: &str) -> Vec<Value> {
        let other = sealed(&self.s.image("web:latest"), &digest_of("latest"));
        nine_kinds(&sealed(&self.image(), &digest_of(digest)), &other)
    }

    fn is_signed_anew(&self) {
        self.web.signs(&["targets"], "1.4", &digest_of("new"));
        let pinned = sealed(&self.image(), &digest_of("new"));
        self.s.soon_seals(&pinned, &pinned);
    }

    fn accepts_superseded_for(&self, time: &str) {
        self.s.changes_policy(&self.policy.clone().with("supersededDigests", json!({"acceptFor": time})));
    }

    fn kubectl(&self, args: &[&str], manifests: &[Value]) -> Answer {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests});
        self.s.cluster.alone(Because::UnchangedImages).kubectl_with(args, list.to_string().as_bytes())
    }

    #[track_caller]
    fn applies(&self, manifests: &[Value]) {
        self.s.cluster.applies(&json!({"apiVersion": "v1", "kind": "List", "items": manifests}));
    }

    /// The objects as they are in the cluster.
    fn live(&self) -> Vec<Value> {
        let objects = NINE_KINDS.map(|kind| format!("{}/web", kind.to_lowercase()));
        let mut args = vec!["get", "-o", "json", "--show-managed-fields"];
        args.extend(objects.iter().map(String::as_str));
        items(&self.s.cluster.does(&args))
    }
}

/// What the tools say.
impl Shop {
    /// Asks every tool. Nothing changes by it but what `kubectl apply` changes, which comes last.
    fn drift(&self, manifests: &[Value]) -> Drift {
        let live = self.live();
        let (three_way, merged) = (self.argo.compares(manifests, &live), self.argo.merges(manifests, &live));
        let predicted = self.dry_run_by_argo(manifests);
        let mut drift = Drift::from([
            (DIFF, self.differs(manifests)),
            (CONFLICTS, self.conflicts(manifests, "kubectl")),
            (CONFLICTS_OF_FLUX, self.conflicts(manifests, FLUX)),
            (FORCED, specified_otherwise(&live, &predicted)),
            (THREE_WAY, kinds_of(&three_way)),
            (MERGED, kinds_of(&merged)),
            (SERVER_SIDE, kinds_of(&self.argo.asks_the_server(manifests, &live, &predicted))),
        ]);
        let answer = self.kubectl(&["apply", "-f", "-"], manifests);
        assert!(answer.passed, "{}", answer.errors);
        let lines = answer.output.lines().filter(|line| !line.ends_with(" unchanged"));
        drift.insert(CONFIGURED, lines.filter_map(kind_in).collect());
        drift.insert(CHANGED, specified_otherwise(&live, &self.live()));
        drift.retain(|_, kinds| !kinds.is_empty());
        drift
    }

    fn differs(&self, manifests: &[Value]) -> Kinds {
        let answer = self.kubectl(&["diff", "-f", "-"], manifests);
        assert_eq!(answer.passed, answer.text().is_empty(), "{}", answer.text());
        in_diff(&answer.output)
    }

    /// The objects whose server-side apply would be refused because of their images.
    fn conflicts(&self, manifests: &[Value], manager: &str) -> Kinds {
        let args = ["apply", "--server-side", "--dry-run=server", "--field-manager", manager, "-f", "-"];
        let answer = self.kubectl(&args, manifests);
        let fields = answer.errors.lines().filter_map(|line| line.strip_prefix("- "));
        for field in fields {
            assert!(field.ends_with(".image") || field.ends_with(".reference"), "{field}: {}", answer.errors);
        }
        let refused = self.refused(&answer);
        assert_eq!(
            answer.errors.matches("Apply failed with 4 conflicts").count(),
            refused.len(),
            "{}",
            answer.errors
        );
        refused
    }

    /// What the API server would make of Argo CD's server-side apply, which is always forced.
    fn dry_run_by_argo(&self, manifests: &[Value]) -> Vec<Value> {
        let args = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"];
        let more = ["--field-manager", Argo::MANAGER, "-o", "json", "--show-managed-fields"];
        let answer = self.kubectl(&[&args[..], &more].concat(), manifests);
        assert!(answer.passed, "{}", answer.errors);
        items(&answer.output)
    }

    /// The kinds that kubectl does not say anything of but errors.
    fn refused(&self, answer: &Answer) -> Kinds {
        let passed: Kinds = answer.output.lines().filter_map(kind_in).collect();
        NINE_KINDS.map(str::to_lowercase).into_iter().filter(|kind| !passed.contains(kind)).collect()
    }
}

/// What happens.
impl Shop {
    /// Flux applies by force what somebody else applied: nothing changes but the owner, and Flux needs no force any more.
    fn flux_takes_over(&self, manifests: &[Value], written: &Kinds) {
        let before = self.live();
        let args = ["apply", "--server-side", "--force-conflicts", "--field-manager", FLUX, "-f", "-"];
        let answer = self.kubectl(&args, manifests);
        assert!(answer.passed, "{}", answer.errors);
        assert_eq!(specified_otherwise(&before, &self.live()), Kinds::new());
        assert_eq!(self.conflicts(manifests, FLUX), Kinds::new());
        assert_eq!(self.conflicts(manifests, "kubectl"), *written);
    }

    /// As people and autoscalers do: replicas and the annotation of a restart are not in Git.
    fn is_scaled_and_restarted(&self, manifests: &[Value], written: &Kinds) {
        let scaled = ["deployment/web", "statefulset/web", "replicaset/web", "replicationcontroller/web"];
        self.s.cluster.does(&[&["scale", "--replicas=2"], &scaled[..]].concat());
        self.s.cluster.does(&["rollout", "restart", "deployment/web", "statefulset/web", "daemonset/web"]);
        assert_eq!(self.differs(manifests), Kinds::new());
        assert_eq!(kinds_of(&self.argo.compares(manifests, &self.live())), *written);
    }

    /// Git names the digest that was signed anew. What cannot change is made anew, and then nothing drifts, whatever is
    /// sealed where.
    fn is_pinned(&self) {
        let pinned = self.pinned("new");
        self.moves_on(&pinned, "new");
        self.s.cluster.does(&["delete", "job/web", "pod/web", "--now"]);
        self.applies(&pinned);
        assert_eq!(self.drift(&pinned), Drift::new());
    }

    /// `kubectl diff` shows, and `kubectl apply` does, the move to another digest, but for what Kubernetes keeps as it is.
    #[track_caller]
    fn moves_on(&self, manifests: &[Value], digest: &str) {
        let immutable = only(&["job", "pod"]);
        let movable: Kinds = &only(&NINE_KINDS.map(str::to_lowercase)) - &immutable;
        let dry_run: &[&str] =
            &["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"];
        for args in [&["diff", "-f", "-"], dry_run, &["apply", "-f", "-"]] {
            let answer = self.kubectl(args, manifests);
            for part in ["pod updates may not change fields other than", "spec.template: Invalid value"] {
                assert!(answer.errors.contains(part), "{args:?}: no {part:?} in {}", answer.errors);
            }
            assert_eq!(answer.errors.matches(" is invalid: ").count(), 2, "{args:?}: {}", answer.errors);
            if args[0] == "diff" {
                // Where it cannot tell of one object, it shows nothing of any.
                assert_eq!(answer.output, "");
                let is_movable = |object: &&Value| movable.contains(&kind_of(object));
                let others: Vec<_> = manifests.iter().filter(is_movable).cloned().collect();
                assert_eq!(self.differs(&others), movable);
            } else {
                assert_eq!(self.refused(&answer), immutable, "{}", answer.text());
            }
        }
        let moved = self.live().into_iter().filter(|object| object.to_string().contains(&digest_of(digest)));
        assert_eq!(moved.map(|object| kind_of(&object)).collect::<Kinds>(), movable);
    }
}

fn only(kinds: &[impl AsRef<str>]) -> Kinds {
    kinds.iter().map(|kind| kind.as_ref().to_owned()).collect()
}

fn items(output: &str) -> Vec<Value> {
    let mut list: Value = serde_json::from_str(output).expect("JSON");
    list["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
}

fn kind_of(object: &Value) -> String {
    object["kind"].as_str().expect("a kind").to_lowercase()
}

/// Of lines that begin with `Kind/name`.
fn kinds_of(lines: &[String]) -> Kinds {
    lines.iter().filter_map(|line| kind_in(line)).map(|kind| kind.to_lowercase()).collect()
}

/// Of a line that begins with `kind.group/name`.
fn kind_in(line: &str) -> Option<String> {
    line.split(['.', '/']).next().map(str::to_owned)
}

/// What `kubectl diff` names: a file `GROUP.VERSION.Kind.NAMESPACE.NAME` for each object.
fn in_diff(output: &str) -> Kinds {
    let files = output.lines().filter_map(|line| line.strip_prefix("+++ "));
    let kinds =
        files.flat_map(|file| NINE_KINDS.into_iter().filter(move |kind| file.contains(&format!(".{kind}."))));
    kinds.map(str::to_lowercase).collect()
}

fn specified_otherwise(before: &[Value], after: &[Value]) -> Kinds {
    let specified = |object: &Value| (object["spec"].clone(), object["template"].clone());
    let is_same = |one: &&Value| {
        let other = after.iter().find(|other| other["kind"] == one["kind"]);
        other.is_some_and(|other| specified(other) == specified(one))
    };
    before.iter().filter(|object| !is_same(object)).map(kind_of).collect()
}

/// The kinds and paths of the `ignoreDifferences` in `docs/gitops.md`.
fn documented_ignore_differences() -> Vec<(String, String)> {
    let page = fs::read_to_string(source_path("docs/gitops.md")).expect("the page");
    let block =
        page.split("```").find(|block| block.contains("\n  ignoreDifferences:")).expect("the snippet");
    let application: Value = serde_saphyr::from_str(block.trim_start_matches("yaml\n")).expect("YAML");
    let entries = application["spec"]["ignoreDifferences"].as_array().expect("a list");
    let paths = |entry: &Value| -> Vec<(String, String)> {
        let kind = entry["kind"].as_str().expect("a kind");
        let paths = entry["jqPathExpressions"].as_array().expect("paths").iter();
        paths.map(|path| (kind.to_owned(), path.as_str().expect("a path").to_owned())).collect()
    };
    entries.iter().flat_map(paths).collect()
}
