//! What goes wrong while a policy is judged is that request's alone, and its answer is well-formed all the same.

use std::pin::pin;
use std::sync::{Arc, mpsc};

use futures::poll;
use serde_json::json;
use tagseal::admission::{PolicyReview, Surroundings};
use tagseal::policy::{
    EntriesFuture, Labels, LabelsFuture, ListFuture, LiveObjects, NamespaceLabels, ObjectRef, Running,
    RunningImages,
};
use tokio::runtime::Builder;
use tokio::time::{Duration, Instant};

use super::super::review::Answer;
use super::world::*;
use crate::support::Log;

/// A part of the cluster in which there is a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    Objects,
    Running,
    Namespaces,
}

impl LiveObjects for Defect {
    fn read<'a>(&'a self, _: &'a ObjectRef) -> EntriesFuture<'a> {
        let is_here = *self == Self::Objects;
        Box::pin(async move {
            assert!(!is_here, "a defect");
            Ok(None)
        })
    }
}

impl RunningImages for Defect {
    fn list<'a>(&'a self, _: Option<&'a str>, found: &'a mut Running) -> ListFuture<'a> {
        let is_here = *self == Self::Running;
        Box::pin(async move {
            assert!(!is_here, "a defect");
            found.add("shop", "registry.example.com/shop/web:1.4");
            Ok(())
        })
    }
}

impl NamespaceLabels for Defect {
    fn cached(&self, _: &str) -> Option<Arc<Labels>> {
        assert_ne!(*self, Self::Namespaces, "a defect");
        Some(Arc::default())
    }

    fn read<'a>(&'a self, _: &'a str) -> LabelsFuture<'a> {
        Box::pin(async { Ok(Arc::default()) })
    }
}

#[tokio::test]
async fn a_panic_while_it_is_looked_what_a_change_means_is_a_warning_beside_the_others() {
    let world = World::new();
    let mut new = cluster("production", json!({"images": {"include": ["registry.example.com/shop/api"]}}));
    new["spec"]["notary"]["credentials"] = json!({"secretRef": {"name": "reader"}});
    for defect in [Defect::Objects, Defect::Running, Defect::Namespaces] {
        let surroundings = Surroundings {
            objects: Arc::new(defect),
            running: Arc::new(defect),
            namespaces: Arc::new(defect),
            covered: Arc::default(),
        };
        let policies = world.policies.subscribe();
        let review = PolicyReview::new(policies, "tagseal-system".to_owned(), Some(surroundings));
        let change = creating(&new).updating(cluster("production", json!({})));
        let deadline = Instant::now() + Duration::from_secs(60);
        let answered = review.answer(&change.bytes().into(), deadline).await.unwrap();
        let answer = Answer::read(&answered.bytes);
        assert_eq!((answer.uid(), answer.is_allowed()), (change.uid(), true), "{defect:?}");
        let warnings = answer.warnings();
        let failed = |warning: &&String| warning.contains("that failed, which is a defect");
        assert_eq!(warnings.iter().filter(failed).count(), 1, "{defect:?}: {warnings:?}");
        let tells = |part: &str| warnings.iter().any(|warning| warning.contains(part));
        assert_eq!(tells("Secret tagseal-system/reader does not exist"), defect != Defect::Objects);
        assert_eq!(tells("covered by no Deny policy any more"), defect == Defect::Objects);
    }
}

/// Where one thread does the work of all beside the test's own.
fn with_one_thread(test: impl Future<Output = ()>) {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_all().max_blocking_threads(1).build().unwrap().block_on(test);
}

/// That thread, occupied until this is dropped, in its turn.
struct Occupied {
    is: mpsc::Receiver<()>,
    _until: mpsc::Sender<()>,
}

impl Occupied {
    fn in_turn() -> Self {
        let ((says, is), (until, ends)) = (mpsc::channel(), mpsc::channel::<()>());
        tokio::task::spawn_blocking(move || {
            let _ = says.send(());
            let _ = ends.recv();
        });
        Self { is, _until: until }
    }

    /// What was asked of it before is done.
    fn now() -> Self {
        Self::in_turn().begun()
    }

    fn begun(self) -> Self {
        self.is.recv().unwrap();
        self
    }
}

#[test]
fn a_policy_is_judged_on_a_thread_of_its_own() {
    with_one_thread(async {
        let world = World::new();
        let (good, bad) = (cluster("new", json!({})), broken("new"));
        for review in [creating(&good), creating(&bad), deleting(&good)] {
            let occupied = Occupied::now();
            let mut judged = pin!(world.review(&review));
            assert!(poll!(&mut judged).is_pending(), "whoever else this thread serves has waited for it");
            drop(occupied);
            judged.await;
        }
    });
}

#[test]
fn where_there_is_no_time_to_look_at_the_others_what_is_wrong_with_a_policy_by_itself_is_refused() {
    let log = Log::json();
    with_one_thread(async {
        tokio::time::pause();
        let world = World::new();
        let review = PolicyReview::new(world.policies.subscribe(), "tagseal-system".to_owned(), None);
        for (policy, is_allowed, said) in [
            (cluster("new", json!({})), true, "there was no time to judge it"),
            (broken("new"), false, "InvalidPolicy: spec.images.include[0]"),
        ] {
            let change = creating(&policy).bytes().into();
            let occupied = Occupied::now();
            let mut judged = pin!(review.answer(&change, Instant::now() + Duration::from_secs(60)));
            assert!(poll!(&mut judged).is_pending(), "it waits to be compiled");
            let next = Occupied::in_turn();
            drop(occupied);
            let next = next.begun();
            assert!(poll!(&mut judged).is_pending(), "it waits to be seen among the others");
            tokio::time::advance(Duration::from_secs(61)).await;
            let answer = Answer::read(&judged.await.unwrap().bytes);
            drop(next);
            assert_eq!(answer.is_allowed(), is_allowed);
            let lines = log.take();
            let [line] = &*lines else { panic!("{lines:?}") };
            assert!(line["message"].as_str().unwrap().starts_with(said), "{line}");
        }
    });
}
