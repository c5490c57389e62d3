//! Another signer finishes between any two requests of ours: what either published stands.
//!
//! Each case is played once for each of our requests: right before it, the other publishes all that they have to publish.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use futures::future::BoxFuture;
use tagseal::publish::operation::Operation;
use tagseal::publish::publisher::{PublishError, Publisher};
use tagseal::tuf::{Fetch, FileName};

use super::deal::*;
use super::world::{Person, World};

mod cases;

/// Two who publish, and what they are about to do.
struct Case<'a> {
    ours: Person<'a>,
    theirs: Person<'a>,
    our_operations: Vec<Operation>,
    /// One publish each.
    their_operations: Vec<Vec<Operation>>,
    /// Lines of [`state`] that have to be there when we succeeded.
    ours_stand: Vec<String>,
    /// Lines of [`state`] that have to be there in any case, once they succeeded.
    theirs_stand: Vec<String>,
}

/// Makes a repository, whose snapshot key is a local one or the server's.
type Setup = for<'a> fn(&'a World, bool) -> BoxFuture<'a, Case<'a>>;

/// What stands between us and the server.
struct Between {
    /// Before which request the others publish, counted from 0.
    before: usize,
    requests: AtomicUsize,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Whether the answer to our first upload is lost.
    loses_answer: Mutex<bool>,
}

async fn pass(State(between): State<Arc<Between>>, request: Request, next: Next) -> Response {
    if between.requests.fetch_add(1, Ordering::SeqCst) == between.before {
        let act = between.act.lock().unwrap().take();
        if let Some(act) = act {
            tokio::task::spawn_blocking(act).await.unwrap();
        }
    }
    let is_upload = request.method() == Method::POST && request.uri().path().ends_with("/_trust/tuf/");
    let answer = next.run(request).await;
    if is_upload && std::mem::take(&mut *between.loses_answer.lock().unwrap()) {
        return StatusCode::GATEWAY_TIMEOUT.into_response();
    }
    answer
}

/// What verifiers see: `ROLE TAG` for each tag, and `delegates ROLE` for what `targets` delegates.
async fn state(world: &World) -> BTreeSet<String> {
    let mut state: BTreeSet<String> = world.tags().await.into_iter().collect();
    for parent in ["targets", "targets/a"] {
        let fetch = Fetch { file: FileName::current(role(parent)), max_bytes: 1 << 20 };
        let Some(file) = world.person().remote.fetch(&fetch).await.unwrap() else { continue };
        let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
        let roles = file["signed"]["delegations"]["roles"].as_array().cloned().unwrap_or_default();
        state.extend(roles.iter().map(|role| format!("delegates {}", role["name"].as_str().unwrap())));
    }
    state
}

/// Serves the world's server behind `between`; its address.
async fn serve(world: &World, between: &Arc<Between>) -> String {
    let router = world.server.router().layer(from_fn_with_state(Arc::clone(between), pass));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// Plays a case with the others before our request number `before`; whether there was such a request.
async fn plays(setup: Setup, snapshot_is_local: bool, loses_answer: bool, before: usize) -> bool {
    let at = format!("before request {before}, snapshot key local: {snapshot_is_local}");
    let world = World::new().await;
    let case = setup(&world, snapshot_is_local).await;
    let outcome = Arc::new(Mutex::new(None));
    let act = {
        let (publish, outcome) = (case.theirs.publishing(case.their_operations), Arc::clone(&outcome));
        move || *outcome.lock().unwrap() = Some(publish())
    };
    let between = Arc::new(Between {
        before,
        requests: AtomicUsize::new(0),
        act: Mutex::new(Some(Box::new(act))),
        loses_answer: Mutex::new(loses_answer),
    });
    let remote = world.remote_at(&serve(&world, &between).await);
    let ours = Publisher { remote: &remote, ..case.ours.publisher() }.publish(&case.our_operations).await;
    let theirs = outcome.lock().unwrap().take();
    let state = state(&world).await;
    let stand = |lines: &[String], whose: &str| {
        for line in lines {
            assert!(state.contains(line), "{at}: {whose} {line:?} is lost ({ours:?}, {theirs:?}): {state:?}");
        }
    };
    if ours.is_ok() {
        stand(&case.ours_stand, "our");
    }
    match &theirs {
        Some(Ok(())) => stand(&case.theirs_stand, "their"),
        Some(Err(error)) => assert!(ours.is_ok(), "{at}: nobody got through: {ours:?}, {error}"),
        None => assert!(ours.is_ok(), "{at}: {ours:?}"),
    }
    theirs.is_some()
}

/// Plays a case with the others before each of our requests, with either kind of snapshot key.
async fn stands_in_every_order(setup: Setup) {
    for snapshot_is_local in [false, true] {
        let mut requests = 0;
        while plays(setup, snapshot_is_local, false, requests).await {
            requests += 1;
        }
        assert!(requests > 2, "{requests} requests are too few for a publish");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_settled_while_others_publish() {
    for setup in [cases::first_file as Setup, cases::later_file, cases::targets_itself] {
        for snapshot_is_local in [false, true] {
            let mut requests = 0;
            while plays(setup, snapshot_is_local, true, requests).await {
                requests += 1;
            }
        }
    }
}

/// A cache on the way answers with the timestamp of before the other signer's publish, and has nothing of that signer's file.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_behind_hides_no_first_signature() {
    let world = World::new().await;
    let case = cases::first_file(&world, false).await;
    let before = world.server.checkpoint(&world.gun).current(&role("timestamp")).unwrap();
    case.theirs.publish(&case.their_operations[0]).await.unwrap();
    world.server.overrule(&world.gun, "timestamp.json", Some(before));
    let refused = case.ours.publish(&case.our_operations).await.unwrap_err();
    assert_eq!(refused, PublishError::Unsettled { gun: world.gun.clone() });
    world.server.lift_overrules(&world.gun);
    assert_eq!(world.tags().await, ["targets/a theirs"]);
    case.ours.publish(&case.our_operations).await.unwrap();
    assert_eq!(world.tags().await, ["targets/a ours", "targets/a theirs"]);
}

macro_rules! in_every_order {
    ($($case:ident)*) => {
        mod in_every_order {
            use super::{cases, stands_in_every_order};
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    stands_in_every_order(cases::$case).await;
                }
            )*
        }
    };
}

in_every_order! {
    first_file
    first_file_of_several_roles
    later_file
    trust_directory_that_is_behind
    targets_itself
    role_that_was_removed_and_delegated_again
    role_that_is_removed_and_delegated_again_meanwhile
    role_that_we_remove_and_delegate_again
    repository_that_both_make
    repository_that_both_make_with_one_root_key
    delegations_that_both_add
    delegation_that_we_remove
    first_file_of_a_nested_role
    nested_delegation_before_the_first_file_of_its_parent
    keys_that_we_rotate
    keys_that_they_rotate
    snapshot_key_that_we_take_over
    snapshot_key_that_they_take_over
    tag_that_we_remove
    role_that_we_witness
}
