//! The text of `tagseal inspect`: what docker showed of a repository, and then the roles in full.

use std::collections::{BTreeMap, BTreeSet};

use super::Inspection;
use crate::cli::output::table;
use crate::foreign::{Foreign, one_line};

const TARGETS: &str = "targets";
/// The delegation that docker pulls from, before `targets`.
const RELEASES: &str = "targets/releases";
/// How docker calls whoever signs in one of these two.
const ADMIN: &str = "(Repo Admin)";

impl Inspection {
    /// Docker's three parts first, under docker's headings: signed tags with their signers, the signers' keys, the
    /// owner's keys.
    pub(crate) fn text(&self) -> String {
        let what = match &self.tag {
            Some(tag) => format!("{}:{tag}", self.repository),
            None => self.repository.clone(),
        };
        let (released, others) = self.tags();
        let mut parts = vec![match released.is_empty() {
            true => format!("No signatures for {what}"),
            false => section(
                &format!("Signatures for {what}"),
                table(&["SIGNED TAG", "DIGEST", "SIGNERS"], &released),
            ),
        }];
        if !others.is_empty() {
            let heading =
                "Signed, but not what docker pull takes: not in targets/releases, or not there alike";
            parts.push(section(heading, table(&["SIGNED TAG", "DIGEST", "ROLES"], &others)));
        }
        let signers = self.signers();
        if !signers.is_empty() {
            let heading = format!("List of signers and their keys for {}", self.repository);
            parts.push(section(&heading, table(&["SIGNER", "KEYS"], &signers)));
        }
        parts.push(section(
            &format!("Administrative keys for {}", self.repository),
            format!(
                "  Repository Key:   {}\n  Root Key:         {}",
                self.targets_keys(),
                keys(self.root.threshold, &self.root.key_ids)
            ),
        ));
        parts.push(section("Base roles", table(&["ROLE", "VERSION", "EXPIRES"], &self.base_roles())));
        if !self.delegations.is_empty() {
            let head = ["ROLE", "KEYS", "THRESHOLD", "PATHS", "VERSION", "EXPIRES"];
            parts.push(section("Delegation roles", table(&head, &self.roles_in_full())));
        }
        if !self.unusable.is_empty() {
            let row = |role: &super::Unusable| {
                vec![role.role.clone(), role.reason.to_owned(), role.message.clone()]
            };
            let rows: Vec<_> = self.unusable.iter().map(row).collect();
            parts.push(section(
                "Delegations that count for nothing",
                table(&["ROLE", "REASON", "WHY"], &rows),
            ));
        }
        parts.extend(
            self.warnings.iter().map(|warning| format!("warning: {}", one_line(warning, usize::MAX))),
        );
        parts.join("\n\n")
    }

    /// The tags as docker pull sees them (`targets/releases`, else `targets`) with their signers, and all others with the
    /// roles that list them. One row for each tag and digest.
    fn tags(&self) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
        let mut rows: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for target in &self.targets {
            rows.entry((&target.name, &target.digest)).or_default().push(&target.role);
        }
        let in_releases: BTreeSet<&str> = (self.targets.iter())
            .filter(|target| target.role == RELEASES)
            .map(|target| target.name.as_str())
            .collect();
        let (mut released, mut others) = (Vec::new(), Vec::new());
        for ((tag, digest), roles) in rows {
            let pulled = if in_releases.contains(tag) { RELEASES } else { TARGETS };
            let row = |last: String| vec![Foreign(tag).to_string(), digest.to_owned(), last];
            match roles.contains(&pulled) {
                true => released.push(row(signers_of(&roles))),
                false => others.push(row(roles.join(", "))),
            }
        }
        (released, others)
    }

    /// Every signer (a delegation directly below `targets`, but for the one that docker pulls from), with short key IDs.
    fn signers(&self) -> Vec<Vec<String>> {
        let signer = |delegation: &super::Delegation| {
            let name = delegation.name.strip_prefix("targets/")?;
            let is_signer = delegation.name != RELEASES && !name.contains('/');
            is_signer.then(|| vec![name.to_owned(), short(&delegation.key_ids)])
        };
        let mut signers: Vec<_> = self.delegations.iter().filter_map(signer).collect();
        signers.sort();
        signers
    }

    fn targets_keys(&self) -> String {
        let targets = self.roles.iter().find(|role| role.name == TARGETS);
        targets.map(|role| keys(role.threshold, &role.key_ids)).unwrap_or_default()
    }

    fn base_roles(&self) -> Vec<Vec<String>> {
        let row = |name: &str, version: u64, expires: &str| {
            vec![name.to_owned(), version.to_string(), expires.to_owned()]
        };
        let targets = self.roles.iter().filter(|role| role.name == TARGETS);
        [row("root", self.root.version, &self.root.expires)]
            .into_iter()
            .chain(targets.map(|role| row(TARGETS, role.version, &role.expires)))
            .chain([
                row("snapshot", self.snapshot.version, &self.snapshot.expires),
                row("timestamp", self.timestamp.version, &self.timestamp.expires),
            ])
            .collect()
    }

    fn roles_in_full(&self) -> Vec<Vec<String>> {
        let row = |delegation: &super::Delegation| {
            let published = self.roles.iter().find(|role| role.name == delegation.name);
            let (version, expires) = match published {
                Some(role) => (role.version.to_string(), role.expires.clone()),
                None => ("-".to_owned(), "-".to_owned()),
            };
            let threshold = format!("{} of {}", delegation.threshold, delegation.key_ids.len());
            vec![
                delegation.name.clone(),
                short(&delegation.key_ids),
                threshold,
                paths(&delegation.paths),
                version,
                expires,
            ]
        };
        self.delegations.iter().map(row).collect()
    }
}

/// The signers among the roles that list a tag; where there are none, whoever owns the repository.
fn signers_of(roles: &[&str]) -> String {
    let mut signers: Vec<_> = roles
        .iter()
        .filter(|role| !matches!(**role, TARGETS | RELEASES))
        .map(|role| role.strip_prefix("targets/").unwrap_or(role))
        .collect();
    signers.sort_unstable();
    if signers.is_empty() { ADMIN.to_owned() } else { signers.join(", ") }
}

fn paths(paths: &[String]) -> String {
    match paths {
        [] => "none".to_owned(),
        paths if paths.iter().any(String::is_empty) => "all".to_owned(),
        paths => {
            paths.iter().map(|path| Foreign(&format!("{path}*")).to_string()).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The keys of a base role, and how many of several have to sign.
fn keys(threshold: u64, ids: &[String]) -> String {
    let all = ids.join(", ");
    if ids.len() > 1 { format!("{all} ({threshold} of {} have to sign)", ids.len()) } else { all }
}

fn short(ids: &[String]) -> String {
    ids.iter().map(|id| id.get(..12).unwrap_or(id)).collect::<Vec<_>>().join(", ")
}

fn section(heading: &str, body: String) -> String {
    format!("{heading}\n\n{body}")
}

#[cfg(test)]
mod tests;
