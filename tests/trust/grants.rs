//! Who may read what: one tenant cannot read, or poison, another's private repository.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tagseal::image::ImageReference;
use tagseal::policy::{CredentialsSource, Reason, TrustServer};
use tagseal::trust::{
    Access, BoxFuture, FoundCredentials, MetadataSource, PodIdentity, Question, Resolver, ResolverConfig,
    Secret, SourceError, SourceRequest,
};
use tokio::time::Instant;

use super::world::{GUN, IMAGE, World, both, reason, sealed, text, web};
use crate::support::{
    CertificateSpec, DemandBuilder, FakeSource, Fault, SERVER, TestCa, TestKey, TestRepository, demand,
    hours, image_digest, minutes, seconds,
};

fn pod(namespace: &str) -> PodIdentity {
    PodIdentity {
        namespace: namespace.to_owned(),
        service_account: "default".to_owned(),
        pull_secrets: vec![],
    }
}

fn basic(user: &str) -> Access {
    Access::Basic { username: user.to_owned(), password: Secret::new("secret") }
}

/// A private repository that only the shop's credentials read.
fn private() -> (World, TestRepository, tagseal::policy::Demand) {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    world.source.fault("*", Fault::UnauthorizedUnless(basic("shop")));
    world.credentials.give("shop", vec![basic("shop")]);
    world.credentials.give("evil", vec![basic("evil")]);
    let demand = both(&repository).credentials(CredentialsSource::ImagePullSecrets).build();
    (world, repository, demand)
}

#[tokio::test(start_paused = true)]
async fn t24_cached_data_is_not_read_by_who_may_not_fetch_it() {
    let (world, _, demand) = private();
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    assert_eq!(reason(&world.resolve_as(&demand, IMAGE, &pod("evil")).await), Reason::Unauthorized);
    assert_eq!(reason(&world.resolve_as(&demand, IMAGE, &pod("nobody")).await), Reason::Unauthorized);
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    world.source.forget();
    world.credentials.give("blog", vec![basic("evil"), basic("shop")]);
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("blog")).await), image_digest("one"));
    assert_eq!(
        world.source.paths(),
        ["timestamp.json", "timestamp.json"],
        "a grant costs one small GET for each try"
    );
    world.source.forget();
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("blog")).await), image_digest("one"));
    assert_eq!(world.source.paths(), Vec::<String>::new(), "and is remembered");
}

#[tokio::test(start_paused = true)]
async fn t25_a_refusal_of_one_is_not_cached_for_another() {
    for (fault, expected) in
        [(Fault::Unauthorized, Reason::Unauthorized), (Fault::NotFound, Reason::RepositoryNotFound)]
    {
        let (world, _, demand) = private();
        world.source.clear_faults();
        world.source.fault("*", fault);
        assert_eq!(reason(&world.resolve_as(&demand, IMAGE, &pod("evil")).await), expected);
        world.source.clear_faults();
        assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    }
}

#[tokio::test(start_paused = true)]
async fn t24_other_servers_anchors_and_authorities_are_other_entries() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let (mut other, ..) = web();
    let files = other.publish(world.now());
    world.source.serve("https://other.example.com", GUN, &files);
    let ours = both(&repository).build();
    let theirs = both(&other).server("https://other.example.com").build();
    let crossed = both(&other).build();
    let other_ca = both(&repository).server_ca("-----BEGIN CERTIFICATE-----").build();
    assert_eq!(reason(&world.resolve(&crossed, IMAGE).await), Reason::RootMismatch);
    assert_eq!(sealed(&world.resolve(&ours, IMAGE).await), image_digest("one"));
    assert_eq!(sealed(&world.resolve(&theirs, IMAGE).await), image_digest("one"));
    world.source.forget();
    assert_eq!(sealed(&world.resolve(&other_ca, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.count("snapshot.*"), 1, "what another authority vouched for is fetched anew");
    world.source.withdraw(SERVER, GUN);
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&theirs, IMAGE).await), image_digest("one"));
}

/// Two authorities of one name: which one a policy means is their content.
#[tokio::test(start_paused = true)]
async fn t24_an_authority_of_the_same_name_is_another_one() {
    let world = World::new();
    let (ca, twin) = (TestCa::new("Shop CA", world.now()), TestCa::new("Shop CA", world.now()));
    let key = TestKey::ecdsa().certified(&CertificateSpec::new(GUN, world.now()).issued_by(&ca));
    let (mut repository, ..) = web();
    repository.rotate("root", &[&key]);
    world.publish(&mut repository);
    let pins = |ca: &TestCa| DemandBuilder::new(GUN).pin_ca(ca);
    let (ours, theirs) = (pins(&ca).build(), pins(&twin).build());
    for _ in 0..2 {
        assert_eq!(sealed(&world.resolve(&ours, IMAGE).await), image_digest("one"));
        assert_eq!(reason(&world.resolve(&theirs, IMAGE).await), Reason::RootMismatch);
        world.advance(seconds(61));
    }
    assert_eq!(world.state.records().len(), 1, "what did not verify leaves no record");
    // And so with the authorities of the connection.
    let trusted = ca.clone();
    for ca in [ca, twin] {
        world.source.forget();
        let demand = pins(&trusted).server_ca(ca.pem()).build();
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
        assert_eq!(
            world.source.count("snapshot.*"),
            1,
            "what the one vouched for is fetched anew from the other"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_the_server_ends_is_over_and_nobody_elses() {
    let (world, _, demand) = private();
    world.credentials.give("blog", vec![basic("shop")]);
    for who in ["shop", "blog"] {
        assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod(who)).await), image_digest("one"));
    }
    world.credentials.give("blog", vec![basic("evil")]);
    world.advance(seconds(61));
    assert_eq!(reason(&world.resolve_as(&demand, IMAGE, &pod("blog")).await), Reason::Unauthorized);
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    let over = world.resolve_as(&demand, IMAGE, &pod("blog")).await;
    assert_eq!(reason(&over), Reason::Unauthorized, "also when the data is fresh again");
    assert_eq!(world.resolver.status()[0].trouble, None);
}

#[tokio::test(start_paused = true)]
async fn grants_are_renewed_in_the_background() {
    let (world, _, demand) = private();
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    for _ in 0..30 {
        world.advance(seconds(50));
        world.resolver.maintain_once(world.now()).finished().await;
        world.source.forget();
        assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    }
    // As for kubelet, a secret that is gone is none: the server refuses who shows nothing.
    world.credentials.give("shop", vec![Access::Anonymous]);
    world.advance(minutes(11));
    let resolved = world.resolve_as(&demand, IMAGE, &pod("shop")).await;
    assert_eq!(reason(&resolved), Reason::Unauthorized);
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_no_grant_but_no_new_one_is_made() {
    let (world, _, demand) = private();
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.advance(hours(20));
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    let unknown = world.resolve_as(&demand, IMAGE, &pod("blog")).await;
    assert_eq!(reason(&unknown), Reason::TrustServerUnreachable);
}

/// Records which token realms a request may use.
#[derive(Debug)]
struct Realms(FakeSource, Mutex<Vec<Vec<String>>>);

impl MetadataSource for Realms {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        self.1.lock().unwrap().push(request.server.token_realms.clone());
        self.0.fetch(request)
    }
}

#[tokio::test(start_paused = true)]
async fn t22_the_token_realms_of_one_policy_are_not_anothers_though_they_share_the_data() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let source = Arc::new(Realms(world.source.clone(), Mutex::default()));
    let resolver = Resolver::new(
        ResolverConfig::default(),
        source.clone(),
        Arc::new(world.credentials.clone()),
        Arc::new(world.state.clone()),
        Arc::new(world.clock.clone()),
    );
    let shop = both(&repository).credentials(CredentialsSource::ImagePullSecrets).build();
    let mut evil = shop.clone();
    let realms = vec!["evil.example.com".to_owned()];
    evil.server = Arc::new(TrustServer { token_realms: realms.clone(), ..TrustServer::clone(&evil.server) });
    let ask = async |demand, who| {
        let image = ImageReference::parse(IMAGE).unwrap();
        let deadline = Instant::now() + Duration::from_secs(9);
        let question = Question { demand, image: &image, pod: &pod(who), deadline, dry_run: false };
        assert_eq!(sealed(&resolver.resolve(question).await), image_digest("one"));
        std::mem::take(&mut *source.1.lock().unwrap())
    };
    assert!(ask(&evil, "evil").await.iter().all(|seen| *seen == realms));
    assert_eq!(ask(&shop, "shop").await, [Vec::<String>::new()], "one GET, for the grant alone");
    assert_eq!(
        ask(&shop, "evil").await,
        [Vec::<String>::new()],
        "nor is a grant by one policy's realms another's"
    );
}

#[tokio::test(start_paused = true)]
async fn anonymous_repositories_need_no_grant_and_no_credentials() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = demand(&repository).build();
    for who in ["shop", "blog", "evil"] {
        assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod(who)).await), image_digest("one"));
    }
    assert_eq!(world.source.count("timestamp.json"), 1);
    assert_eq!(world.credentials.asked(), []);
}

#[tokio::test(start_paused = true)]
async fn grants_outlive_a_restart_during_an_outage_and_credentials_are_not_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, (mut repository, ..)) = (World::with_cache(directory.path()), web());
    world.publish(&mut repository);
    world.credentials.give("shop", vec![basic("shop")]);
    let demand = both(&repository).credentials(CredentialsSource::ImagePullSecrets).build();
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    world.restart();
    world.source.fault("*", Fault::Unreachable("connection refused"));
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("shop")).await), image_digest("one"));
    assert_eq!(reason(&world.resolve_as(&demand, IMAGE, &pod("evil")).await), Reason::TrustServerUnreachable);
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let note = std::fs::read_to_string(entry.unwrap().path().join("tagseal.json")).unwrap();
        assert!(note.contains("shop") && !note.contains("secret"), "{note}");
    }
}

/// Two images that are rewritten to one name: the data is shared, and who may read it is asked for each.
#[tokio::test(start_paused = true)]
async fn t24_credentials_are_looked_for_by_the_images_own_name_and_so_are_grants() {
    let (world, _, demand) = private();
    let mirrors = ["mirror.example.com/hub/web:1.4", "mirror.example.com/other/web:1.4"];
    for image in mirrors {
        let resolved = world.resolve_as(&demand, image, &pod("shop")).await;
        assert_eq!(sealed(&resolved), image_digest("one"));
    }
    assert_eq!(world.credentials.images(), ["mirror.example.com/hub/web", "mirror.example.com/other/web"]);
    world.credentials.give("shop", vec![Access::Anonymous]);
    let refused = world.resolve_as(&demand, IMAGE, &pod("shop")).await;
    assert_eq!(reason(&refused), Reason::Unauthorized, "a grant for another image is none for this one");
    assert_eq!(world.credentials.images().last().map(String::as_str), Some(GUN));
}

fn not_there_yet() -> FoundCredentials {
    FoundCredentials {
        accesses: vec![Access::Anonymous],
        remark: "the pull secret shop/pull does not exist yet; try again once it does".to_owned(),
        is_incomplete: true,
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_appears_a_second_later_is_used_and_the_denial_before_says_what_to_wait_for() {
    let (world, _, demand) = private();
    world.credentials.find("shop", not_there_yet());
    let refused = world.resolve_as(&demand, IMAGE, &pod("shop")).await;
    assert_eq!(reason(&refused), Reason::Unauthorized);
    let expected = "registry.example.com/shop/web at https://notary.example.com/: the pull secret shop/pull does not \
                    exist yet; try again once it does; ";
    assert!(text(&refused).contains(expected), "{}", text(&refused));
    world.credentials.give("shop", vec![basic("shop")]);
    world.advance(seconds(1));
    let resolved = world.resolve_as(&demand, IMAGE, &pod("shop")).await;
    assert_eq!(sealed(&resolved), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_tries_without_the_secret_is_no_burst_of_requests() {
    let (world, _, demand) = private();
    world.credentials.find("shop", not_there_yet());
    for _ in 0..5 {
        let refused = world.resolve_as(&demand, IMAGE, &pod("shop")).await;
        assert_eq!(reason(&refused), Reason::Unauthorized);
    }
    assert_eq!(world.credentials.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_told_where_the_credentials_are_from() {
    let (world, _, demand) = private();
    let remark = "pull secrets read: shop/pull; none has an entry for registry.example.com/shop/web";
    let found = FoundCredentials { remark: remark.to_owned(), ..vec![Access::Anonymous].into() };
    world.credentials.find("shop", found);
    let refused = world.resolve_as(&demand, IMAGE, &pod("shop")).await;
    assert_eq!(reason(&refused), Reason::Unauthorized);
    assert!(text(&refused).contains(remark), "{}", text(&refused));
    // A server that hides what may not be read says that there is nothing.
    world.advance(seconds(3));
    world.source.clear_faults();
    world.source.fault("*", Fault::NotFound);
    let refused = world.resolve_as(&demand, IMAGE, &pod("shop")).await;
    assert_eq!(reason(&refused), Reason::RepositoryNotFound);
    assert!(text(&refused).ends_with(remark), "{}", text(&refused));
}
