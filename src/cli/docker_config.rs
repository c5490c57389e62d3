//! [`DockerConfig`]: docker's own credentials, `config.json` and the helpers that it names.
//!
//! What docker does, done alike: a helper for the registry (`credHelpers`), else the general one (`credsStore`), else
//! what the file itself holds (`auths`). One step more: where the helper knows nothing, the file is asked.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use super::notary_auth;
use crate::foreign::plain;
use crate::image::{DOCKER_HUB_HOSTS, is_docker_hub};
use crate::policy::{CredentialsSource, TrustServer};
use crate::trust::{
    Access, BoxFuture, CredentialError, Credentials, DockerAuths, DockerAuthsError, FoundCredentials,
    ImageName, PodIdentity, Secret, read_json,
};

/// The key under which docker keeps Docker Hub's credentials.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// How begins what a helper says that has nothing for a registry. Those of docker-credential-helpers go on with "in native
/// keychain".
const NOT_FOUND: &str = "credentials not found";
/// A helper may have to ask a token service; more than this it may not take.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// Docker's configuration directory as a source of credentials.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    directory: Option<PathBuf>,
    /// Where helpers are looked for in place of `PATH`.
    path: Option<OsString>,
    /// What is shown in place of what docker has.
    notary_auth: Option<Secret>,
}

impl DockerConfig {
    /// `$DOCKER_CONFIG`, else `~/.docker`.
    pub fn from_env() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let directory =
            variable("DOCKER_CONFIG").or_else(|| variable("HOME").map(|home| home.join(".docker")));
        Self { directory, path: None, notary_auth: None }
    }

    /// This directory.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Some(directory.into()), path: None, notary_auth: None }
    }

    /// The same, in whose place `NOTARY_AUTH` counts where it is set: for trust servers that no policy names.
    pub fn after_notary_auth(self) -> Self {
        Self { notary_auth: notary_auth::from_env(), ..self }
    }

    /// Looks for helpers in these directories (a list as in `PATH`) and nowhere else.
    pub fn with_helpers_in(self, path: impl Into<OsString>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// The credentials for `repository` on `registry`; `None` where docker has none.
    ///
    /// # Errors
    /// When the file cannot be read, or a helper fails.
    pub async fn credentials(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Access>, CredentialError> {
        Ok(self.all(registry, repository).await?.into_iter().next())
    }

    /// All credentials for `repository` on `registry`, in the order in which they are to be tried.
    async fn all(&self, registry: &str, repository: &str) -> Result<Vec<Access>, CredentialError> {
        if let Some(given) = &self.notary_auth {
            return Ok(vec![notary_auth::read(given)?]);
        }
        let Some((file, config)) = self.read().await? else { return Ok(Vec::new()) };
        if let Some(helper) = config.helper(registry)
            && let Some(access) = self.ask(helper, registry).await?
        {
            return Ok(vec![access]);
        }
        let found = config.auths.matching(registry, repository);
        found.map_err(|error| CredentialError { message: format!("{file}: {error}") })
    }

    /// What a caller is told whose request is refused.
    fn remark(&self, image: ImageName<'_>) -> String {
        match &self.directory {
            Some(directory) => {
                format!("{} has no credentials for {image}", directory.join("config.json").display())
            }
            None => "there is no configuration of docker: neither DOCKER_CONFIG nor HOME is set".to_owned(),
        }
    }

    async fn read(&self) -> Result<Option<(String, Config)>, CredentialError> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let path = directory.join("config.json");
        let file = path.display().to_string();
        let bytes = match tokio::fs::read(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let message = format!("{file} cannot be read ({error}): check its permissions");
                return Err(CredentialError { message });
            }
        };
        match Config::read(&bytes) {
            Ok(config) => Ok(Some((file, config))),
            Err(error) => Err(CredentialError { message: format!("{file} is {error}") }),
        }
    }

    async fn ask(&self, helper: &str, registry: &str) -> Result<Option<Access>, CredentialError> {
        let program = format!("docker-credential-{helper}");
        let failed = |what: &str| CredentialError {
            message: format!(
                "{program}, asked for {registry}: {what}: check credHelpers and credsStore in docker's config.json"
            ),
        };
        if helper.contains(['/', '\\']) {
            return Err(failed("the name of a helper is not a path"));
        }
        let mut command = Command::new(&program);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let key = if is_docker_hub(registry) { HUB_KEY } else { registry }.to_owned();
        // A thread of its own: a helper that hangs must not keep the program from ending.
        std::thread::spawn(move || drop(sender.send(run(command, &key))));
        let outcome = match tokio::time::timeout(HELPER_TIMEOUT, receiver).await {
            Ok(Ok(outcome)) => outcome,
            _ => Err(format!("no answer within {} s", HELPER_TIMEOUT.as_secs())),
        };
        outcome.map_err(|what| failed(&what))
    }
}

impl Credentials for DockerConfig {
    /// Docker's credentials stand for the pod's pull secrets and for a named secret, neither of which exists outside
    /// a cluster. A policy that reads anonymously does so here too.
    fn access<'a>(
        &'a self,
        source: &'a CredentialsSource,
        _: &'a PodIdentity,
        _: &'a TrustServer,
        image: ImageName<'a>,
    ) -> BoxFuture<'a, Result<FoundCredentials, CredentialError>> {
        Box::pin(async move {
            if *source == CredentialsSource::Anonymous {
                return Ok(vec![Access::Anonymous].into());
            }
            let accesses = self.all(image.registry, image.repository).await?;
            if !accesses.is_empty() {
                return Ok(accesses.into());
            }
            let remark = self.remark(image);
            Ok(FoundCredentials { remark, ..vec![Access::Anonymous].into() })
        })
    }
}

struct Config {
    helpers: Helpers,
    auths: DockerAuths,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Helpers {
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, Option<String>>>,
}

impl Config {
    fn read(json: &[u8]) -> Result<Self, DockerAuthsError> {
        Ok(Self { helpers: read_json(json)?, auths: DockerAuths::from_config(json)? })
    }

    fn helper(&self, registry: &str) -> Option<&str> {
        let own = self.helpers.cred_helpers.as_ref();
        let own = own.and_then(|own| keys(registry).into_iter().find_map(|key| own.get(key)));
        // An empty name, for which null stands too, is docker's way to say "none for this registry".
        own.unwrap_or(&self.helpers.creds_store).as_deref().filter(|helper| !helper.is_empty())
    }
}

/// The keys under which docker, and people, keep a registry's credentials.
fn keys(registry: &str) -> Vec<&str> {
    match is_docker_hub(registry) {
        true => [HUB_KEY].into_iter().chain(DOCKER_HUB_HOSTS).collect(),
        false => vec![registry],
    }
}

/// Where a helper writes nothing, or nothing into the fields, it has nothing for the registry.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: Option<String>,
    secret: Option<String>,
}

/// Runs a helper's `get` (docker-credential-helpers protocol): the registry on stdin, JSON on stdout.
fn run(mut command: Command, key: &str) -> Result<Option<Access>, String> {
    let child =
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => "it is not installed, or not in PATH".to_owned(),
        _ => format!("it cannot be started ({error})"),
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read may have ended already; its answer counts.
        let _ = stdin.write_all(key.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("it did not answer ({error})"))?;
    if !output.status.success() {
        let (said, complained) = (line(&output.stdout), line(&output.stderr));
        let said = if said.is_empty() { complained } else { said };
        return match said.to_ascii_lowercase().starts_with(NOT_FOUND) {
            true => Ok(None),
            false => Err(format!("it failed ({}): {said}", output.status)),
        };
    }
    // Never what it wrote: it is a secret.
    let answer: HelperAnswer =
        read_json(&output.stdout).map_err(|_| "its answer is not the JSON of a helper".to_owned())?;
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let Some((username, secret)) = given(answer.username).zip(given(answer.secret)) else { return Ok(None) };
    let secret = Secret::new(secret);
    Ok(Some(match username.as_str() {
        "<token>" => Access::IdentityToken(secret),
        _ => Access::Basic { username, password: secret },
    }))
}

/// The first line of what a helper says, at most 200 characters.
fn line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    plain(text.trim().lines().next().unwrap_or_default(), 200).into_owned()
}

#[cfg(test)]
mod tests;
