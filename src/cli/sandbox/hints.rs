//! What is said before and after the story: what runs where, and what to try in a second shell.

use std::path::{Path, PathBuf};

use super::printer::Style;
use crate::sandbox::cluster::NAME;
use crate::sandbox::stage::{PASSPHRASE, Stage};

/// What was started, and how to read the story's commands.
pub(super) fn opening(places: &Places, style: Style) -> String {
    let Places { notary, registry, webhook, folder } = places;
    let title = "tagseal sandbox: a trust server, a registry and the webhook, on this machine alone";
    let rows = [
        ("trust server", notary.as_str(), "Notary v1, embedded"),
        ("registry", registry, "OCI, in memory"),
        ("webhook", webhook, "tagseal's own, with a sample policy"),
        ("folder", folder, "keys, certificates, policy.yaml"),
    ];
    let width = rows.iter().map(|(_, at, _)| at.chars().count()).max().unwrap_or_default();
    let rows: String =
        rows.iter().map(|(what, at, is)| format!("  {what:<14} {at:<width$}   {is}\n")).collect();
    format!(
        "{}\n\n{rows}\nCommands are shown as they are typed in that folder, where\n\
         \x20 DOCKER_CONTENT_TRUST_SERVER={notary}\n\
         and `--ca-bundle ca.crt` goes with every `tagseal trust` that asks a server. Long hashes are cut.",
        style.bold(title)
    )
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The trust server's address.
    pub notary: String,
    /// The registry's address.
    pub registry: String,
    /// The webhook's address.
    pub webhook: String,
    /// The sandbox's folder.
    pub folder: String,
}

impl Places {
    /// Those of a stage.
    pub fn of(stage: &Stage) -> Self {
        Self {
            notary: stage.notary_url(),
            registry: format!("https://{}", stage.registry_host()),
            webhook: stage.webhook_url(),
            folder: stage.path().display().to_string(),
        }
    }
}

/// What to try.
pub(super) fn closing(stage: &Stage, kubeconfig: Option<&Path>, style: Style) -> String {
    let folder = stage.path().display();
    let tagseal = program();
    let (notary, webhook) = (stage.notary_url(), stage.webhook_url());
    let (web, unsigned) = (stage.repository("shop/web:1.4"), stage.repository("shop/web:1.5"));
    let trust = format!("--server {notary} --ca-bundle {folder}/ca.crt --trust-dir {folder}");
    let sign = |who: &str| {
        format!(
            "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE={PASSPHRASE} {tagseal} trust sign {unsigned} {trust}/{who}"
        )
    };
    let mut groups = vec![
        (
            "Ask what a cluster would say, with the policy of the story:",
            vec![
                format!("{tagseal} verify {web} --policy {folder}/policy.yaml"),
                format!("{tagseal} verify {unsigned} --policy {folder}/policy.yaml"),
            ],
        ),
        ("Sign what nobody signed yet, as Alice and as QA, and ask again:", vec![sign("alice"), sign("qa")]),
        (
            "Look at a repository:",
            vec![format!(
                "{tagseal} trust inspect {} --server {notary} --ca-bundle {folder}/ca.crt --trust-dir {folder}/owner",
                stage.repository("shop/web")
            )],
        ),
        (
            "Send the webhook a review, as an API server does:",
            vec![format!(
                "curl --cacert {folder}/ca.crt -H 'Content-Type: application/json' -d @{folder}/review.json {webhook}/mutate"
            )],
        ),
    ];
    if let Some(kubeconfig) = kubeconfig {
        let kubectl = format!("kubectl --kubeconfig {} -n {NAME}", kubeconfig.display());
        groups.push((
            "Ask the cluster, whose API server calls this webhook for the namespace tagseal-sandbox:",
            vec![
                format!("{kubectl} run web --image {web} --dry-run=server -o jsonpath='{{.spec.containers[0].image}}'"),
                format!("{kubectl} run web --image {unsigned} --dry-run=server"),
            ],
        ));
    }
    let mut text = format!("\n{}\n", style.bold("Everything stays up. In a second shell:"));
    for (title, commands) in groups {
        text.push_str(&format!("\n  {title}\n"));
        commands.iter().for_each(|command| text.push_str(&format!("    {command}\n")));
    }
    let end = match (stage.is_kept(), kubeconfig) {
        (true, None) => format!("Ctrl-C ends it; {folder} stays."),
        (true, Some(_)) => format!("Ctrl-C ends it and tidies the cluster; {folder} stays."),
        (false, None) => "Ctrl-C ends it and removes the folder.".to_owned(),
        (false, Some(_)) => "Ctrl-C ends it, tidies the cluster and removes the folder.".to_owned(),
    };
    format!("{text}\n{end}")
}

/// What a second shell starts this program by: its name where a shell finds it, else where it is.
fn program() -> String {
    let Ok(own) = std::env::current_exe() else { return "tagseal".to_owned() };
    let is_own = |folder: PathBuf| folder.join("tagseal").canonicalize().is_ok_and(|found| found == own);
    let is_found = std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(is_own));
    if is_found { "tagseal".to_owned() } else { own.display().to_string() }
}

/// What becomes of a folder that stays.
pub(super) fn kept(stage: &Stage) -> String {
    let folder = stage.path().display();
    format!("Everything is in {folder}: `tagseal sandbox --data-dir {folder}` takes it up again.")
}
