//! Docker's configuration, with helpers that are shell scripts.

use super::*;

/// A configuration directory with `config.json` and a `bin` of helpers.
struct Home(tempfile::TempDir);

impl Home {
    fn with(config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.json"), config).unwrap();
        std::fs::create_dir(home.path().join("bin")).unwrap();
        Self(home)
    }

    fn helper(self, name: &str, script: &str) -> Self {
        let path = self.0.path().join("bin").join(format!("docker-credential-{name}"));
        // Written by another process: were it open for writing here while another test forks, it could not be run.
        let script = format!("#!/bin/sh\n{script}\n");
        let write = r#"printf %s "$1" > "$0" && chmod 755 "$0""#;
        assert!(Command::new("sh").arg("-c").arg(write).arg(&path).arg(script).status().unwrap().success());
        self
    }

    async fn credentials(&self, registry: &str) -> Result<Option<Access>, String> {
        let config = DockerConfig::at(self.0.path()).with_helpers_in(self.0.path().join("bin"));
        let here = self.0.path().display().to_string();
        config.credentials(registry, "shop/web").await.map_err(|error| error.message.replace(&here, "HOME"))
    }
}

fn basic(username: &str, password: &str) -> Result<Option<Access>, String> {
    Ok(Some(Access::Basic { username: username.into(), password: Secret::new(password) }))
}

fn token(token: &str) -> Result<Option<Access>, String> {
    Ok(Some(Access::IdentityToken(Secret::new(token))))
}

#[tokio::test]
async fn reads_what_the_file_holds_under_any_spelling_of_the_registry() {
    // alice:s3:cret
    let home = Home::with(
        r#"{"auths":{
            "registry.example.com":{"auth":"YWxpY2U6czM6Y3JldA=="},
            "https://old.example.com/v1/":{"auth":"YWxpY2U6czM6Y3JldA"},
            "plain.example.com:5000":{"username":"bob","password":"pw"},
            "stored.example.com":{}
        },"HttpHeaders":{"x":"y"}}"#,
    );
    assert_eq!(home.credentials("registry.example.com").await, basic("alice", "s3:cret"));
    assert_eq!(home.credentials("old.example.com").await, basic("alice", "s3:cret"));
    assert_eq!(home.credentials("plain.example.com:5000").await, basic("bob", "pw"));
    assert_eq!(home.credentials("plain.example.com").await, Ok(None));
    assert_eq!(home.credentials("stored.example.com").await, Ok(None));
    assert_eq!(home.credentials("example.com").await, Ok(None));
}

#[tokio::test]
async fn docker_hub_is_found_under_its_legacy_key() {
    let home = Home::with(r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YWxpY2U6cHc="}}}"#);
    assert_eq!(home.credentials("docker.io").await, basic("alice", "pw"));
    assert_eq!(home.credentials("registry.example.com").await, Ok(None));
}

#[tokio::test]
async fn an_identity_token_wins_over_the_placeholder_beside_it() {
    // 00000000-…:
    let home = Home::with(r#"{"auths":{"a.azurecr.io":{"auth":"MDAwMDAwMDA6","identitytoken":"refresh"}}}"#);
    assert_eq!(home.credentials("a.azurecr.io").await, token("refresh"));
}

#[tokio::test]
async fn a_registrys_own_helper_wins_over_the_store_and_the_store_over_the_file() {
    let config = r#"{"auths":{"c.test":{"auth":"ZmlsZTpwdw=="},"d.test":{"auth":"ZmlsZTpwdw=="}},
        "credsStore":"store","credHelpers":{"a.test":"own","b.test":"","docker.io":"hub"}}"#;
    let home = Home::with(config)
        .helper("own", r#"read k; echo "{\"Username\":\"$1 $k\",\"Secret\":\"pw\"}""#)
        .helper("hub", r#"read k; echo "{\"Username\":\"$k\",\"Secret\":\"pw\"}""#)
        .helper(
            "store",
            r#"read k; case $k in
              c.test) echo '{"Username":"<token>","Secret":"refresh"}';;
              *) echo 'credentials not found in native keychain'; exit 1;;
            esac"#,
        );
    assert_eq!(home.credentials("a.test").await, basic("get a.test", "pw"));
    assert_eq!(home.credentials("b.test").await, Ok(None));
    assert_eq!(home.credentials("c.test").await, token("refresh"));
    assert_eq!(home.credentials("d.test").await, basic("file", "pw"));
    assert_eq!(home.credentials("e.test").await, Ok(None));
    assert_eq!(home.credentials("docker.io").await, basic("https://index.docker.io/v1/", "pw"));
}

#[tokio::test]
async fn a_broken_helper_is_an_error_that_names_it_and_no_secret() {
    let config = r#"{"credHelpers":{"a.test":"gone","b.test":"fails","c.test":"babbles","d.test":"../x","e.test":"mute"}}"#;
    let home = Home::with(config)
        .helper("fails", "echo 'the keychain is locked'; exit 3")
        .helper("babbles", "echo 's3cret'")
        .helper("mute", "echo 'no display' >&2; exit 1");
    let told = |helper: &str, registry: &str, what: &str| {
        Err(format!(
            "docker-credential-{helper}, asked for {registry}: {what}: check credHelpers and credsStore in docker's config.json"
        ))
    };
    assert_eq!(
        home.credentials("a.test").await,
        told("gone", "a.test", "it is not installed, or not in PATH")
    );
    let failed = "it failed (exit status: 3): the keychain is locked";
    assert_eq!(home.credentials("b.test").await, told("fails", "b.test", failed));
    assert_eq!(
        home.credentials("c.test").await,
        told("babbles", "c.test", "its answer is not the JSON of a helper")
    );
    assert_eq!(
        home.credentials("d.test").await,
        told("../x", "d.test", "the name of a helper is not a path")
    );
    assert_eq!(
        home.credentials("e.test").await,
        told("mute", "e.test", "it failed (exit status: 1): no display")
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_an_error_and_an_absent_one_is_not() {
    let home = Home::with("{\n \"auths\": {\"a.test\": \"s3cret\"}}");
    let expected = "HOME/config.json is not docker's configuration (line 2, column 29): correct it there";
    assert_eq!(home.credentials("a.test").await, Err(expected.into()));
    let home = Home::with(r#"{"auths":{"a.test":{"auth":"czNjcmV0"}}}"#);
    let expected = r#"HOME/config.json: auths["a.test"]: auth is not USER:PASSWORD in base64: log in again"#;
    assert_eq!(home.credentials("a.test").await, Err(expected.into()));
    let absent = home.0.path().join("absent");
    assert_eq!(DockerConfig::at(absent).credentials("a.test", "shop/web").await, Ok(None));
}

#[tokio::test]
async fn a_policy_that_reads_anonymously_does_so_here_too() {
    let home = Home::with(r#"{"auths":{"a.test":{"auth":"YWxpY2U6cHc="}}}"#);
    let config = DockerConfig::at(home.0.path());
    let server = TrustServer::at("https://a.test".parse().unwrap());
    let pod = PodIdentity::default();
    let access = async |source, registry| {
        let image = ImageName { registry, repository: "x" };
        config.access(&source, &pod, &server, image).await.unwrap()
    };
    let found = access(CredentialsSource::Anonymous, "a.test").await;
    assert_eq!(found, vec![Access::Anonymous].into());
    let alice = basic("alice", "pw").unwrap().unwrap();
    let found = access(CredentialsSource::ImagePullSecrets, "a.test").await;
    assert_eq!(found, vec![alice].into());
    // A refusal says where credentials were looked for.
    let found = access(CredentialsSource::ImagePullSecrets, "b.test").await;
    assert_eq!(found.accesses, [Access::Anonymous]);
    assert!(found.remark.ends_with("config.json has no credentials for b.test/x"), "{}", found.remark);
}

#[tokio::test]
async fn null_and_nothing_are_read_as_docker_reads_them() {
    for config in [
        "",
        "\n \t\n",
        "null",
        r#"{"auths":null}"#,
        r#"{"auths":{"a.test":null}}"#,
        r#"{"auths":{"a.test":{"auth":null,"username":null,"password":null}},"credHelpers":null,"credsStore":null}"#,
    ] {
        assert_eq!(Home::with(config).credentials("a.test").await, Ok(None), "{config:?}");
    }
    let config =
        r#"{"auths":{"reg.test:5000":{"auth":"YWxpY2U6cHc="},"other.test":null},"credHelpers":null}"#;
    let home = Home::with(config);
    assert_eq!(home.credentials("reg.test:5000").await, basic("alice", "pw"));
    assert_eq!(home.credentials("other.test").await, Ok(None));
    // A helper without a name is none, and neither is the store asked.
    let config =
        r#"{"auths":{"a.test":{"auth":"YWxpY2U6cHc="}},"credHelpers":{"a.test":null},"credsStore":"gone"}"#;
    assert_eq!(Home::with(config).credentials("a.test").await, basic("alice", "pw"));
}

#[tokio::test]
async fn a_helper_that_has_nothing_is_no_error() {
    let config = r#"{"auths":{"f.test":{"auth":"YWxpY2U6cHc="}},"credHelpers":{
        "a.test":"silent","b.test":"blank","c.test":"empty","d.test":"null","e.test":"short","f.test":"silent",
        "g.test":"aside","h.test":"half"}}"#;
    let home = Home::with(config)
        .helper("silent", "exit 0")
        .helper("blank", "echo; echo")
        .helper("empty", r#"echo '{"ServerURL":"b.test","Username":"","Secret":""}'"#)
        .helper("null", r#"echo '{"Username":null,"Secret":null}'"#)
        .helper("short", "echo 'Credentials not found'; exit 1")
        .helper("aside", "echo 'credentials not found in native keychain' >&2; exit 1")
        .helper("half", r#"echo '{"Username":"<token>","Secret":""}'"#);
    for registry in ["a.test", "b.test", "c.test", "d.test", "e.test", "g.test", "h.test"] {
        assert_eq!(home.credentials(registry).await, Ok(None), "{registry}");
    }
    assert_eq!(home.credentials("f.test").await, basic("alice", "pw"), "the file is asked");
}

#[tokio::test]
async fn keys_with_paths_and_globs_are_read_as_kubelet_reads_them() {
    let home = Home::with(
        r#"{"auths":{
            "*.example.com":{"username":"glob","password":"1"},
            "reg.example.com/shop":{"username":"shop","password":"2"},
            "reg.example.com/other":{"username":"other","password":"3"}
        }}"#,
    );
    assert_eq!(home.credentials("reg.example.com").await, basic("shop", "2"));
    assert_eq!(home.credentials("a.example.com").await, basic("glob", "1"));
    assert_eq!(home.credentials("a.b.example.com").await, Ok(None));
}
