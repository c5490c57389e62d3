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

use crate::image::{DOCKER_HUB_HOSTS, is_docker_hub};
use crate::policy::{CredentialsSource, TrustServer};
use crate::trust::{
    Access, BoxFuture, CredentialError, Credentials, DockerAuths, DockerAuthsError, Grant, Secret,
};
use crate::tuf::Gun;

/// The key under which docker keeps Docker Hub's credentials.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// What a helper says that has nothing for a registry (docker-credential-helpers, `IsErrCredentialsNotFoundMessage`).
const NOT_FOUND: &str = "credentials not found in native keychain";
/// A helper may have to ask a token service; more than this it may not take.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// Docker's configuration directory as a source of credentials.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    directory: Option<PathBuf>,
    /// Where helpers are looked for in place of `PATH`.
    path: Option<OsString>,
}

impl DockerConfig {
    /// `$DOCKER_CONFIG`, else `~/.docker`.
    pub fn from_env() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let directory =
            variable("DOCKER_CONFIG").or_else(|| variable("HOME").map(|home| home.join(".docker")));
        Self { directory, path: None }
    }

    /// This directory.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Some(directory.into()), path: None }
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
        let Some((file, config)) = self.read().await? else { return Ok(None) };
        if let Some(helper) = config.helper(registry)
            && let Some(access) = self.ask(helper, registry).await?
        {
            return Ok(Some(access));
        }
        let found = config.auths.matching(registry, repository);
        let found = found.map_err(|error| CredentialError { message: format!("{file}: {error}") })?;
        Ok(found.into_iter().next())
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
        _: &'a Grant,
        _: &'a TrustServer,
        gun: &'a Gun,
        registry: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Access>, CredentialError>> {
        Box::pin(async move {
            match source {
                CredentialsSource::Anonymous => Ok(vec![Access::Anonymous]),
                CredentialsSource::ImagePullSecrets | CredentialsSource::Secret { .. } => {
                    let repository = gun.as_str().split_once('/').map_or("", |(_, repository)| repository);
                    Ok(vec![self.credentials(registry, repository).await?.unwrap_or_default()])
                }
            }
        })
    }
}

struct Config {
    helpers: Helpers,
    auths: DockerAuths,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Helpers {
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

impl Config {
    fn read(json: &[u8]) -> Result<Self, DockerAuthsError> {
        Ok(Self { helpers: serde_json::from_slice(json)?, auths: DockerAuths::from_config(json)? })
    }

    fn helper(&self, registry: &str) -> Option<&str> {
        let own = keys(registry).into_iter().find_map(|key| self.helpers.cred_helpers.get(key));
        // An empty name is docker's way to say "none for this registry".
        own.or(self.helpers.creds_store.as_ref()).map(String::as_str).filter(|helper| !helper.is_empty())
    }
}

/// The keys under which docker, and people, keep a registry's credentials.
fn keys(registry: &str) -> Vec<&str> {
    match is_docker_hub(registry) {
        true => [HUB_KEY].into_iter().chain(DOCKER_HUB_HOSTS).collect(),
        false => vec![registry],
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
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
        return match line(&output.stdout) {
            said if said == NOT_FOUND => Ok(None),
            said if said.is_empty() => {
                Err(format!("it failed ({}): {}", output.status, line(&output.stderr)))
            }
            said => Err(format!("it failed ({}): {said}", output.status)),
        };
    }
    // Never what it wrote: it is a secret.
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
        .map_err(|_| "its answer is not the JSON of a helper".to_owned())?;
    let secret = Secret::new(answer.secret);
    Ok(Some(match answer.username.as_str() {
        "<token>" => Access::IdentityToken(secret),
        _ => Access::Basic { username: answer.username, password: secret },
    }))
}

/// The first line of what a helper says, at most 200 characters.
fn line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    text.trim().lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
