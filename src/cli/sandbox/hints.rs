//! What is said before and after the story: what runs where, and what to try in a second shell.

use super::printer::Style;
use crate::sandbox::stage::{PASSPHRASE, Stage};

/// What was started, and how to read the story's commands.
pub(super) fn opening(stage: &Stage, style: Style) -> String {
    let folder = stage.path().display();
    format!(
        "{title}\n\
         \x20 trust server   {notary}          Notary v1, embedded\n\
         \x20 registry       https://{registry}          OCI, in memory\n\
         \x20 webhook        {webhook}          tagseal's own\n\
         \x20 folder         {folder}\n\
         \n\
         Commands are shown as they are typed in that folder, with DOCKER_CONTENT_TRUST_SERVER={notary}\n\
         and `--ca-bundle ca.crt` on every `tagseal trust`. Long hashes are cut.",
        title =
            style.bold("tagseal sandbox: a trust server, a registry and the webhook, on this machine alone"),
        notary = stage.notary_url(),
        registry = stage.registry_host(),
        webhook = stage.webhook_url(),
    )
}

/// What to try.
pub(super) fn closing(stage: &Stage, style: Style) -> String {
    let folder = stage.path().display();
    let (notary, webhook) = (stage.notary_url(), stage.webhook_url());
    let (web, unsigned) = (stage.repository("shop/web:1.4"), stage.repository("shop/web:1.5"));
    let trust = format!("--server {notary} --ca-bundle {folder}/ca.crt --trust-dir {folder}");
    let sign = |who: &str| {
        format!(
            "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE={PASSPHRASE} tagseal trust sign {unsigned} {trust}/{who}"
        )
    };
    let groups = [
        (
            "Ask what a cluster would say, with the policy of the story:",
            vec![
                format!("tagseal verify {web} --policy {folder}/policy.yaml"),
                format!("tagseal verify {unsigned} --policy {folder}/policy.yaml"),
            ],
        ),
        ("Sign what nobody signed yet, as Alice and as QA, and ask again:", vec![sign("alice"), sign("qa")]),
        (
            "Look at a repository:",
            vec![format!(
                "tagseal trust inspect {} --server {notary} --ca-bundle {folder}/ca.crt --trust-dir {folder}/owner",
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
    let mut text = format!("\n{}\n", style.bold("Everything stays up. In a second shell:"));
    for (title, commands) in groups {
        text.push_str(&format!("\n  {title}\n"));
        commands.iter().for_each(|command| text.push_str(&format!("    {command}\n")));
    }
    let end = match stage.is_kept() {
        true => format!("Ctrl-C ends it; {folder} stays."),
        false => "Ctrl-C ends it and removes the folder.".to_owned(),
    };
    format!("{text}\n{end}")
}

/// What becomes of a folder that stays.
pub(super) fn kept(stage: &Stage) -> String {
    let folder = stage.path().display();
    format!("Everything is in {folder}: `tagseal sandbox --data-dir {folder}` takes it up again.")
}
