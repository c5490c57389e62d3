//! Credentials out of the cluster's secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tagseal::controller::ClusterCredentials;
use tagseal::policy::{CredentialsSource, TrustServer};
use tagseal::trust::{Access, CredentialError, Credentials as _, Grant, Secret};
use tagseal::tuf::Gun;

use super::api_server::{ApiServer, Fault};

const REGISTRY: &str = "registry.example.com";

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

fn grant(names: &[&str]) -> Grant {
    Grant {
        namespace: "shop".to_owned(),
        service_account: "robot".to_owned(),
        pull_secrets: names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

async fn access(
    server: &ApiServer,
    source: &CredentialsSource,
    grant: &Grant,
) -> Result<Vec<Access>, CredentialError> {
    let trust_server = TrustServer {
        url: "https://notary.example.com".parse().unwrap(),
        ca_pem: None,
        token_realms: Vec::new(),
    };
    let gun = Gun::new("registry.example.com/shop/web").unwrap();
    let credentials = ClusterCredentials::new(server.client());
    let access = credentials.access(source, grant, &trust_server, &gun, REGISTRY).await;
    assert_eq!(server.unexpected(), Vec::<String>::new());
    access
}

async fn pulled(server: &ApiServer, names: &[&str]) -> Result<Vec<Access>, CredentialError> {
    access(server, &CredentialsSource::ImagePullSecrets, &grant(names)).await
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
    assert_eq!(access(&server, &named, &grant(&[])).await, Ok(vec![basic("login")]));
}

#[tokio::test]
async fn a_name_that_no_secret_can_have_never_reaches_the_api_server() {
    let server = ApiServer::new();
    let names = ["../../kube-system/secrets/root", "own?watch=true", "own/status", "", "Own"];
    assert_eq!(pulled(&server, &names).await, Ok(vec![Access::Anonymous]));
    let robot = Grant { service_account: "../pods".to_owned(), ..grant(&[]) };
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
        r#"the secret shop/own cannot be read: secrets "own" is forbidden; let tagseal's ServiceAccount get secrets in the namespace shop"#
    );
    assert_eq!(
        pulled(&server, &[]).await.unwrap_err().message,
        r#"the ServiceAccount shop/robot cannot be read: serviceaccounts "robot" is forbidden; let tagseal's ServiceAccount get serviceaccounts in the namespace shop"#
    );
}

#[tokio::test]
async fn p7_a_secret_that_a_policy_names_must_be_there_and_usable() {
    let server = ApiServer::new();
    let named = CredentialsSource::Secret { namespace: "shop".to_owned(), name: "login".to_owned() };
    let message = access(&server, &named, &grant(&[])).await.unwrap_err().message;
    assert!(message.starts_with("the secret shop/login cannot be used: it does not exist"), "{message}");
    put(&server, "login", &[("token", "hunter2")]);
    let message = access(&server, &named, &grant(&[])).await.unwrap_err().message;
    assert!(message.contains("neither .dockerconfigjson nor .dockercfg nor username"), "{message}");
    put(
        &server,
        "login",
        &[(".dockerconfigjson", r#"{"auths":{"registry.example.com":{"auth":"hunter2"}}}"#)],
    );
    let message = access(&server, &named, &grant(&[])).await.unwrap_err().message;
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn anonymous_asks_the_api_server_for_nothing() {
    let server = ApiServer::new();
    assert_eq!(
        access(&server, &CredentialsSource::Anonymous, &grant(&["own"])).await,
        Ok(vec![Access::Anonymous])
    );
    assert_eq!(server.requests(), Vec::<String>::new());
}
