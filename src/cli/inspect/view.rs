//! What `tagseal inspect` finds, and prints as JSON. The names are an interface: see `docs/cli.md`.

mod text;

use serde::Serialize;

use crate::cli::reading::Reading;
use crate::foreign::one_line;
use crate::trust::{Refusal, Report};
use crate::tuf::{Delegated, KeyId, Role, RoleName};

/// A repository that verified.
#[derive(Debug, Serialize)]
pub(super) struct Inspection {
    repository: String,
    server: String,
    verified: bool,
    root: Root,
    snapshot: Base,
    timestamp: Base,
    roles: Vec<RoleView>,
    delegations: Vec<Delegation>,
    targets: Vec<Target>,
    unusable: Vec<Unusable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// The tag that was asked for, if one was.
    #[serde(skip)]
    tag: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Root {
    version: u64,
    expires: String,
    threshold: u64,
    #[serde(rename = "keyIDs")]
    key_ids: Vec<String>,
}

/// The snapshot or the timestamp.
#[derive(Debug, Serialize)]
struct Base {
    version: u64,
    expires: String,
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

/// A delegation, published or not.
#[derive(Debug, Serialize)]
struct Delegation {
    name: String,
    threshold: u64,
    #[serde(rename = "keyIDs")]
    key_ids: Vec<String>,
    paths: Vec<String>,
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
    pub(super) fn of(reading: &Reading, refusal: &Refusal) -> Self {
        Self {
            repository: reading.repository.gun().to_string(),
            server: reading.server_address(),
            verified: false,
            reason: refusal.reason().as_str(),
            message: refusal.message().to_owned(),
        }
    }

    pub(super) fn text(&self) -> String {
        format!("{}: {}", self.reason, one_line(&self.message, usize::MAX))
    }
}

impl Inspection {
    pub(super) fn of(reading: &Reading, report: &Report) -> Self {
        let root = report.repository.root();
        let roles = report.repository.roles(report.now, report.clock_skew);
        let tag = reading.repository.tag().map(|tag| tag.as_str().to_owned());
        let shown = |name: &str| tag.as_deref().is_none_or(|tag| tag == name);
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
            repository: reading.repository.gun().to_string(),
            server: reading.server_address(),
            verified: true,
            root: Root {
                version: root.version(),
                expires: root.expires().to_string(),
                threshold: root.threshold(),
                key_ids: hex(&root.key_ids()),
            },
            snapshot: Base::of(report, &RoleName::snapshot()),
            timestamp: Base::of(report, &RoleName::timestamp()),
            delegations: roles.iter().flat_map(Role::delegated).map(Delegation::of).collect(),
            targets: targets.collect(),
            unusable: unusable.collect(),
            warnings: report.warnings.clone(),
            roles: roles.iter().map(RoleView::of).collect(),
            tag,
        }
    }
}

impl Base {
    fn of(report: &Report, role: &RoleName) -> Self {
        let (version, expires) = report.repository.version_and_expiry(role).unwrap_or_default();
        Self { version, expires: expires.to_string() }
    }
}

impl RoleView {
    fn of(role: &Role<'_>) -> Self {
        Self {
            name: role.name().to_string(),
            version: role.version(),
            expires: role.expires().to_string(),
            threshold: role.threshold(),
            key_ids: hex(&role.key_ids()),
            signed_by: role.signed_by().iter().map(|signer| signer.key_id.to_string()).collect(),
        }
    }
}

impl Delegation {
    fn of(delegated: Delegated<'_>) -> Self {
        Self {
            name: delegated.name.to_string(),
            threshold: delegated.threshold,
            key_ids: hex(&delegated.key_ids),
            paths: delegated.paths.iter().map(|&path| path.to_owned()).collect(),
        }
    }
}

fn hex(ids: &[KeyId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
