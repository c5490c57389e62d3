//! [`Findings`]: what the secrets that were read have for one image, and what is to be said of them.

use std::collections::BTreeSet;

use super::{SecretName, Wanted};
use crate::trust::{Access, AuthEntry, CredentialError, DockerAuths, FoundCredentials};

/// So many entries are tried for one host: each costs requests, and pods choose their secrets.
const MAX_TRIED: usize = 16;
/// So many names, and errors, are told of each kind.
const NAMED: usize = 5;

/// What was found where the pod's pull secrets were looked for.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Docker configs, by their secret's name.
    configs: Vec<(String, DockerAuths)>,
    /// Secrets that are no docker config.
    others: Vec<String>,
    /// Secrets that do not exist.
    missing: Vec<String>,
    /// The ServiceAccount that was looked for and does not exist.
    no_account: Option<String>,
    /// Why the rest cannot be used.
    faults: Vec<String>,
}

impl Findings {
    pub(super) fn config(&mut self, name: SecretName<'_>, auths: DockerAuths) {
        self.configs.push((name.to_string(), auths));
    }

    pub(super) fn other(&mut self, name: SecretName<'_>) {
        self.others.push(name.to_string());
    }

    pub(super) fn missing(&mut self, name: SecretName<'_>) {
        self.missing.push(name.to_string());
    }

    pub(super) fn no_account(&mut self, namespace: &str, name: &str) {
        self.no_account = Some(format!("{namespace}/{name}"));
    }

    pub(super) fn fault(&mut self, error: CredentialError) {
        self.faults.push(error.message);
    }

    /// The credentials for the image's registry, then those for the trust server's own host. One secret that cannot be used
    /// hides no other one.
    ///
    /// # Errors
    /// When there are none, and a secret could not be read or used: what it holds is not known.
    pub(super) fn credentials(mut self, wanted: &Wanted<'_>) -> Result<FoundCredentials, CredentialError> {
        let mut accesses = Vec::new();
        let mut shown = BTreeSet::new();
        let mut has_blank = false;
        for host in wanted.hosts() {
            for (name, entry) in self.entries(host, wanted.image.repository) {
                match entry.access() {
                    Ok(Some(access)) if accesses.contains(&access) => {}
                    Ok(Some(access)) => {
                        accesses.push(access);
                        shown.insert(name);
                    }
                    Ok(None) => has_blank = true,
                    Err(error) => self.faults.push(format!("the secret {name} cannot be used: {error}")),
                }
            }
        }
        if accesses.is_empty() && !self.faults.is_empty() {
            self.faults.truncate(NAMED);
            return Err(CredentialError { message: self.faults.join("; ") });
        }
        let remark = self.remark(wanted, &shown, has_blank);
        if accesses.is_empty() {
            accesses.push(Access::Anonymous);
        }
        let is_incomplete = !self.missing.is_empty() || self.no_account.is_some();
        Ok(FoundCredentials { accesses, remark, is_incomplete })
    }

    /// The entries for a host, of all secrets, in kubelet's order.
    fn entries(&self, host: &str, repository: &str) -> Vec<(String, AuthEntry)> {
        let mut entries = Vec::new();
        for (name, auths) in &self.configs {
            entries.extend(auths.entries_for(host, repository).map(|entry| (name.clone(), entry.clone())));
        }
        AuthEntry::sort(&mut entries, |(_, entry)| entry);
        entries.truncate(MAX_TRIED);
        entries
    }

    fn remark(&self, wanted: &Wanted<'_>, shown: &BTreeSet<String>, has_blank: bool) -> String {
        let mut said = Vec::new();
        if let Some(account) = &self.no_account {
            said.push(format!("the ServiceAccount {account} does not exist yet; try again once it does"));
        }
        match &*self.missing {
            [] => {}
            [one] => said.push(format!("the pull secret {one} does not exist yet; try again once it does")),
            more => said
                .push(format!("the pull secrets {} do not exist yet; try again once they do", listed(more))),
        }
        let read: Vec<_> = self.configs.iter().map(|(name, _)| name.as_str()).collect();
        let shown: Vec<_> = shown.iter().collect();
        if !shown.is_empty() {
            said.push(format!("the credentials are from the pull secrets {}", listed(&shown)));
        } else if !read.is_empty() {
            let what = if has_blank { "a user name and password, or a token," } else { "an entry" };
            said.push(format!("pull secrets read: {}; none has {what} for {}", listed(&read), wanted.image));
        }
        if !self.others.is_empty() {
            said.push(format!("no docker configuration: {}", listed(&self.others)));
        }
        said.extend(self.faults.iter().take(NAMED).cloned());
        if said.is_empty() {
            said.push("neither the pod nor its ServiceAccount names a pull secret".to_owned());
        }
        said.join("; ")
    }
}

/// The first names, and how many more there are.
fn listed(names: &[impl AsRef<str>]) -> String {
    let mut text = names.iter().take(NAMED).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
