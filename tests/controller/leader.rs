//! The election: at most one leads at any time, and one does whenever the API server can be reached.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use tagseal::clock::ManualClock;
use tagseal::controller::{Election, ElectionOptions, Leadership};
use tagseal::telemetry::Metrics;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::api_server::{ApiServer, Fault};
use super::cable::Cable;
use super::world::now;

const STEP: Duration = Duration::from_millis(50);

/// One that takes part.
struct Replica {
    leadership: Leadership,
    cable: Cable,
    clock: ManualClock,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(server: &ApiServer, identity: &str) -> Self {
        let (cable, clock) = (Cable::to(server), ManualClock::at(now()));
        let options = ElectionOptions {
            namespace: "tagseal-system".to_owned(),
            lease: "tagseal".to_owned(),
            identity: identity.to_owned(),
        };
        let shared = Arc::new(clock.clone());
        let (election, leadership) = Election::new(cable.client(), options, shared, Metrics::default());
        Self { leadership, cable, clock, task: tokio::spawn(election.run()) }
    }

    fn leads(&self) -> bool {
        self.leadership.is_leader()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Lets time go by until `over`; at no time do two lead. Answers how long it took.
async fn until(replicas: &[Replica], limit: u64, over: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !over() {
        assert!(start.elapsed() < Duration::from_secs(limit), "not within {limit} s");
        sleep(STEP).await;
        for replica in replicas {
            replica.clock.advance(SignedDuration::try_from(STEP).unwrap());
        }
        assert!(replicas.iter().filter(|replica| replica.leads()).count() < 2, "two lead");
    }
    start.elapsed()
}

/// For so long.
async fn passes(replicas: &[Replica], seconds: u64) {
    let start = Instant::now();
    until(replicas, seconds + 1, || start.elapsed() >= Duration::from_secs(seconds)).await;
}

fn spec(server: &ApiServer) -> Value {
    server.object("leases", "tagseal-system", "tagseal")["spec"].clone()
}

#[tokio::test(start_paused = true)]
async fn of_several_replicas_one_leads_and_goes_on_leading() {
    let server = ApiServer::new();
    let replicas = ["a", "b", "c"].map(|identity| Replica::start(&server, identity));
    until(&replicas, 1, || replicas.iter().any(Replica::leads)).await;
    let first = spec(&server);
    assert_eq!((&first["leaseDurationSeconds"], &first["leaseTransitions"]), (&15.into(), &0.into()));
    let leader = first["holderIdentity"].as_str().unwrap().to_owned();
    for _ in 0..300 {
        passes(&replicas, 1).await;
        let leads = replicas.each_ref().map(Replica::leads);
        assert_eq!(leads, ["a", "b", "c"].map(|identity| identity == leader));
    }
    let last = spec(&server);
    assert_eq!(last["acquireTime"], first["acquireTime"]);
    assert_ne!(last["renewTime"], first["renewTime"]);
    // Each looks at the lease, or renews it, some thirty times a minute.
    assert!((360..=480).contains(&server.count("")), "{} requests in 5 min", server.count(""));
    assert_eq!(server.unexpected(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_loses_the_api_server_stops_leading_before_another_one_begins() {
    let server = ApiServer::new();
    let mut replicas = vec![Replica::start(&server, "a")];
    until(&replicas, 1, || replicas[0].leads()).await;
    replicas.push(Replica::start(&server, "b"));
    passes(&replicas, 30).await;

    replicas[0].cable.cut();
    let stopped = until(&replicas, 11, || !replicas[0].leads()).await;
    assert!(stopped > Duration::from_secs(7), "one lost answer ends no term: {stopped:?}");
    let taken = stopped + until(&replicas, 11, || replicas[1].leads()).await;
    assert!(taken < Duration::from_secs(19), "{taken:?}");
    assert_eq!(spec(&server)["holderIdentity"], "b");
    assert_eq!(spec(&server)["leaseTransitions"], 1);

    replicas[0].cable.mend();
    passes(&replicas, 60).await;
    assert!(replicas[1].leads());
    // What the first one asked for while it was cut off did not make it forget that it lost.
    replicas[1].cable.cut();
    until(&replicas, 30, || replicas[0].leads()).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_own_task_is_stuck_stops_leading_all_the_same() {
    let server = ApiServer::new();
    let replica = Replica::start(&server, "a");
    until(std::slice::from_ref(&replica), 1, || replica.leads()).await;
    replica.task.abort();
    let stopped = until(std::slice::from_ref(&replica), 11, || !replica.leads()).await;
    assert!(stopped > Duration::from_secs(7), "{stopped:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_machine_slept_does_not_lead_when_it_wakes_up() {
    let server = ApiServer::new();
    let replica = Replica::start(&server, "a");
    until(std::slice::from_ref(&replica), 1, || replica.leads()).await;
    // Its monotonic clock stood still.
    replica.clock.advance(SignedDuration::from_mins(1));
    assert!(!replica.leads());
    // Nobody took over meanwhile.
    until(std::slice::from_ref(&replica), 3, || replica.leads()).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_resigns_is_followed_at_once_and_takes_no_part_any_more() {
    let server = ApiServer::new();
    let mut replicas = vec![Replica::start(&server, "a")];
    until(&replicas, 1, || replicas[0].leads()).await;
    replicas.push(Replica::start(&server, "b"));
    passes(&replicas, 30).await;
    let mut leadership = replicas[0].leadership.clone();
    leadership.resign();
    leadership.resigned().await;
    assert!(!replicas[0].leads());
    leadership.changed().await;
    assert_eq!(spec(&server)["holderIdentity"], Value::Null);
    until(&replicas, 3, || replicas[1].leads()).await;
    assert_eq!(spec(&server)["leaseTransitions"], 1);
    replicas[1].cable.cut();
    passes(&replicas, 60).await;
    assert!(!replicas[0].leads());
}

#[tokio::test(start_paused = true)]
async fn who_resigns_while_it_does_not_lead_leaves_the_lease_alone() {
    let server = ApiServer::new();
    let mut replicas = vec![Replica::start(&server, "a")];
    until(&replicas, 1, || replicas[0].leads()).await;
    replicas.push(Replica::start(&server, "b"));
    passes(&replicas, 5).await;
    replicas[1].leadership.resign();
    replicas[1].leadership.resigned().await;
    assert_eq!(spec(&server)["holderIdentity"], "a");
    passes(&replicas, 30).await;
    assert!(replicas[0].leads());
}

#[tokio::test(start_paused = true)]
async fn when_a_lease_runs_out_one_of_many_takes_it() {
    let server = ApiServer::new();
    let first = Replica::start(&server, "first");
    until(std::slice::from_ref(&first), 1, || first.leads()).await;
    let identities: Vec<_> = (0..20).map(|number| format!("replica-{number}")).collect();
    let mut replicas: Vec<_> = identities.iter().map(|identity| Replica::start(&server, identity)).collect();
    passes(&replicas, 10).await;
    drop(first);
    for transitions in 1..=5 {
        until(&replicas, 25, || replicas.iter().any(Replica::leads)).await;
        assert_eq!(spec(&server)["leaseTransitions"], transitions);
        let leader = replicas.iter().position(Replica::leads).unwrap();
        // As SIGKILL would.
        drop(replicas.remove(leader));
        passes(&replicas, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_deleted_is_made_anew() {
    let server = ApiServer::new();
    let replicas = ["a", "b"].map(|identity| Replica::start(&server, identity));
    until(&replicas, 1, || replicas.iter().any(Replica::leads)).await;
    passes(&replicas, 30).await;
    let holder = spec(&server)["holderIdentity"].clone();
    server.delete("leases", "tagseal-system", "tagseal");
    passes(&replicas, 6).await;
    assert_eq!(spec(&server)["holderIdentity"], holder, "who led leads");
    assert!(replicas.iter().any(Replica::leads));
}

#[tokio::test(start_paused = true)]
async fn the_election_goes_on_whatever_the_api_server_answers() {
    for fault in [
        Fault::Status(403, "leases is forbidden"),
        Fault::Status(404, "page not found"),
        Fault::Status(409, "the object has been modified"),
        Fault::Status(500, "etcd"),
        Fault::Refused,
        Fault::Silent,
        Fault::Lost,
    ] {
        let server = ApiServer::new();
        let replicas = ["a", "b"].map(|identity| Replica::start(&server, identity));
        for verb in ["GET leases", "CREATE leases", "UPDATE leases"] {
            until(&replicas, 60, || replicas.iter().any(Replica::leads)).await;
            server.fail(verb, fault.clone());
            passes(&replicas, 40).await;
            server.heal();
        }
        until(&replicas, 60, || replicas.iter().any(Replica::leads)).await;
        assert!(replicas.iter().all(|replica| !replica.task.is_finished()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_under_the_name_of_one_that_leads_does_not_lead_beside_it() {
    let server = ApiServer::new();
    let mut replicas = vec![Replica::start(&server, "pod-0")];
    until(&replicas, 1, || replicas[0].leads()).await;
    replicas.push(Replica::start(&server, "pod-0"));
    passes(&replicas, 60).await;
    assert!(replicas[0].leads());
}
