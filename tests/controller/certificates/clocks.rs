//! Clocks that are wrong, names that change, and terms that lapse on the wall clock alone.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::bench::{Replica, SECRET, Told, hook, secret, shop};
use crate::controller::api_server::ApiServer;
use crate::support::Log;

/// How far back certificates are dated, in minutes.
const BACKDATED: i64 = 25 * 60;

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn certificate(der: &[u8]) -> x509_cert::Certificate {
    x509_cert::Certificate::from_der(der).unwrap()
}

fn begins(leaf: &[u8]) -> Timestamp {
    let from = certificate(leaf).tbs_certificate().validity().not_before.to_unix_duration().as_secs();
    Timestamp::from_second(from.try_into().unwrap()).unwrap()
}

fn names(leaf: &[u8]) -> Vec<String> {
    let (_, SubjectAltName(names)) = certificate(leaf).tbs_certificate().get_extension().unwrap().unwrap();
    let name = |name| match name {
        GeneralName::DnsName(name) => String::from(name.as_str()),
        other => panic!("{other:?}"),
    };
    names.into_iter().map(name).collect()
}

/// Has the leader make another authority and a leaf of it.
async fn rotates(server: &ApiServer, leader: &mut Replica) {
    let mut asking = secret(server);
    asking["metadata"]["annotations"] = json!({"tagseal.dev/rotate": "now"});
    let (written, served) = (server.count("UPDATE secrets"), leader.serves().await);
    server.put("secrets", asking);
    server.served("UPDATE secrets", written + 1).await;
    leader.is_known_everywhere().await;
    leader.passes(31).await;
    leader.serves_another(&served).await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_a_fast_clock_waits_for_its_time_while_the_one_before_it_is_good() {
    let server = shop();
    let mut leader = Replica::start(&server, Told { fast: minutes(BACKDATED + 7), ..Told::default() });
    let mut follower = Replica::start(&server, Told { leads: false, ..Told::default() });
    // At first there is no other, and API servers have clocks of their own.
    let first = leader.serves().await;
    assert_eq!(follower.serves().await, first);
    leader.is_known_everywhere().await;
    follower.clock.advance(minutes(7));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(follower.remark(), None, "its time has come");

    rotates(&server, &mut leader).await;
    let second = leader.serves().await;
    assert_eq!(leader.remark(), None);
    assert_eq!(follower.serves().await, first, "the one that is valid by its own clock goes on");
    let from = begins(&second);
    let told = format!(
        "the certificate in Secret tagseal-system/tagseal-tls is valid from {from}, and now is {} by this replica's clock, 31s \
         earlier: its clock is slow, or that of the replica that issued it is fast; the one before it goes on",
        follower.now()
    );
    assert_eq!(follower.remark(), Some(told));

    // No event tells that its time has come.
    follower.clock.set(from - SignedDuration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(follower.serves().await, first);
    follower.clock.set(from);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!((follower.serves().await, follower.remark()), (second, None));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_not_valid_yet_does_not_wait_for_one_whose_authority_was_taken_out() {
    let server = shop();
    let mut leader = Replica::start(&server, Told { fast: minutes(BACKDATED - 1), ..Told::default() });
    let mut follower = Replica::start(&server, Told { leads: false, ..Told::default() });
    let first = follower.serves().await;
    leader.is_known_everywhere().await;
    leader.clock.advance(minutes(8));
    rotates(&server, &mut leader).await;
    assert_eq!(follower.serves().await, first);
    let mut without = secret(&server);
    let newest = super::bench::authorities(&server)[0].clone();
    without["data"]["ca.crt"] = json!(super::bench::pem(&newest));
    server.put("secrets", without);
    assert_ne!(follower.serves_another(&first).await, first, "no API server knows its authority any more");
}

#[tokio::test]
async fn a_replica_that_has_nothing_else_serves_what_is_not_valid_yet_by_its_clock_and_says_so() {
    let log = Log::text();
    let server = shop();
    let mut leader = Replica::start(&server, Told::default());
    let served = leader.serves().await;
    let mut slow =
        Replica::start(&server, Told { leads: false, fast: minutes(-(BACKDATED + 7)), ..Told::default() });
    assert_eq!(slow.serves().await, served);
    let told = format!(
        "the certificate in Secret tagseal-system/tagseal-tls is valid from {}, and now is {} by this replica's clock, 7m \
         earlier: its clock is slow, or that of the replica that issued it is fast",
        begins(&served),
        slow.now()
    );
    log.told(&told);
    let all_the_same =
        "; it serves all the same: there is no other, and API servers go by their own clocks and names";
    assert_eq!(slow.remark(), Some(format!("{told}{all_the_same}")));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_goes_by_another_name_serves_what_there_is_and_issues_its_own_once_it_leads() {
    let server = shop();
    let mut old = Replica::start(&server, Told::default());
    let served = old.serves().await;
    old.is_known_everywhere().await;
    let mut new = Replica::start(&server, Told { leads: false, service: "sealer", ..Told::default() });
    // Were it not ready, a rollout would wait for it, and keep the old leader for ever.
    assert_eq!(new.serves().await, served);
    assert_eq!(
        new.remark().unwrap(),
        "the certificate in Secret tagseal-system/tagseal-tls is for tagseal.tagseal-system.svc, \
         tagseal.tagseal-system.svc.cluster.local, tagseal.tagseal-system, not for sealer.tagseal-system.svc: the leader \
         issues another, unless it was told other names; it serves all the same: there is no other, and API servers go by \
         their own clocks and names"
    );
    let authorities = super::bench::authorities(&server);
    drop(old);
    new.gains_leadership();
    let issued = new.serves_another(&served).await;
    assert_eq!(new.remark(), None);
    // The webhook configurations still call by the old name.
    assert_eq!(
        names(&issued),
        [
            "sealer.tagseal-system.svc",
            "sealer.tagseal-system.svc.cluster.local",
            "sealer.tagseal-system",
            "tagseal.tagseal-system.svc"
        ]
    );
    assert_eq!(super::bench::authorities(&server), authorities);
}

#[tokio::test]
async fn a_replica_says_what_it_waits_for() {
    let server = shop();
    let follower = Replica::start(&server, Told { leads: false, ..Told::default() });
    let says = async |told: &str| {
        let mut remark = follower.remarks();
        let said = remark.wait_for(|remark| remark.as_deref() == Some(told));
        let said = tokio::time::timeout(crate::controller::world::LIMIT, said).await.map(|_| ());
        said.unwrap_or_else(|_| panic!("{:?}", follower.remark()));
    };
    says("Secret tagseal-system/tagseal-tls is not there, and the leader makes it; there is none to serve")
        .await;
    server.put("secrets", super::bench::secret_of(json!({"tls.crt": "eA=="})));
    says("Secret tagseal-system/tagseal-tls was not made by tagseal, which leaves it alone; there is none to serve").await;
    server.delete("secrets", "tagseal-system", "tagseal-tls");
    let mut leader = Replica::start(&server, Told { fast: minutes(-60 * 24 * 120), ..Told::default() });
    let leaf = leader.serves().await;
    let until = begins(&leaf) + minutes(BACKDATED + 60 * 24 * 90);
    says(&format!(
        "Secret tagseal-system/tagseal-tls holds no certificate that can be served: it is valid from {} to {until}, and now is {} \
         by this replica's clock, 720h later; there is none to serve",
        begins(&leaf),
        follower.now()
    ))
    .await;
    assert!(!follower.serves_now());
}

#[tokio::test(start_paused = true)]
async fn what_is_over_by_a_fast_clock_serves_once_that_is_set_right() {
    let server = shop();
    let mut leader = Replica::start(&server, Told::default());
    let served = leader.serves().await;
    let fast = minutes(60 * 24 * 120);
    let mut follower = Replica::start(&server, Told { leads: false, fast, ..Told::default() });
    let mut remark = follower.remarks();
    remark.wait_for(|remark| remark.as_deref().is_some_and(|told| told.contains("720h"))).await.unwrap();
    assert!(!follower.serves_now());
    // No event tells that.
    follower.clock.advance(-fast);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(follower.serves_now());
    assert_eq!((follower.serves().await, follower.remark()), (served, None));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_a_leader_whose_clock_is_fast_by_a_day_is_accepted_at_once() {
    let server = shop();
    let mut leader = Replica::start(&server, Told { fast: minutes(60 * 24), ..Told::default() });
    let mut follower = Replica::start(&server, Told { leads: false, ..Told::default() });
    let first = leader.serves().await;
    leader.is_known_everywhere().await;
    rotates(&server, &mut leader).await;
    let second = follower.serves_another(&first).await;
    assert!(begins(&second) <= follower.now());
    assert_eq!(follower.remark(), None);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_is_noticed_within_seconds() {
    let server = shop();
    let mut replica = Replica::start(&server, Told::default());
    let first = replica.serves().await;
    replica.is_known_everywhere().await;
    replica.passes(60).await;
    // As after a long sleep of the machine, in which its timers stood still.
    replica.clock.advance(minutes(60 * 24 * 61));
    tokio::time::sleep(Duration::from_secs(6)).await;
    let second = replica.serves_another(&first).await;
    // And back again: what is not valid yet is issued anew.
    replica.clock.advance(minutes(-(BACKDATED + 60)));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(begins(&replica.serves_another(&second).await) <= replica.now());
}

#[tokio::test(start_paused = true)]
async fn a_term_that_is_over_on_the_wall_clock_alone_is_taken_up_again_within_seconds() {
    let server = shop();
    let mut replica = Replica::is_elected(&server);
    replica.serves().await;
    replica.is_known_everywhere().await;
    replica.passes(60).await;
    // The election renews its lease at the next turn, and nobody sees a change of leadership.
    let read = server.count(SECRET);
    replica.clock.advance(SignedDuration::from_secs(11));
    server.put("mutatingwebhookconfigurations", hook("Mutating", "b3RoZXI="));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.count(SECRET), read, "its term is over");
    replica.is_known_everywhere().await;
    assert_eq!(server.count("CREATE leases"), 1, "it led all the time");
}
