//! How a publisher reaches the real notary-server where something stands between: other hosts, proxies, caches.

use crate::harness::Hand::{Notary, Tagseal};
use crate::harness::*;

#[test]
fn a_token_service_on_a_host_of_its_own_sees_credentials_once_it_is_named() {
    let authority = Authority::new("elsewhere");
    let tokens = TokenServer::start(&authority, "robot", "secret").on("auth.test");
    let server = NotaryServer::private("notary-elsewhere", &authority, &tokens);
    let tunnel = Tunnel::to(&[("notary.test:443", server.port()), ("auth.test:443", tokens.port())]);
    let [(variable, proxy)] = tunnel.variables();
    let desk = Desk::at("elsewhere", &server).logged_in("robot", "secret");
    let desk = desk.with_server("https://notary.test").with_variable(&variable, &proxy);

    let gun = desk.gun();
    let withheld = "the credentials were not sent, because its token realm is on auth.test, which is neither its own host \
                    nor the registry's: name it with --token-realm auth.test if it may see them";
    let expected = format!(
        "tagseal: https://notary.test: it answered 401 for {gun}, so there is no permission to push to it; {withheld}\n"
    );
    assert_eq!(desk.tagseal(&sign_args("1")).fails(1), expected);
    assert_eq!(tokens.authenticated_requests(), 0);
    desk.tagseal(&format!("{} --token-realm auth.test", sign_args("1"))).passes();

    let expected = format!(
        "Unauthorized: {gun} at https://notary.test/: timestamp.json: https://notary.test: it answered 401 for {gun}; {withheld}\n"
    );
    assert_eq!(desk.tagseal("inspect WEB").fails(2), expected);
    desk.tagseal("inspect WEB --token-realm auth.test:443").passes();
    // A port that is named has to be the realm's.
    assert_eq!(desk.tagseal("inspect WEB --token-realm auth.test:8443").fails(2), expected);

    let desk = desk.with_variable("TAGSEAL_TOKEN_REALMS", "other.test, auth.test");
    desk.sign(Tagseal, &["targets"], "2");
    let shown = desk.tagseal("inspect WEB").passes();
    assert!(shown.contains(&digest_of("1")) && shown.contains(&digest_of("2")), "{shown}");
}

#[test]
fn a_cache_in_front_of_the_server_neither_stops_a_signature_nor_hides_one() {
    let desk = Desk::new("cached");
    let proxy = Proxy::of(suite().notary().url());
    proxy.caches();
    let behind = desk.clone().with_server(&proxy.url());
    behind.init(Tagseal);
    behind.sign(Tagseal, &["targets"], "1");
    behind.sign(Tagseal, &["targets"], "2");
    desk.shows(&[("targets", "1"), ("targets", "2")]);

    let policy = format!(
        "apiVersion: tagseal.dev/v1alpha1\nkind: ClusterTrustPolicy\nmetadata: {{name: cached}}\nspec:\n  \
         images: {{include: [\"registry.test/**\"]}}\n  notary: {{server: \"{}\"}}\n  firstUse: Trust\n",
        proxy.url()
    );
    std::fs::write(desk.folder().join("policy.yaml"), policy).expect("a policy");
    let verify = "verify --policy policy.yaml --cache-dir cache --state-dir state WEB";
    let sealed = desk.program(&format!("{verify}:2")).passes();
    assert!(sealed.contains(&digest_of("2")), "{sealed}");
    // Past the cache, which knows nothing of it.
    desk.sign(Tagseal, &["targets"], "3");
    let sealed = desk.program(&format!("{verify}:3")).passes();
    assert!(sealed.contains(&digest_of("3")), "{sealed}");

    // The cache is one: who does not ask for what is current gets what was.
    assert!(behind.notary("list WEB").passes().contains(" 528"));
    desk.sign(Tagseal, &["targets"], "4");
    let listed = behind.neighbour("late").notary("list WEB").passes();
    assert!(!listed.contains(&digest_of("4")[7..]), "{listed}");
    assert!(proxy.cached() > 0);
}

#[test]
fn a_servers_address_is_one_however_it_is_written_and_never_the_apis() {
    let desk = Desk::new("addresses");
    let url = suite().notary().url();
    let gun = desk.gun();
    for path in ["/v2", "/v2/", &format!("/v2/{gun}/_trust/tuf/")] {
        let written = desk.clone().with_server(&format!("{url}{path}"));
        let expected = format!(
            "tagseal: --server or DOCKER_CONTENT_TRUST_SERVER: the path of {url}{} belongs to the API, and is added to every \
             request: write {url}\n",
            path.trim_end_matches('/')
        );
        assert_eq!(written.tagseal(&sign_args("1")).fails(2), expected);
        assert_eq!(written.tagseal("inspect WEB --first-use").fails(2), expected);
    }
    let port = suite().notary().port();
    for (number, written) in [format!("{url}//"), format!("HTTP://LocalHost:{port}/")].into_iter().enumerate()
    {
        desk.clone().with_server(&written).sign(Tagseal, &["targets"], &number.to_string());
    }
    desk.shows(&[("targets", "0"), ("targets", "1")]);
}

#[test]
fn a_server_for_clients_with_certificates_is_shown_one_by_options_or_as_docker_has_it() {
    let authority = Authority::new("clients");
    let server = NotaryServer::for_clients("notary-clients", &authority);
    let desk = Desk::at("clients", &server);
    let (certificate, key) = authority.issue_for_client("robot").write(desk.folder(), "client");
    set_mode(&key, 0o600);
    desk.tagseal(&format!("{} --client-cert client.crt --client-key client.key", sign_args("1"))).passes();
    desk.tagseal("inspect WEB --tlscert client.crt --tlskey client.key").passes();

    let layout = desk.folder().join(format!("docker/tls/127.0.0.1:{}", server.port()));
    std::fs::create_dir_all(&layout).expect("docker's folder");
    std::fs::copy(&certificate, layout.join("robot.cert")).expect("a copy");
    let half = format!(
        "tagseal: the client certificate {0}/robot.cert has no key beside it: {0}/robot.key. The certificate of an authority ends in \
         .crt\n",
        layout.display()
    );
    assert_eq!(desk.tagseal(&sign_args("2")).fails(2), half);
    std::fs::copy(&key, layout.join("robot.key")).expect("a copy");
    desk.tagseal(&sign_args("2")).passes();
    let shown = desk.tagseal("inspect WEB").passes();
    assert!(shown.contains(&digest_of("1")) && shown.contains(&digest_of("2")), "{shown}");
}

#[test]
fn notary_auth_stands_for_a_login() {
    let authority = Authority::new("auth");
    let tokens = TokenServer::start(&authority, "robot", "secret");
    let server = NotaryServer::private("notary-auth", &authority, &tokens);
    // As `docker login` left it: somebody else, who may not push.
    let desk = Desk::at("auth", &server).logged_in("reader", "secret");
    // base64 of `robot:secret` and the line feed of `echo`.
    let desk = desk.with_variable("NOTARY_AUTH", "cm9ib3Q6c2VjcmV0Cg==");
    desk.sign(Tagseal, &["targets"], "1");
    desk.sign(Notary, &["targets"], "2");
    let shown = desk.tagseal("inspect WEB").passes();
    assert!(shown.contains(&digest_of("1")) && shown.contains(&digest_of("2")), "{shown}");
    let expected = "tagseal: NOTARY_AUTH is not base64: set it to base64 of USER:PASSWORD (`printf %s USER:PASSWORD | base64 -w0`), \
                    or unset it\n";
    assert_eq!(desk.with_variable("NOTARY_AUTH", "robot:secret").tagseal(&sign_args("3")).fails(2), expected);
}
