//! What `tagseal inspect` prints. The JSON names are an interface.

use serde::Serialize;

use super::Subject;
use crate::cli::output::table;
use crate::trust::{Refusal, Report};
use crate::tuf::{KeyId, Role, RoleName};

/// A repository that verified.
#[derive(Debug, Serialize)]
pub(super) struct Inspection {
    repository: String,
    server: String,
    verified: bool,
    root: Root,
    roles: Vec<RoleView>,
    targets: Vec<Target>,
    unusable: Vec<Unusable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Root {
    version: u64,
    expires: String,
    #[serde(rename = "keyIDs")]
    key_ids: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleView {
    name: String,
    version: u64,
    expires: String,
    threshold: u64,
    #[serde(rename = "keyIDs")]
    key_ids: Vec<String>,
    signed_by: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Target {
    role: String,
    name: String,
    digest: String,
    length: u64,
}

#[derive(Debug, Serialize)]
struct Unusable {
    role: String,
    reason: &'static str,
    message: String,
}

/// A repository that did not verify.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    repository: String,
    server: String,
    verified: bool,
    reason: &'static str,
    message: String,
}

impl Failure {
    pub(super) fn of(subject: &Subject, refusal: &Refusal) -> Self {
        let message = match refusal {
            Refusal::Untrusted(untrusted) => &untrusted.message,
            Refusal::Unavailable(unavailable) => &unavailable.message,
        };
        Self {
            repository: subject.gun.to_string(),
            server: subject.server.url.as_str().trim_end_matches('/').to_owned(),
            verified: false,
            reason: refusal.reason().as_str(),
            message: message.clone(),
        }
    }

    pub(super) fn text(&self) -> String {
        format!("{}: {}", self.reason, self.message)
    }
}

impl Inspection {
    pub(super) fn of(subject: &Subject, report: &Report) -> Self {
        let root = report.repository.root();
        let roles = report.repository.roles(report.now, report.clock_skew);
        let shown = |name: &str| subject.tag.as_deref().is_none_or(|tag| tag == name);
        let targets = roles.iter().flat_map(|role| {
            role.targets().filter(|target| shown(target.name)).map(|target| Target {
                role: role.name().to_string(),
                name: target.name.to_owned(),
                digest: target.digest.to_string(),
                length: target.length,
            })
        });
        let unusable = report.unusable().into_iter().map(|(role, reason, message)| Unusable {
            role: role.to_string(),
            reason: reason.as_str(),
            message,
        });
        Self {
            repository: subject.gun.to_string(),
            server: subject.server.url.as_str().trim_end_matches('/').to_owned(),
            verified: true,
            root: Root {
                version: root.version(),
                expires: root.expires().to_string(),
                key_ids: hex(root.key_ids()),
            },
            roles: roles.iter().map(RoleView::of).collect(),
            targets: targets.collect(),
            unusable: unusable.collect(),
            warnings: report.warnings.clone(),
        }
    }

    /// What docker showed of a repository: signed tags with their signers, the signers' keys, the owner's keys.
    pub(super) fn text(&self, subject: &Subject) -> String {
        let what = subject
            .tag
            .as_ref()
            .map_or_else(|| self.repository.clone(), |tag| format!("{}:{tag}", self.repository));
        let mut parts = Vec::new();
        if self.targets.is_empty() {
            parts.push(format!("No signatures for {what}"));
        } else {
            let rows: Vec<_> = self.tags();
            parts.push(format!(
                "Signatures for {what}\n\n{}",
                table(&["SIGNED TAG", "DIGEST", "ROLES"], &rows)
            ));
        }
        let signers: Vec<_> = self
            .roles
            .iter()
            .filter(|role| role.name != RoleName::targets().as_str())
            .map(|role| vec![role.name.clone(), short(&role.key_ids), role.expires.clone()])
            .collect();
        if !signers.is_empty() {
            parts.push(format!(
                "Delegations and their keys\n\n{}",
                table(&["ROLE", "KEYS", "EXPIRES"], &signers)
            ));
        }
        let unusable: Vec<_> = self
            .unusable
            .iter()
            .map(|role| vec![role.role.clone(), role.reason.to_owned(), role.message.clone()])
            .collect();
        if !unusable.is_empty() {
            parts.push(format!(
                "Delegations that count for nothing\n\n{}",
                table(&["ROLE", "REASON", "WHY"], &unusable)
            ));
        }
        let repository_keys = self.roles.iter().find(|role| role.name == RoleName::targets().as_str());
        let repository_keys = repository_keys.map(|role| role.key_ids.join(", ")).unwrap_or_default();
        parts.push(format!(
            "Administrative keys\n\n  Repository Key:\t{repository_keys}\n  Root Key:\t{}",
            self.root.key_ids.join(", ")
        ));
        parts.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        parts.join("\n\n")
    }

    /// One row for each tag and digest, with the roles that list it.
    fn tags(&self) -> Vec<Vec<String>> {
        let mut rows: std::collections::BTreeMap<(&str, &str), Vec<&str>> = std::collections::BTreeMap::new();
        for target in &self.targets {
            rows.entry((&target.name, &target.digest)).or_default().push(&target.role);
        }
        rows.into_iter()
            .map(|((tag, digest), roles)| vec![tag.to_owned(), digest.to_owned(), roles.join(", ")])
            .collect()
    }
}

impl RoleView {
    fn of(role: &Role<'_>) -> Self {
        Self {
            name: role.name().to_string(),
            version: role.version(),
            expires: role.expires().to_string(),
            threshold: role.threshold(),
            key_ids: hex(role.key_ids()),
            signed_by: role.signed_by().iter().map(|signer| signer.key_id.to_string()).collect(),
        }
    }
}

fn hex(ids: Vec<KeyId>) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn short(ids: &[String]) -> String {
    ids.iter().map(|id| id.get(..12).unwrap_or(id)).collect::<Vec<_>>().join(", ")
}
