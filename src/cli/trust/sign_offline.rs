//! `tagseal trust sign-offline`: adds signatures to what others began, on a machine without a network.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::options::KeyOptions;
use super::pending::{read_pending, write_pending};
use crate::cli::confirm::confirm;
use crate::cli::output::{Format, print, print_json, tell};
use crate::clock::{Clock as _, SystemClock};
use crate::foreign::one_line;
use crate::publish::publisher::{Asked, KnownRoot, OfflineSigner, Quorum, Review, Signer};
use crate::tuf::{Gun, KeyId};

/// Arguments of `tagseal trust sign-offline`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What others began, as `tagseal trust rotate --pending FILE` and other commands write it.
    file: PathBuf,
    /// Write it, with the signatures, to this file, and leave the other as it is. Nothing is overwritten.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Do not ask.
    #[arg(long, short = 'y')]
    yes: bool,
    #[command(flatten)]
    keys: KeyOptions,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    repository: String,
    file: String,
    roles: Vec<SignedRole>,
    /// Whether it can be published now.
    complete: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedRole {
    role: String,
    version: u64,
    expires: String,
    changes: Vec<String>,
    signed_by: Vec<String>,
}

/// Shows what is to be signed, asks, and signs it with every key that is here and can.
///
/// # Errors
/// When the file is not what it says, or no key is here that could sign it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let pending = read_pending(&args.file)?;
    let to = args.to.as_ref().unwrap_or(&args.file);
    if args.to.is_some() && to.exists() {
        anyhow::bail!("{} is there already, and nothing is overwritten: name another file", to.display());
    }
    let (dir, passphrases) = (args.keys.open()?, args.keys.passphrases());
    let signer = OfflineSigner { dir: &dir, passphrases: &passphrases, now: SystemClock.now() };
    let review = signer.review(&pending)?;
    if review.asked.iter().any(|asked| !asked.here.is_empty()) {
        let shown = text_of(&pending.gun, &review);
        if args.yes && args.output == Format::Text {
            print(&shown);
        }
        if !confirm(&format!("{shown}\nSign it?"), args.yes)? {
            print("Nothing was signed");
            return Ok(ExitCode::SUCCESS);
        }
    }
    let signed = signer.sign(&pending)?;
    write_pending(to, &signed.pending)?;
    let complete = signed.review.asked.iter().all(is_complete);
    match args.output {
        Format::Json => print_json(&Signed {
            repository: pending.gun.to_string(),
            file: to.display().to_string(),
            roles: signed.review.asked.iter().map(SignedRole::of).collect(),
            complete,
            warnings: signed.warnings,
        })?,
        Format::Text => {
            let keys = list(review.asked.iter().flat_map(|asked| asked.here.iter().copied()));
            let roles: Vec<&str> = review.asked.iter().map(|asked| asked.role.as_str()).collect();
            let (roles, gun) = (roles.join(" "), &pending.gun);
            let next = match complete {
                true => format!(
                    "It has all signatures: where there is a network, `tagseal trust witness {roles} {gun} --pending FILE` publishes it"
                ),
                false => format!("Still needed: {}", still_needed(&signed.review)),
            };
            print(&format!("Signed with {keys}, in {}\n{next}", to.display()));
            signed
                .warnings
                .iter()
                .for_each(|warning| tell(&format!("warning: {}", one_line(warning, usize::MAX))));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is to be signed, in words.
fn text_of(gun: &Gun, review: &Review) -> String {
    let mut lines = vec![format!("To be signed for {gun}:")];
    for asked in &review.asked {
        lines.push(format!("  {} version {}, which expires at {}", asked.role, asked.version, asked.expires));
        let none = ["it changes nothing but its version and expiry".to_owned()];
        let changes = if asked.changes.is_empty() { &none[..] } else { &asked.changes };
        lines.extend(changes.iter().map(|change| format!("    {change}")));
        lines.push(format!("    signed so far by: {}", names(&asked.signed_by)));
        lines.push(format!("    to be signed here with: {}", list(asked.here.iter().copied())));
    }
    lines.push(match &review.root {
        KnownRoot::Same { version } => {
            format!("It follows the root of version {version}, which is the one in this trust directory.")
        }
        KnownRoot::Follows { from, version } => format!(
            "It follows the root of version {version}, which keys of version {from}, the one in this trust directory, signed."
        ),
        KnownRoot::Unknown { version, keys } => format!(
            "This trust directory has no root of {gun} to compare with. What is said here of changes is said by the file: by it, \
             the root of version {version} has the keys {}. Compare them with those that you know.",
            list(keys.iter().copied())
        ),
    });
    lines.join("\n")
}

fn is_complete(asked: &Asked) -> bool {
    asked.quorums.iter().all(is_met)
}

fn is_met(quorum: &Quorum) -> bool {
    quorum.signed.len() as u64 >= quorum.threshold
}

/// Who has to sign besides, role by role.
fn still_needed(review: &Review) -> String {
    let needed = review.asked.iter().flat_map(|asked| {
        let role = &asked.role;
        let which = |index| match (asked.quorums.len(), index) {
            (1, _) => "",
            (_, 0) => " (its keys until now)",
            _ => " (its new keys)",
        };
        let quorums = asked.quorums.iter().enumerate().filter(|(_, quorum)| !is_met(quorum));
        quorums.map(move |(index, quorum)| {
            let more = quorum.threshold - quorum.signed.len() as u64;
            format!("{role} by {more} of {}{}", names(&quorum.missing), which(index))
        })
    });
    needed.collect::<Vec<_>>().join("; ")
}

fn names(signers: &[Signer]) -> String {
    match signers {
        [] => "nobody".to_owned(),
        signers => signers.iter().map(Signer::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn list(keys: impl Iterator<Item = KeyId>) -> String {
    let mut ids: Vec<String> = keys.map(|id| id.to_string()).collect();
    ids.sort();
    ids.dedup();
    match ids.as_slice() {
        [] => "none".to_owned(),
        ids => ids.join(", "),
    }
}

impl SignedRole {
    fn of(asked: &Asked) -> Self {
        Self {
            role: asked.role.to_string(),
            version: asked.version,
            expires: asked.expires.to_string(),
            changes: asked.changes.clone(),
            signed_by: asked.signed_by.iter().map(|signer| signer.id.to_string()).collect(),
        }
    }
}
