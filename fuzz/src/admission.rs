//! Reviews of what runs: every answer is one, and no image of a covered repository passes that nobody signed.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde_json::{Value, json};
use tagseal::admission::judge::Resolve;
use tagseal::admission::{Admission, Hook};
use tagseal::clock::ManualClock;
use tagseal::image::ImageReference;
use tagseal::policy::{
    CompileContext, NoObjects, PolicyKind, PolicySet, PolicySnapshot, Reason, SetOptions, UnknownFields,
    compile,
};
use tagseal::trust::{
    BoxFuture, MemoryState, MetadataSource, NoCredentials, Question, Refusal, Resolved, Resolver,
    ResolverConfig, SourceError, SourceRequest, Unavailable,
};
use tokio::sync::watch;

use super::repository::{GENUINE, GUN, RELEASES, SIGNED, now};
use super::review::{Answer, ask};

/// The body of a call of both hooks.
pub fn run(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let answer = |hook| ask(data, async |deadline| WEBHOOK.answer(hook, &body, deadline).await);
    let (mutated, validated) = (answer(Hook::Mutate), answer(Hook::Validate));
    assert_eq!(mutated.is_some(), validated.is_some());
    if let Some(mutated) = mutated {
        check_mutated(&mutated);
    }
    if let Some(validated) = validated {
        check_validated(&validated);
    }
}

/// The mutating hook refuses nothing, and changes nothing but images.
fn check_mutated(answer: &Answer) {
    assert!(answer.is_allowed());
    if let Some(patched) = answer.patched() {
        let mut images = 0;
        assert_only_images_differ(&answer.request["object"], &patched, &mut images);
        assert!(images > 0, "a patch changes nothing");
    }
}

fn assert_only_images_differ(before: &Value, after: &Value, images: &mut usize) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            assert!(before.keys().eq(after.keys()));
            before.iter().for_each(|(name, value)| assert_only_images_differ(value, &after[name], images));
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len());
            before
                .iter()
                .zip(after)
                .for_each(|(before, after)| assert_only_images_differ(before, after, images));
        }
        (Value::String(before), Value::String(after)) if before != after => {
            *images += 1;
            assert!(is_signed(after), "{after} is written");
            assert!(after.starts_with(before.split('@').next().unwrap()), "{before} becomes {after}");
        }
        _ => assert_eq!(before, after),
    }
}

/// Whatever a new pod holds beside: its images are of other repositories, or what was signed.
fn check_validated(answer: &Answer) {
    let request = &answer.request;
    let is_new_pod = request["kind"] == json!({"group": "", "version": "v1", "kind": "Pod"})
        && request["operation"] == "CREATE"
        && !is_of_a_node(request);
    if !answer.is_allowed() || !is_new_pod {
        return;
    }
    for image in images(&request["object"]["spec"]) {
        let name = ImageReference::parse(image).map(|image| image.name().to_owned());
        let is_covered = name.is_ok_and(|name| name.starts_with("registry.example.com/"));
        assert!(!is_covered || is_signed(image), "{image} is let in");
    }
}

fn images(spec: &Value) -> impl Iterator<Item = &str> {
    let lists = ["initContainers", "containers", "ephemeralContainers", "volumes"];
    let entries = lists.into_iter().filter_map(|list| spec[list].as_array()).flatten();
    entries.filter_map(|entry| entry["image"].as_str().or(entry["image"]["reference"].as_str()))
}

/// Static pods run already, and are only reported.
fn is_of_a_node(request: &Value) -> bool {
    request["userInfo"]["username"].as_str().is_some_and(|name| name.starts_with("system:node:"))
}

fn is_signed(image: &str) -> bool {
    let image = ImageReference::parse(image).unwrap();
    image.name() == GUN && image.digest().is_some_and(|digest| digest.to_string() == SIGNED)
}

static WEBHOOK: LazyLock<Admission> = LazyLock::new(|| {
    let policy = json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "ClusterTrustPolicy", "metadata": {"name": "production"},
        "spec": {
            "images": {"include": ["registry.example.com/**"]},
            "notary": {"server": "https://notary.example.com"},
            "roots": [{"certificate": include_str!("../data/root.crt")}],
            "requiredDelegations": [{"role": RELEASES}],
            "mutation": "Workloads",
        },
    });
    let context = CompileContext {
        system_namespace: "tagseal-system",
        objects: &NoObjects,
        unknown_fields: UnknownFields::Refuse,
    };
    let policy = compile(PolicyKind::Cluster, &policy, &context);
    assert_eq!(policy.errors(), []);
    let set = PolicySet::new([Arc::new(policy)], SetOptions::default());
    let (_, policies) = watch::channel(PolicySnapshot::Synced(Arc::new(set)));
    let clock = Arc::new(ManualClock::at(now()));
    let (source, credentials) = (Arc::new(Server), Arc::new(NoCredentials));
    let state = Arc::new(MemoryState::default());
    let resolver = Resolver::new(ResolverConfig::default(), source, credentials, state, clock.clone());
    Admission::new(Arc::new(OneRepository(resolver)), policies, None).with_clock(clock)
});

/// Trust data of the one repository, without a look at a server for any other.
struct OneRepository(Resolver);

impl Resolve for OneRepository {
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        if question.demand.gun.as_str() == GUN {
            return Box::pin(self.0.resolve(question));
        }
        let message = "there is no answer".to_owned();
        let refusal = Refusal::Unavailable(Unavailable { reason: Reason::TrustServerUnreachable, message });
        Box::pin(async { Err(refusal) })
    }
}

/// A trust server that has the genuine files.
#[derive(Debug)]
struct Server;

impl MetadataSource for Server {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        let file = &request.fetch.file;
        let is_newest = !matches!(file.selector, tagseal::tuf::Selector::Version(_));
        let found = GENUINE.get(file.role.as_str()).filter(|_| is_newest).cloned();
        Box::pin(async { Ok(found) })
    }
}
