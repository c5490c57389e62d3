//! The steps of a publisher's work, each by either program.

use super::Desk;
use crate::harness::publisher::digest_of;

/// Which program does a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    Notary,
    Tagseal,
}

/// What `tagseal trust` is told to sign a tag, whatever registry there is.
pub fn sign_args(tag: &str) -> String {
    format!("sign WEB:{tag} --digest {} --size 528", digest_of(tag))
}

impl Desk {
    /// Makes the repository; both with a local snapshot key.
    #[track_caller]
    pub fn init(&self, hand: Hand) {
        match hand {
            Hand::Notary => self.publishes("init WEB"),
            Hand::Tagseal => self.does("init WEB --local-snapshot"),
        }
    }

    /// Signs `tag` in `roles`.
    #[track_caller]
    pub fn sign(&self, hand: Hand, roles: &[&str], tag: &str) {
        let (roles, digest) = (roles.join(","), digest_of(tag));
        match hand {
            Hand::Notary => {
                let hex = digest.trim_start_matches("sha256:");
                self.publishes(&format!("addhash WEB {tag} 528 --sha256 {hex} --roles {roles}"));
            }
            Hand::Tagseal => {
                self.does(&format!("sign WEB:{tag} --digest {digest} --size 528 --roles {roles}"));
            }
        }
    }

    /// Removes `tag` from `roles`.
    #[track_caller]
    pub fn revoke(&self, hand: Hand, roles: &[&str], tag: &str) {
        let roles = roles.join(",");
        match hand {
            Hand::Notary => self.publishes(&format!("remove WEB {tag} --roles {roles}")),
            Hand::Tagseal => self.does(&format!("revoke WEB:{tag} --yes --roles {roles}")),
        }
    }

    /// Delegates `role` to the owners of key files.
    #[track_caller]
    pub fn delegate(&self, hand: Hand, role: &str, files: &[&str], paths: &str) {
        match hand {
            Hand::Notary => {
                let paths = if paths.is_empty() { "--all-paths" } else { &format!("--paths {paths}") };
                self.publishes(&format!("delegation add WEB {role} {} {paths}", files.join(" ")));
            }
            Hand::Tagseal => {
                let keys: String = files.iter().map(|file| format!(" --key {file}")).collect();
                let paths = if paths.is_empty() { "--all-paths" } else { &format!("--paths {paths}") };
                self.does(&format!("delegation add {role} WEB{keys} {paths}"));
            }
        }
    }

    /// Takes one key from `role`.
    #[track_caller]
    pub fn restrict(&self, hand: Hand, role: &str, key_id: &str) {
        match hand {
            Hand::Notary => self.publishes(&format!("delegation remove WEB {role} {key_id} --yes")),
            Hand::Tagseal => self.does(&format!("delegation remove {role} WEB --key {key_id} --yes")),
        }
    }

    /// Delegates `role` no more.
    #[track_caller]
    pub fn undelegate(&self, hand: Hand, role: &str) {
        match hand {
            Hand::Notary => self.publishes(&format!("delegation remove WEB {role} --yes")),
            Hand::Tagseal => self.does(&format!("delegation remove {role} WEB --yes")),
        }
    }

    /// Signs `role` as it is.
    #[track_caller]
    pub fn witness(&self, hand: Hand, role: &str) {
        match hand {
            Hand::Notary => self.publishes(&format!("witness WEB {role}")),
            // What a key change left unsigned is signed by somebody who looked.
            Hand::Tagseal => self.does(&format!("witness {role} WEB --yes")),
        }
    }

    /// Replaces the key of a base role.
    #[track_caller]
    pub fn rotate(&self, hand: Hand, role: &str) {
        match hand {
            Hand::Notary => drop(self.notary(&format!("key rotate WEB {role}")).passes()),
            Hand::Tagseal => self.does(&format!("rotate {role} WEB")),
        }
    }

    /// Has the server make a new key.
    #[track_caller]
    pub fn hand_over(&self, hand: Hand, role: &str) {
        match hand {
            Hand::Notary => drop(self.notary(&format!("key rotate WEB {role} --server-managed")).passes()),
            Hand::Tagseal => self.does(&format!("rotate {role} --server-managed WEB")),
        }
    }

    /// Drops the repository, here and at the server.
    #[track_caller]
    pub fn delete(&self, hand: Hand) {
        match hand {
            Hand::Notary => drop(self.notary("delete WEB --remote").passes()),
            Hand::Tagseal => self.does("delete WEB --yes"),
        }
    }

    #[track_caller]
    fn publishes(&self, args: &str) {
        self.notary(args).passes();
        self.notary("publish WEB").passes();
    }

    #[track_caller]
    fn does(&self, args: &str) {
        self.tagseal(args).passes();
    }
}
