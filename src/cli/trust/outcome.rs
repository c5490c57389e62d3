//! [`Outcome`]: what a publishing command says of what it did. The JSON names are an interface: see `docs/cli.md`.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::exit_code;
use crate::cli::output::{Format, print, print_json, table, tell};
use crate::cli::repository::Repository;
use crate::foreign::{Foreign, one_line};
use crate::publish::publisher::{HandedOn, Lacking, Published, Signer, StillListed};

/// What became of one repository.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    repository: String,
    /// What was done: `Signed shop/web:1.4`.
    message: String,
    created: bool,
    published: Vec<PublishedRole>,
    new_keys: Vec<NewKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Whether consumers deny it all the same, or look elsewhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    without_effect: bool,
    /// Where what was taken back is listed all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    still_signed: Vec<StillSigned>,
    /// What others have to sign before it is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<PendingFile>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PendingFile {
    file: String,
    roles: Vec<PendingRole>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PendingRole {
    role: String,
    threshold: u64,
    signed_by: Vec<String>,
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct StillSigned {
    role: String,
    tags: Vec<String>,
    #[serde(rename = "keyIDs")]
    key_ids: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PublishedRole {
    role: String,
    version: u64,
    /// Whether for no other reason than that it ended soon.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    renewed: bool,
}

#[derive(Debug, Serialize)]
struct NewKey {
    role: String,
    #[serde(rename = "keyID")]
    key_id: String,
}

impl Outcome {
    /// What was done, in a sentence without its end, and what was published for it.
    pub(super) fn new(repository: &Repository, message: String, published: &Published) -> Self {
        let role = |(role, version): &(crate::tuf::RoleName, u64)| PublishedRole {
            role: role.to_string(),
            version: *version,
            renewed: published.renewed.contains(role),
        };
        let key =
            |(role, id): &(String, crate::tuf::KeyId)| NewKey { role: role.clone(), key_id: id.to_string() };
        let mut warnings = published.warnings.clone();
        if !published.trusted_on_first_use.is_empty() {
            let ids = published.trusted_on_first_use.iter().map(ToString::to_string).collect::<Vec<_>>();
            warnings.insert(
                0,
                format!(
                    "this trust directory had never seen {}, and believed the root that the server showed; its root key is {}: \
                     compare it with what the owner tells you",
                    repository.gun(),
                    ids.join(", ")
                ),
            );
        }
        warnings.extend(published.still_listed.iter().map(|left| left_where(repository, left)));
        let still_signed = |left: &StillListed| StillSigned {
            role: left.role.to_string(),
            tags: left.tags.clone(),
            key_ids: left.keys.iter().map(ToString::to_string).collect(),
        };
        Self {
            still_signed: published.still_listed.iter().map(still_signed).collect(),
            repository: repository.gun().to_string(),
            message,
            created: published.is_new,
            published: published.roles.iter().map(role).collect(),
            new_keys: published.new_keys.iter().map(key).collect(),
            digest: None,
            pending: None,
            without_effect: published.is_without_effect,
            warnings,
        }
    }

    /// The same of a command that takes something away: that is so whether or not consumers believe the rest.
    pub(super) fn of_removal(self) -> Self {
        Self { without_effect: false, ..self }
    }

    /// The same of a command that takes back a tag wherever it is: that is not done where it is still listed.
    pub(super) fn of_revocation(self) -> Self {
        Self { without_effect: !self.still_signed.is_empty(), ..self }
    }

    /// The same of what others have to sign before it is published.
    pub(super) fn handed_on_in(self, path: &Path, handed_on: &HandedOn) -> Self {
        let ids = |signers: &[Signer]| signers.iter().map(|signer| signer.id.to_string()).collect();
        let role = |lacking: &Lacking| PendingRole {
            role: lacking.role.to_string(),
            threshold: lacking.threshold,
            signed_by: ids(&lacking.here),
            missing: ids(&lacking.missing),
        };
        let file = path.display().to_string();
        let roles = handed_on.lacking.iter().map(role).collect();
        Self { pending: Some(PendingFile { file, roles }), ..self }
    }

    /// The digest that was signed.
    pub(super) fn with_digest(self, digest: crate::digest::Digest) -> Self {
        Self { digest: Some(digest.to_string()), ..self }
    }

    /// Whether anything was published.
    pub(super) fn is_published(&self) -> bool {
        !self.published.is_empty()
    }

    /// Something that somebody has to do, or should know.
    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Whether it was done, and consumers deny it all the same.
    pub(super) fn is_without_effect(&self) -> bool {
        self.without_effect
    }

    /// Prints it, and gives the exit status: 1 where it was done, and consumers deny it all the same.
    ///
    /// # Errors
    /// Those of the JSON writer.
    pub(super) fn print(&self, format: Format) -> anyhow::Result<ExitCode> {
        match format {
            Format::Json => print_json(self)?,
            Format::Text => {
                print(&self.text());
                self.warnings
                    .iter()
                    .for_each(|warning| tell(&format!("warning: {}", one_line(warning, usize::MAX))));
            }
        }
        Ok(exit_code(self.without_effect, false))
    }

    fn text(&self) -> String {
        let mut lines = vec![self.message.clone()];
        let rows: Vec<_> = (self.published.iter())
            .map(|role| {
                let renewed = if role.renewed { ", renewed" } else { "" };
                vec![format!("  {}", role.role), format!("version {}{renewed}", role.version)]
            })
            .chain(self.new_keys.iter().map(|key| {
                let backup =
                    if key.role == "root" { ": back it up with `tagseal trust key backup`" } else { "" };
                vec![format!("  new {} key", key.role), format!("{}{backup}", key.key_id)]
            }))
            .collect();
        if let Some((first, rest)) = rows.split_first() {
            let heading: Vec<&str> = first.iter().map(String::as_str).collect();
            lines.push(table(&heading, rest));
        }
        lines.join("\n")
    }
}

/// Where tags are listed all the same, and who takes them back.
fn left_where(repository: &Repository, left: &StillListed) -> String {
    let (gun, role) = (repository.gun(), &left.role);
    let tags = left.tags.iter().map(|tag| Foreign(tag).to_string()).collect::<Vec<_>>().join(", ");
    let keys = left.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (are, reference) = match left.tags.as_slice() {
        [tag] => ("is", format!("{gun}:{tag}")),
        _ => ("are", gun.to_string()),
    };
    match left.is_signed {
        true => format!(
            "{tags} {are} still signed in {role}: whoever has one of {keys} takes that back with `tagseal trust revoke {reference} \
             --role {role}`; or whoever has the targets key takes the role away with `tagseal trust delegation remove {role} {gun}`"
        ),
        false => format!(
            "{tags} {are} still listed in {role}, which its present keys did not sign: it counts again if somebody signs it as it \
             is; whoever has the targets key takes the role away with `tagseal trust delegation remove {role} {gun}`"
        ),
    }
}

/// Prints several outcomes: one JSON array, or one text after the other.
///
/// # Errors
/// Those of the JSON writer.
pub(super) fn print_all(outcomes: &[Outcome], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => print_json(&outcomes),
        Format::Text => outcomes.iter().try_for_each(|outcome| outcome.print(format).map(drop)),
    }
}
