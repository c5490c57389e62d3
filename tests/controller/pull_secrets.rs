//! Credentials out of the cluster's secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tagseal::controller::ClusterCredentials;
use tagseal::image::ImageReference;
use tagseal::policy::{CredentialsSource, SecretRef, TrustServer};
use tagseal::trust::{
    Access, CertificatePem, ClientCertificates as _, CredentialError, Credentials as _, FoundCredentials,
    ImageName, PodIdentity, Secret,
};

use super::api_server::{ApiServer, Fault};

const REGISTRY: &str = "registry.example.com";
const WEB: &str = "registry.example.com/shop/web:1.4";

fn put(server: &ApiServer, name: &str, entries: &[(&str, &str)]) {
    let data: serde_json::Map<String, Value> =
        entries.iter().map(|(key, value)| ((*key).to_owned(), json!(STANDARD.encode(value)))).collect();
    server.put("secrets", json!({"metadata": {"namespace": "shop", "name": name}, "data": data}));
}

fn docker(host: &str, user: &str) -> String {
    json!({"auths": {host: {"username": user, "password": "hunter2"}}}).to_string()
}

fn service_account(server: &ApiServer, names: &[&str]) {
    let names: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
    server.put(
        "serviceaccounts",
        json!({"metadata": {"namespace": "shop", "name": "robot"}, "imagePullSecrets": names}),
    );
}

fn pod(names: &[&str]) -> PodIdentity {
    PodIdentity {
        namespace: "shop".to_owned(),
        service_account: "robot".to_owned(),
        pull_secrets: names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

async fn find(
    server: &ApiServer,
    source: &CredentialsSource,
    pod: &PodIdentity,
    image: &str,
) -> Result<FoundCredentials, CredentialError> {
    let trust_server = TrustServer::at("https://notary.example.com".parse().unwrap());
    let image = ImageReference::parse(image).unwrap();
    let credentials = ClusterCredentials::new(server.client());
    let found = credentials.access(source, pod, &trust_server, ImageName::from(&image)).await;
    assert_eq!(server.unexpected(), Vec::<String>::new());
    found
}

async fn access(
    server: &ApiServer,
    source: &CredentialsSource,
    pod: &PodIdentity,
) -> Result<Vec<Access>, CredentialError> {
    find(server, source, pod, WEB).await.map(|found| found.accesses)
}

/// What is found for an image in the pull secrets of a pod.
async fn found(server: &ApiServer, image: &str, names: &[&str]) -> FoundCredentials {
    find(server, &CredentialsSource::ImagePullSecrets, &pod(names), image).await.unwrap()
}

#[tokio::test]
async fn a_client_certificate_is_read_from_its_secret_and_what_is_missing_is_named() {
    let server = ApiServer::new();
    put(&server, "client", &[("tls.crt", "certificate"), ("tls.key", "key")]);
    put(&server, "half", &[("tls.crt", "certificate")]);
    let credentials = ClusterCredentials::new(server.client());
    let read = async |name: &str| {
        let secret = SecretRef { namespace: "shop".to_owned(), name: name.to_owned() };
        credentials.read(&secret).await.map_err(|error| error.message)
    };
    let found = CertificatePem { certificate: "certificate".to_owned(), key: Secret::new("key") };
    assert_eq!(read("client").await, Ok(found));
    assert_eq!(read("half").await.unwrap_err(), "the secret shop/half cannot be used: it has no tls.key");
    assert_eq!(read("gone").await.unwrap_err(), "the secret shop/gone cannot be used: it does not exist");
    server.fail("GET secrets", Fault::Status(403, r#"secrets "client" is forbidden"#));
    assert_eq!(
        read("client").await.unwrap_err(),
        r#"the secret shop/client cannot be read: secrets "client" is forbidden; let tagseal's ServiceAccount get secrets in the namespace shop (the chart's value pullSecrets.access)"#
    );
}

async fn pulled(server: &ApiServer, names: &[&str]) -> Result<Vec<Access>, CredentialError> {
    access(server, &CredentialsSource::ImagePullSecrets, &pod(names)).await
}

fn basic(user: &str) -> Access {
    Access::Basic { username: user.to_owned(), password: Secret::new("hunter2") }
}

#[tokio::test]
async fn the_pods_own_pull_secrets_come_before_its_service_accounts_as_for_kubelet() {
    let server = ApiServer::new();
    put(&server, "own", &[(".dockerconfigjson", &docker(REGISTRY, "own"))]);
    put(
        &server,
        "robots",
        &[(".dockercfg", r#"{"registry.example.com":{"username":"robots","password":"hunter2"}}"#)],
    );
    service_account(&server, &["robots"]);
    assert_eq!(pulled(&server, &["own"]).await, Ok(vec![basic("own")]));
    assert_eq!(server.requests(), ["GET secrets shop/own"]);
    assert_eq!(pulled(&server, &[]).await, Ok(vec![basic("robots")]));
    assert_eq!(
        server.requests()[1..],
        ["GET serviceaccounts shop/robot".to_owned(), "GET secrets shop/robots".to_owned()]
    );
}

#[tokio::test]
async fn what_is_missing_or_of_another_type_is_passed_over_as_kubelet_does() {
    let server = ApiServer::new();
    assert_eq!(pulled(&server, &[]).await, Ok(vec![Access::Anonymous]), "no ServiceAccount");
    assert_eq!(pulled(&server, &["gone"]).await, Ok(vec![Access::Anonymous]));
    put(&server, "other", &[(".dockerconfigjson", &docker("elsewhere.example.com", "other"))]);
    put(&server, "token", &[("token", "x")]);
    put(&server, "own", &[(".dockerconfigjson", &docker(REGISTRY, "own"))]);
    assert_eq!(pulled(&server, &["gone", "other", "own", "token"]).await, Ok(vec![basic("own")]));
}

#[tokio::test]
async fn t22_a_password_that_names_no_host_is_used_only_where_a_policy_names_its_secret() {
    let server = ApiServer::new();
    put(&server, "login", &[("username", "login"), ("password", "hunter2")]);
    assert_eq!(pulled(&server, &["login"]).await, Ok(vec![Access::Anonymous]));
    let named = CredentialsSource::Secret { namespace: "shop".to_owned(), name: "login".to_owned() };
    assert_eq!(access(&server, &named, &pod(&[])).await, Ok(vec![basic("login")]));
}

#[tokio::test]
async fn a_name_that_no_secret_can_have_never_reaches_the_api_server() {
    let server = ApiServer::new();
    let names = ["../../kube-system/secrets/root", "own?watch=true", "own/status", "", "Own"];
    assert_eq!(pulled(&server, &names).await, Ok(vec![Access::Anonymous]));
    let robot = PodIdentity { service_account: "../pods".to_owned(), ..pod(&[]) };
    let access = access(&server, &CredentialsSource::ImagePullSecrets, &robot).await;
    assert_eq!(access, Ok(vec![Access::Anonymous]));
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_told_with_the_right_that_is_missing() {
    let server = ApiServer::new();
    server.fail("GET secrets", Fault::Status(403, r#"secrets "own" is forbidden"#));
    server.fail("GET serviceaccounts", Fault::Status(403, r#"serviceaccounts "robot" is forbidden"#));
    assert_eq!(
        pulled(&server, &["own"]).await.unwrap_err().message,
        r#"the secret shop/own cannot be read: secrets "own" is forbidden; let tagseal's ServiceAccount get secrets in the namespace shop (the chart's value pullSecrets.access)"#
    );
    assert_eq!(
        pulled(&server, &[]).await.unwrap_err().message,
        r#"the ServiceAccount shop/robot cannot be read: serviceaccounts "robot" is forbidden; let tagseal's ServiceAccount get serviceaccounts in the namespace shop (the chart's value pullSecrets.access)"#
    );
}

#[tokio::test]
async fn p7_a_secret_that_a_policy_names_must_be_there_and_usable() {
    let server = ApiServer::new();
    let named = CredentialsSource::Secret { namespace: "shop".to_owned(), name: "login".to_owned() };
    let message = access(&server, &named, &pod(&[])).await.unwrap_err().message;
    assert!(message.starts_with("the secret shop/login cannot be used: it does not exist"), "{message}");
    put(&server, "login", &[("token", "hunter2")]);
    let message = access(&server, &named, &pod(&[])).await.unwrap_err().message;
    assert!(message.contains("neither .dockerconfigjson nor .dockercfg nor username"), "{message}");
    put(
        &server,
        "login",
        &[(".dockerconfigjson", r#"{"auths":{"registry.example.com":{"auth":"hunter2"}}}"#)],
    );
    let message = access(&server, &named, &pod(&[])).await.unwrap_err().message;
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn anonymous_asks_the_api_server_for_nothing() {
    let server = ApiServer::new();
    assert_eq!(
        access(&server, &CredentialsSource::Anonymous, &pod(&["own"])).await,
        Ok(vec![Access::Anonymous])
    );
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn the_path_of_an_entry_is_looked_for_in_the_images_own_name() {
    let server = ApiServer::new();
    let config = json!({"auths": {
        "mirror.example.com/hub": {"username": "hub", "password": "hunter2"},
        "mirror.example.com/library": {"username": "library", "password": "hunter2"},
    }});
    put(&server, "own", &[(".dockerconfigjson", &config.to_string())]);
    let hub = found(&server, "mirror.example.com/hub/library/nginx:1", &["own"]).await;
    assert_eq!(hub.accesses, [basic("hub")]);
}

#[tokio::test]
async fn entries_of_all_secrets_are_tried_in_kubelets_order_and_each_once() {
    let server = ApiServer::new();
    put(&server, "a", &[(".dockerconfigjson", &docker("*.example.com", "glob"))]);
    put(
        &server,
        "b",
        &[(".dockercfg", r#"{"registry.example.com":{"username":"host","password":"hunter2"}}"#)],
    );
    put(&server, "c", &[(".dockerconfigjson", &docker("https://Registry.example.com/v2/shop/", "path"))]);
    put(&server, "d", &[(".dockerconfigjson", &docker("registry.example.com/other", "other"))]);
    put(&server, "e", &[(".dockerconfigjson", &docker("registry.example.com:443", "host"))]);
    let found = found(&server, WEB, &["a", "b", "c", "d", "e"]).await;
    assert_eq!(found.accesses, [basic("path"), basic("host"), basic("glob")]);
}

#[tokio::test]
async fn a_pod_cannot_have_more_than_a_few_entries_tried() {
    let server = ApiServer::new();
    let auths: serde_json::Map<_, _> = (0..200)
        .map(|n| {
            (
                format!("registr{}*.example.com", "*".repeat(n)),
                json!({"username": n.to_string(), "password": "x"}),
            )
        })
        .collect();
    put(&server, "many", &[(".dockerconfigjson", &json!({ "auths": auths }).to_string())]);
    assert_eq!(found(&server, WEB, &["many"]).await.accesses.len(), 16);
}

#[tokio::test]
async fn null_and_nothing_in_a_secret_are_no_credentials_and_no_error() {
    let server = ApiServer::new();
    for (number, entries) in [
        [(".dockerconfigjson", "")],
        [(".dockerconfigjson", " \n")],
        [(".dockerconfigjson", "null")],
        [(".dockerconfigjson", r#"{"auths":null}"#)],
        [(".dockerconfigjson", r#"{"auths":{"registry.example.com":null},"credHelpers":null}"#)],
        [(".dockercfg", "")],
        [(".dockercfg", r#"{"registry.example.com":{"auth":null}}"#)],
    ]
    .iter()
    .enumerate()
    {
        let name = format!("s{number}");
        put(&server, &name, entries);
        assert_eq!(pulled(&server, &[&name]).await, Ok(vec![Access::Anonymous]), "{entries:?}");
        let named = CredentialsSource::Secret { namespace: "shop".to_owned(), name };
        assert_eq!(access(&server, &named, &pod(&[])).await, Ok(vec![Access::Anonymous]), "{entries:?}");
    }
    let legacy = r#"{"registry.example.com":{"username":"legacy","password":"hunter2"}}"#;
    put(&server, "both", &[(".dockerconfigjson", ""), (".dockercfg", legacy)]);
    assert_eq!(pulled(&server, &["both"]).await, Ok(vec![basic("legacy")]));
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_hides_no_other_one_and_shows_nothing_of_itself() {
    let server = ApiServer::new();
    put(&server, "bad", &[(".dockerconfigjson", r#"{"auths":{"registry.example.com":"hunter2"}}"#)]);
    put(
        &server,
        "half",
        &[(".dockerconfigjson", r#"{"auths":{"registry.example.com":{"auth":"aHVudGVyMg=="}}}"#)],
    );
    put(&server, "good", &[(".dockerconfigjson", &docker(REGISTRY, "good"))]);
    let good = found(&server, WEB, &["bad", "good", "half"]).await;
    assert_eq!(good.accesses, [basic("good")]);
    for text in [
        "from the pull secrets shop/good",
        "the secret shop/bad cannot be used",
        "the secret shop/half cannot",
    ] {
        assert!(good.remark.contains(text), "{}", good.remark);
    }
    assert!(!good.remark.contains("hunter2") && !good.remark.contains("aHVudGVyMg"), "{}", good.remark);
    for name in ["bad", "half"] {
        let message = pulled(&server, &[name]).await.unwrap_err().message;
        assert!(message.starts_with(&format!("the secret shop/{name} cannot be used: ")), "{message}");
        assert!(!message.contains("hunter2") && !message.contains("aHVudGVyMg"), "{message}");
    }
    server.fail("GET secrets shop/half", Fault::Status(403, "forbidden"));
    assert_eq!(found(&server, WEB, &["good", "half"]).await.accesses, [basic("good")]);
}

#[tokio::test]
async fn who_is_refused_is_told_which_secrets_were_read_and_what_they_lack() {
    let server = ApiServer::new();
    put(&server, "other", &[(".dockerconfigjson", &docker("elsewhere.example.com", "other"))]);
    put(&server, "path", &[(".dockerconfigjson", &docker("registry.example.com/other", "other"))]);
    put(&server, "stored", &[(".dockerconfigjson", r#"{"auths":{"registry.example.com":{}}}"#)]);
    put(&server, "login", &[("username", "u"), ("password", "hunter2")]);
    put(&server, "own", &[(".dockerconfigjson", &docker(REGISTRY, "own"))]);
    service_account(&server, &[]);
    let remark = async |names: &[&str]| found(&server, WEB, names).await.remark;
    assert_eq!(
        remark(&["other", "path"]).await,
        "pull secrets read: shop/other, shop/path; none has an entry for registry.example.com/shop/web"
    );
    assert_eq!(
        remark(&["stored"]).await,
        "pull secrets read: shop/stored; none has a user name and password, or a token, for registry.example.com/shop/web"
    );
    assert_eq!(remark(&["login"]).await, "no docker configuration: shop/login");
    assert_eq!(remark(&["other", "own"]).await, "the credentials are from the pull secrets shop/own");
    assert_eq!(remark(&[]).await, "neither the pod nor its ServiceAccount names a pull secret");
    let names: Vec<_> = (0..9).map(|n| format!("s{n}")).collect();
    for name in &names {
        put(&server, name, &[(".dockerconfigjson", "{}")]);
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(
        remark(&names).await,
        "pull secrets read: shop/s0, shop/s1, shop/s2, shop/s3, shop/s4 and 4 more; none has an entry for \
         registry.example.com/shop/web"
    );
}

#[tokio::test]
async fn what_does_not_exist_yet_is_told_and_is_there_as_soon_as_it_exists() {
    let server = ApiServer::new();
    put(&server, "other", &[(".dockerconfigjson", &docker("elsewhere.example.com", "other"))]);
    let missing = found(&server, WEB, &["gone", "other"]).await;
    assert!(missing.is_incomplete);
    assert_eq!(
        missing.remark,
        "the pull secret shop/gone does not exist yet; try again once it does; pull secrets read: shop/other; none has \
         an entry for registry.example.com/shop/web"
    );
    put(&server, "gone", &[(".dockerconfigjson", &docker(REGISTRY, "own"))]);
    let there = found(&server, WEB, &["gone", "other"]).await;
    assert_eq!((there.accesses, there.is_incomplete), (vec![basic("own")], false));

    let nobody = found(&server, WEB, &[]).await;
    assert!(nobody.is_incomplete);
    assert_eq!(nobody.remark, "the ServiceAccount shop/robot does not exist yet; try again once it does");
    service_account(&server, &["gone", "never"]);
    let robot = found(&server, WEB, &[]).await;
    assert_eq!((robot.accesses, robot.is_incomplete), (vec![basic("own")], true));
    assert!(!found(&server, WEB, &["other"]).await.is_incomplete);
}
