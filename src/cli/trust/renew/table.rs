//! What became of each role, for people and as JSON. The names are an interface: see `docs/cli.md`.

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::output::table;
use crate::cli::repository::Repository;
use crate::publish::publisher::{Renewer, RoleEnd};
use crate::tuf::KeyId;

/// What became of one repository.
#[derive(Debug, Serialize)]
pub(super) struct Renewal {
    repository: String,
    roles: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What became of one role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    role: String,
    /// When it ended before.
    expires: String,
    /// Whether that is past.
    expired: bool,
    #[serde(flatten)]
    done: Done,
    /// Whose keys renew it, where they are not here.
    #[serde(rename = "keyIDs", skip_serializing_if = "Vec::is_empty")]
    key_ids: Vec<String>,
    /// What somebody has to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    #[serde(skip)]
    is_here: bool,
}

/// What was done about a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "status")]
pub(super) enum Done {
    /// It ends late enough.
    NotDue,
    /// The server renews it when it ends.
    ByServer,
    /// It would be renewed.
    Due,
    /// It was signed anew.
    Renewed {
        version: u64,
        #[serde(rename = "newExpires", serialize_with = "as_text")]
        expires: Timestamp,
    },
    /// It ends in time, or expired, and was not renewed.
    NotRenewed,
}

impl Renewal {
    pub(super) fn new(repository: &Repository, roles: Vec<Row>, warnings: Vec<String>) -> Self {
        Self { repository: repository.gun().to_string(), roles, warnings, error: None }
    }

    pub(super) fn failed(repository: &Repository, error: &anyhow::Error) -> Self {
        let (roles, warnings) = (Vec::new(), Vec::new());
        Self { repository: repository.gun().to_string(), roles, warnings, error: Some(format!("{error:#}")) }
    }

    pub(super) fn is_failure(&self) -> bool {
        self.error.is_some()
    }

    /// Whether something has expired, or would be renewed.
    pub(super) fn is_something_left(&self) -> bool {
        let is_left = |row: &Row| row.done == Done::Due || row.expired && row.done == Done::NotRenewed;
        self.roles.iter().any(is_left)
    }

    /// Whether something ends in time whose keys are here, and was not renewed.
    pub(super) fn is_something_undone(&self) -> bool {
        self.roles.iter().any(|row| row.is_here && row.done == Done::NotRenewed)
    }

    pub(super) fn text(&self) -> String {
        let rows: Vec<_> = self.roles.iter().map(Row::cells).collect();
        format!("{}\n{}", self.repository, table(&["  ROLE", "ENDS", "STATUS", "WHO ELSE"], &rows))
    }
}

impl Row {
    pub(super) fn new(repository: &Repository, end: &RoleEnd, done: Done, now: Timestamp) -> Self {
        let gun = repository.gun();
        let hex = |ids: &[KeyId]| ids.iter().map(ToString::to_string).collect();
        let (key_ids, who) = match (&end.renewer, done) {
            (Renewer::Others { threshold, more, keys }, Done::NotRenewed) => {
                let ids: Vec<String> = hex(keys);
                let more = if keys.len() as u64 == *more { String::new() } else { format!("{more} of ") };
                // Of several who have to sign, each has a machine of their own.
                let command = match threshold {
                    1 => format!("tagseal trust renew {gun}"),
                    _ => format!("tagseal trust witness {} {gun} --pending FILE", end.role),
                };
                (ids.clone(), Some(format!("whoever has {more}{}: `{command}`", ids.join(", "))))
            }
            (Renewer::Witness, Done::NotRenewed) => {
                let who = format!(
                    "its present keys did not sign it: look, and `tagseal trust witness {} {gun}`",
                    end.role
                );
                (Vec::new(), Some(who))
            }
            (Renewer::Server, _) => (Vec::new(), Some("the server".to_owned())),
            _ => (Vec::new(), None),
        };
        Self {
            role: end.role.to_string(),
            expires: end.expires.to_string(),
            expired: end.expires < now,
            done,
            key_ids,
            who,
            is_here: end.renewer == Renewer::Here,
        }
    }

    fn cells(&self) -> Vec<String> {
        let expired = if self.expired { "expired" } else { "ends soon" };
        let status = match self.done {
            Done::NotDue | Done::ByServer => "-".to_owned(),
            Done::Due => format!("{expired}, would be renewed"),
            Done::Renewed { version, expires } => format!("renewed: version {version} ends {expires}"),
            Done::NotRenewed => format!("{expired}, not renewed"),
        };
        vec![format!("  {}", self.role), self.expires.clone(), status, self.who.clone().unwrap_or_default()]
    }
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
