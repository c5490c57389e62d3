//! The serving certificate in its Secret, and `caBundle`.

mod bench;
mod clocks;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use self::bench::{Replica, SECRET, bundles, configurations, hook, secret, shop};
use super::api_server::{ApiServer, Fault};
use crate::support::Log;

const GETS: [&str; 3] =
    ["GET mutatingwebhookconfigurations tagseal", "GET validatingwebhookconfigurations tagseal", SECRET];

/// What was written, by whomever.
fn writes(server: &ApiServer) -> Vec<String> {
    let is_write = |line: &String| {
        ["CREATE", "UPDATE", "PATCH", "MERGE", "APPLY"].iter().any(|verb| line.starts_with(verb))
    };
    server.requests().into_iter().filter(is_write).collect()
}

#[tokio::test]
async fn at_first_start_the_secret_is_made_served_and_known_to_every_webhook() {
    let server = shop();
    let before = configurations(&server);
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    replica.is_known_everywhere().await;

    let secret = secret(&server);
    assert_eq!(secret["type"], "kubernetes.io/tls");
    assert_eq!(secret["metadata"]["labels"], json!({"app.kubernetes.io/managed-by": "tagseal"}));
    let mut after = configurations(&server);
    for (before, after) in before.iter().zip(&mut after) {
        for hook in after["webhooks"].as_array_mut().unwrap() {
            hook["clientConfig"].as_object_mut().unwrap().remove("caBundle").unwrap();
        }
        assert_eq!(before["webhooks"], after["webhooks"], "nothing else was touched");
    }
    assert_eq!(
        writes(&server),
        [
            "CREATE secrets tagseal-system",
            "PATCH mutatingwebhookconfigurations tagseal",
            "PATCH validatingwebhookconfigurations tagseal"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn at_rest_nothing_is_written_and_hardly_anything_read() {
    let server = shop();
    let mut replica = Replica::leads_at_leisure(&server);
    replica.serves().await;
    replica.is_known_everywhere().await;
    replica.passes(60).await;
    let (written, read) = (writes(&server).len(), server.count("GET"));
    for _ in 0..24 {
        replica.clock.advance(jiff::SignedDuration::from_hours(1));
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    assert_eq!(writes(&server).len(), written, "{:#?}", writes(&server));
    // Three reads an hour, and it is not the hour's first second in which they are made.
    assert!(server.count("GET") - read <= 3 * 25, "{} reads", server.count("GET") - read);
}

#[tokio::test]
async fn two_replicas_that_both_believe_to_lead_make_one_authority() {
    for _ in 0..8 {
        let server = shop();
        let (mut first, mut second) = (Replica::leads(&server), Replica::leads(&server));
        let (one, other) = (first.serves().await, second.serves().await);
        assert_eq!(one, other);
        first.is_known_everywhere().await;
        assert_eq!(secret(&server)["metadata"]["generation"], 1, "written once: {:#?}", writes(&server));
    }
}

#[tokio::test]
async fn a_replica_that_does_not_lead_serves_and_writes_nothing_until_it_leads() {
    let server = shop();
    let mut follower = Replica::follows(&server);
    server.served("WATCH secrets", 1).await;
    assert_eq!(writes(&server), Vec::<String>::new());
    let mut leader = Replica::leads(&server);
    let served = leader.serves().await;
    assert_eq!(follower.serves().await, served);
    leader.is_known_everywhere().await;
    drop(leader);

    let written = writes(&server).len();
    server.put("mutatingwebhookconfigurations", hook("Mutating", "b3RoZXI="));
    server.served("WATCH mutatingwebhookconfigurations", 2).await;
    assert_eq!(writes(&server).len(), written);
    follower.gains_leadership();
    follower.is_known_everywhere().await;
    assert_eq!(writes(&server)[written..], ["PATCH mutatingwebhookconfigurations tagseal"]);
    assert_eq!(follower.serves().await, served, "the certificate goes on");
}

#[tokio::test]
async fn whoever_overwrites_a_bundle_or_brings_a_configuration_later_gets_the_right_one() {
    let server = ApiServer::new();
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    server.served(GETS[2], 2).await;
    assert_eq!(
        writes(&server),
        ["CREATE secrets tagseal-system"],
        "a configuration that is absent is no error"
    );
    server.put("mutatingwebhookconfigurations", hook("Mutating", ""));
    replica.is_known_everywhere().await;
    server.put("validatingwebhookconfigurations", hook("Validating", ""));
    replica.is_known_everywhere().await;
    server.put("validatingwebhookconfigurations", hook("Validating", "c29tZWJvZHkgZWxzZSdz"));
    replica.is_known_everywhere().await;
    server.delete("validatingwebhookconfigurations", "", "tagseal");
    server.put("validatingwebhookconfigurations", hook("Validating", ""));
    replica.is_known_everywhere().await;
}

#[tokio::test]
async fn a_bundle_is_written_over_what_was_read_before_the_secret_that_it_is_from() {
    let server = shop();
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    replica.is_known_everywhere().await;
    let requests = server.requests();
    let patches = requests.iter().enumerate().filter(|(_, line)| line.starts_with("PATCH"));
    for (place, patch) in patches {
        let before = &requests[..place];
        let last = |start: &str| before.iter().rposition(|line| line.starts_with(start)).unwrap();
        let configuration = patch.replacen("PATCH", "GET", 1);
        assert!(last(&configuration) < last(SECRET), "{requests:#?}");
    }
    // And on condition that it is still the same: one that changes meanwhile is read again.
    server.fail("PATCH mutating", Fault::Status(409, "the object has been modified"));
    server.put("mutatingwebhookconfigurations", hook("Mutating", ""));
    server.served("PATCH mutating", 4).await;
    server.heal();
    replica.is_known_everywhere().await;
}

#[tokio::test(start_paused = true)]
async fn certificates_and_authorities_rotate_and_what_is_served_is_always_covered() {
    let server = shop();
    let (mut leader, mut follower) = (Replica::leads(&server), Replica::follows(&server));
    leader.serves().await;
    leader.is_known_everywhere().await;
    let (mut leaves, mut newest) = (Vec::new(), Vec::new());
    // Leaves of a minute, authorities of four.
    for _ in 0..600 {
        leader.passes(1).await;
        follower.clock.set(leader.now());
        for replica in [&mut leader, &mut follower] {
            let served = replica.serves().await;
            for bundle in bundles(&server) {
                assert!(replica.is_covered_by(&bundle), "at {}", replica.now());
            }
            if !leaves.contains(&served) {
                leaves.push(served);
            }
        }
        let authorities = bench::authorities(&server);
        assert!(authorities.len() <= 2, "{authorities:?}");
        if !newest.contains(&authorities[0]) {
            newest.push(authorities[0].clone());
        }
    }
    assert_eq!(newest.len(), 4, "three rotations of the authority in ten minutes");
    assert!((14..=20).contains(&leaves.len()), "{} leaves", leaves.len());
    let written = server.count("UPDATE secrets");
    // Each leaf, each new authority, each that was over a minute ago.
    assert_eq!(written, leaves.len() - 1 + 3 + 2, "{:#?}", writes(&server));
}

#[tokio::test]
async fn a_secret_that_is_deleted_or_damaged_comes_back_as_it_was() {
    let server = shop();
    let mut replica = Replica::leads(&server);
    let served = replica.serves().await;
    replica.is_known_everywhere().await;
    let good = secret(&server);
    server.delete("secrets", "tagseal-system", "tagseal-tls");
    server.served("CREATE secrets", 2).await;
    assert_eq!(secret(&server)["data"], good["data"]);

    for (entry, content) in [("tls.key", "eA=="), ("tls.crt", ""), ("ca.crt", "eA==")] {
        let mut damaged = secret(&server);
        damaged["data"][entry] = json!(content);
        let written = server.count("UPDATE secrets");
        server.put("secrets", damaged);
        server.served("UPDATE secrets", written + 1).await;
        assert_eq!(secret(&server)["data"], good["data"], "{entry}");
    }
    assert_eq!(replica.serves().await, served);
    assert!(bundles(&server).iter().all(|bundle| replica.is_covered_by(bundle)));
    assert_eq!(server.count("PATCH"), 2, "the bundle was right all the time");
}

#[tokio::test]
async fn a_damaged_secret_that_nobody_remembers_is_made_anew() {
    let server = shop();
    let data = json!({"ca.crt": "eA==", "ca.key": "eA==", "tls.crt": "", "tls.key": ""});
    let mut damaged = bench::secret_of(data);
    damaged["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "tagseal", "team": "security"});
    server.put("secrets", damaged);
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    replica.is_known_everywhere().await;
    assert_eq!(secret(&server)["metadata"]["labels"]["team"], "security", "what else is said of it stays");
}

#[tokio::test]
async fn a_new_authority_can_be_asked_for_by_an_annotation() {
    let server = shop();
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    replica.is_known_everywhere().await;
    let before = bench::authorities(&server);
    let mut asking = secret(&server);
    asking["metadata"]["annotations"] = json!({"tagseal.dev/rotate": "now", "kept": "yes"});
    server.put("secrets", asking);
    server.served("UPDATE secrets", 1).await;
    replica.is_known_everywhere().await;
    assert_eq!(secret(&server)["metadata"]["annotations"], json!({"kept": "yes"}));
    let after = bench::authorities(&server);
    assert_eq!((after.len(), &after[1..]), (2, &before[..]));
}

#[tokio::test(start_paused = true)]
async fn a_wish_for_a_new_authority_outlasts_a_write_that_is_for_something_else() {
    let server = shop();
    let mut replica = Replica::leads(&server);
    let served = replica.serves().await;
    replica.is_known_everywhere().await;
    // Without an event that would hurry the leader, until the leaf is due.
    replica.passes(39).await;
    let mut asking = secret(&server);
    asking["metadata"]["annotations"] = json!({"tagseal.dev/rotate": "now"});
    replica.clock.advance(jiff::SignedDuration::from_secs(2));
    server.put("secrets", asking);
    server.served("UPDATE secrets", 2).await;
    replica.is_known_everywhere().await;
    assert_ne!(replica.serves().await, served, "the leaf first");
    assert_eq!(bench::authorities(&server).len(), 2, "and then what was asked for");
    assert_eq!(secret(&server)["metadata"]["annotations"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_is_taken_out_by_hand_is_out_everywhere_unless_the_leaf_still_needs_it() {
    let server = shop();
    let mut replica = Replica::leads_at_leisure(&server);
    let served = replica.serves().await;
    replica.is_known_everywhere().await;
    let take_out = |place: usize| {
        let mut secret = secret(&server);
        let pem = STANDARD.decode(secret["data"]["ca.crt"].as_str().unwrap()).unwrap();
        let pem = String::from_utf8(pem).unwrap();
        let mut blocks: Vec<_> = pem.split_inclusive("-----END CERTIFICATE-----\n").collect();
        blocks.remove(place);
        secret["data"]["ca.crt"] = json!(STANDARD.encode(blocks.concat()));
        server.put("secrets", secret);
    };
    let mut asking = secret(&server);
    asking["metadata"]["annotations"] = json!({"tagseal.dev/rotate": "now"});
    server.put("secrets", asking);
    server.served("UPDATE secrets", 1).await;
    replica.is_known_everywhere().await;

    let both = secret(&server)["data"].clone();
    take_out(1);
    server.served("UPDATE secrets", 2).await;
    assert_eq!(secret(&server)["data"], both, "the leaf is the old one's still");

    replica.passes(40).await;
    assert_ne!(replica.serves().await, served);
    take_out(1);
    replica.passes(10).await;
    replica.is_known_everywhere().await;
    assert_eq!(bench::authorities(&server).len(), 1);
    assert!(bundles(&server).iter().all(|bundle| replica.is_covered_by(bundle)));
}

#[tokio::test]
async fn a_secret_that_is_somebody_elses_is_left_alone_and_told() {
    let log = Log::text();
    let server = shop();
    let theirs = bench::secret_of(json!({"tls.crt": "eA==", "tls.key": "eA=="}));
    server.put("secrets", theirs.clone());
    let replica = Replica::leads(&server);
    server.served(SECRET, 2).await;
    assert_eq!(writes(&server), Vec::<String>::new());
    assert_eq!(secret(&server)["data"], theirs["data"]);
    assert!(!replica.serves_now());
    let told = "Secret tagseal-system/tagseal-tls was not made by tagseal, which leaves it alone; delete it, name \
                another with --certificate-secret, or serve it with --cert-dir";
    log.told(told);
    server.delete("secrets", "tagseal-system", "tagseal-tls");
    server.served("CREATE secrets", 1).await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_told_with_its_name_and_the_rest_goes_on() {
    let log = Log::text();
    let server = shop();
    server
        .fail("PATCH mutating", Fault::Status(403, "mutatingwebhookconfigurations \"tagseal\" is forbidden"));
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    server.served("PATCH validating", 1).await;
    server.served("PATCH mutating", 2).await;
    log.told(
        "MutatingWebhookConfiguration tagseal: mutatingwebhookconfigurations \"tagseal\" is forbidden; let tagseal's \
         ServiceAccount patch mutatingwebhookconfigurations.admissionregistration.k8s.io (tagseal)",
    );
    server.heal();
    replica.is_known_everywhere().await;
    log.told("kept right again");
}

#[tokio::test]
async fn without_the_right_to_create_the_secret_nothing_is_served_and_that_is_told() {
    let log = Log::text();
    let server = shop();
    server.fail("CREATE secrets", Fault::Status(403, "secrets is forbidden"));
    let mut replica = Replica::leads(&server);
    server.served("CREATE secrets", 2).await;
    assert!(!replica.serves_now());
    log.told(
        "Secret tagseal-system/tagseal-tls: secrets is forbidden; let tagseal's ServiceAccount create secrets in the \
         namespace tagseal-system (tagseal-tls)",
    );
    server.heal();
    replica.serves().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_is_away_the_certificate_goes_on() {
    let server = shop();
    let mut replica = Replica::leads(&server);
    let served = replica.serves().await;
    replica.is_known_everywhere().await;
    server.fail("", Fault::Refused);
    server.break_watches();
    replica.passes(30).await;
    assert_eq!(replica.serves().await, served);
    server.heal();
    replica.passes(60).await;
    assert_ne!(replica.serves().await, served, "renewed when it was due");
    assert!(replica.runs());
}

#[tokio::test(start_paused = true)]
async fn somebody_who_always_writes_another_bundle_is_corrected_but_not_outdone_at_any_cost() {
    let server = shop();
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    replica.is_known_everywhere().await;
    let fought = server.clone();
    let opponent = tokio::spawn(async move {
        loop {
            let patches = fought.count("PATCH mutating");
            fought.put("mutatingwebhookconfigurations", hook("Mutating", "b3RoZXI="));
            fought.served("PATCH mutating", patches + 1).await;
        }
    });
    replica.passes(60).await;
    opponent.abort();
    let patches = server.count("PATCH mutating");
    assert!((20..=40).contains(&patches), "{patches} corrections in a minute");
    replica.passes(60).await;
    replica.is_known_everywhere().await;
}

#[tokio::test(start_paused = true)]
async fn an_authority_is_not_used_before_every_configuration_has_it() {
    let server = shop();
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    replica.is_known_everywhere().await;
    // From now on nobody may write one of the two.
    server.fail("PATCH validating", Fault::Status(403, "forbidden"));
    replica.passes(220).await;
    let authorities = bench::authorities(&server);
    assert_eq!(authorities.len(), 2);
    let validating = &configurations(&server)[1]["webhooks"][0]["clientConfig"]["caBundle"];
    let bundle = STANDARD.decode(validating.as_str().unwrap()).unwrap();
    assert!(replica.is_covered_by(&bundle), "the old authority goes on issuing");
    server.heal();
    replica.passes(90).await;
    replica.is_known_everywhere().await;
    assert!(bundles(&server).iter().all(|bundle| replica.is_covered_by(bundle)));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_cannot_be_read_does_not_hold_up_the_next_certificate_for_ever() {
    let server = shop();
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    replica.is_known_everywhere().await;
    server.fail("GET validating", Fault::Status(403, "forbidden"));
    // The first authority is over after 240 s, and the last leaf that it issued with it.
    replica.passes(290).await;
    let bundle = |server: &ApiServer| {
        let authorities = bench::authorities(server);
        assert!(authorities.len() > 1);
        authorities.iter().flat_map(|it| STANDARD.decode(bench::pem(it)).unwrap()).collect::<Vec<u8>>()
    };
    assert!(!replica.is_covered_by(&bundle(&server)), "it is not known whether API servers know the newest");
    // An authority of four minutes is forgotten when it has been over for one; what failed is tried again at some distance.
    for _ in 0..200 {
        if replica.is_covered_by(&bundle(&server)) {
            return;
        }
        replica.passes(1).await;
    }
    panic!("no certificate of a later authority: {:#?}", server.requests());
}

#[tokio::test]
async fn a_secret_that_was_left_empty_is_filled() {
    let server = shop();
    server.put("secrets", bench::secret_of(Value::Null));
    let mut replica = Replica::leads(&server);
    replica.serves().await;
    assert_eq!(server.count("CREATE"), 0);
}
