//! What `tagseal trust move` says. The JSON names are an interface: see `docs/cli.md`.

use serde::Serialize;

use crate::cli::output::{Format, print, print_json, table, tell};
use crate::cli::repository::Repository;
use crate::foreign::one_line;
use crate::policy::TrustServer;
use crate::publish::publisher::{Moved, Standing};
use crate::tuf::RoleName;

/// What became of a move, or would.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    repository: String,
    from: String,
    to: String,
    status: Status,
    /// How many uploads were made, or would be.
    uploads: u64,
    roles: Vec<Role>,
    left_out: Vec<String>,
    /// Whether the snapshot is signed by a key of the trust directory, and not by the server's.
    snapshot_is_local: bool,
    /// What is to be done next: each a sentence without a full stop.
    next: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Status {
    WouldMove,
    WouldResume,
    Moved,
    Resumed,
    MovedBefore,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Role {
    role: String,
    /// At the old server; absent where it was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_version: Option<u64>,
    version: u64,
    /// Whether it is byte for byte what it was.
    unchanged: bool,
}

impl View {
    pub(super) fn of(
        repository: &Repository,
        (from, to): (&TrustServer, &TrustServer),
        moved: &Moved,
        dry_run: bool,
    ) -> Self {
        let status = match (moved.standing, dry_run) {
            (Standing::Moved, _) => Status::MovedBefore,
            (Standing::Empty, true) => Status::WouldMove,
            (Standing::Begun, true) => Status::WouldResume,
            (Standing::Empty, false) => Status::Moved,
            (Standing::Begun, false) => Status::Resumed,
        };
        let kept = moved.roles.iter().map(|(role, version)| Role {
            role: role.to_string(),
            old_version: Some(*version),
            version: *version,
            unchanged: true,
        });
        let renewed = moved.renewed.iter().map(|(role, old, new)| Role {
            role: role.to_string(),
            old_version: Some(*old),
            version: *new,
            unchanged: false,
        });
        let mut view = Self {
            repository: repository.gun().to_string(),
            from: address(from),
            to: address(to),
            status,
            uploads: moved.uploads,
            roles: renewed.chain(kept).collect(),
            left_out: moved.left_out.iter().map(ToString::to_string).collect(),
            snapshot_is_local: moved.snapshot_is_local,
            next: Vec::new(),
            warnings: moved.warnings.clone(),
        };
        view.roles.sort_by_key(|role| match role.role.as_str() {
            "root" => 0,
            "snapshot" => 2,
            "timestamp" => 3,
            _ => 1,
        });
        view.warn(moved);
        if matches!(status, Status::Moved | Status::Resumed | Status::MovedBefore) {
            view.next = view.what_is_next();
        }
        view
    }

    fn warn(&mut self, moved: &Moved) {
        let (gun, from) = (&self.repository, &self.from);
        if moved.followed_from > 1 {
            let version = moved.followed_from;
            self.warnings.push(format!(
                "clients whose last look at {gun} was under a root before version {version} cannot follow, because a root key \
                 of that time is not here: have them look at {from} once more before they turn to the new server"
            ));
        }
        if !self.left_out.is_empty() {
            self.warnings.push(format!("{} stayed behind", self.left_out.join(", ")));
        }
    }

    fn what_is_next(&self) -> Vec<String> {
        let Self { repository: gun, from, to, .. } = self;
        vec![
            format!("publishers and clients: DOCKER_CONTENT_TRUST_SERVER={to}, or --server {to}"),
            format!("policies: spec.notary.server: {to}"),
            format!(
                "publish no more at {from}; when nobody reads it any more, delete {gun} there with `tagseal trust delete {gun} \
                 --server {from} --keep-local`"
            ),
        ]
    }

    /// Prints it.
    ///
    /// # Errors
    /// Those of the JSON writer.
    pub(super) fn print(&self, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Json => print_json(self),
            Format::Text => {
                print(&self.text());
                self.warnings
                    .iter()
                    .for_each(|warning| tell(&format!("warning: {}", one_line(warning, usize::MAX))));
                Ok(())
            }
        }
    }

    fn text(&self) -> String {
        let Self { repository: gun, from, to, uploads, .. } = self;
        let times = if *uploads == 1 { "upload" } else { "uploads" };
        let heading = match self.status {
            Status::WouldMove => format!("Would move {gun} from {from} to {to}, in {uploads} {times}"),
            Status::WouldResume => {
                format!("Would go on moving {gun} from {from} to {to}, in {uploads} more {times}")
            }
            Status::Moved => format!("Moved {gun} from {from} to {to}, in {uploads} {times}"),
            Status::Resumed => {
                format!("Finished moving {gun} from {from} to {to}, in {uploads} more {times}")
            }
            Status::MovedBefore => format!("Nothing was changed: {gun} is at {to} already"),
        };
        let rows: Vec<Vec<String>> = self.roles.iter().map(|role| self.row(role)).collect();
        let mut lines = vec![heading];
        if let Some((first, rest)) = rows.split_first() {
            lines.push(table(&first.iter().map(String::as_str).collect::<Vec<_>>(), rest));
        }
        if !self.next.is_empty() {
            lines.push("Next:".to_owned());
            lines.extend(self.next.iter().map(|next| format!("  {next}")));
        }
        lines.join("\n")
    }

    fn row(&self, role: &Role) -> Vec<String> {
        let said = match (role.unchanged, role.old_version) {
            (true, _) => format!("version {}, as it is", role.version),
            (false, Some(old)) => format!("version {old} -> {}{}", role.version, self.signer(&role.role)),
            (false, None) => format!("version {}", role.version),
        };
        vec![format!("  {}", role.role), said]
    }

    fn signer(&self, role: &str) -> &'static str {
        match self.snapshot_is_local {
            _ if role != RoleName::snapshot().as_str() => "",
            true => ", signed here",
            false => ", signed by the server",
        }
    }
}

fn address(server: &TrustServer) -> String {
    server.url.as_str().trim_end_matches('/').to_owned()
}
