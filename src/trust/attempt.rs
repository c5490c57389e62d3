//! [`Attempt`]: one attempt at a refresh, with one set of credentials.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::cell::Cell;
use super::connection::Connection;
use super::core::Core;
use super::driver::{Downloads, Driver, Unfinished};
use super::incomplete::RefreshError;
use super::load::AtHand;
use super::others;
use super::plan::Plan;
use super::served::Served;
use super::verifier::unverified;
use crate::digest::Digest;
use crate::limits::{DROPPED_ROLES, ROOT_FILE};
use crate::policy::Reason;
use crate::records::{Recorded, RootPin};
use crate::resolution::{Refusal, fault};
use crate::source::SourceError;
use crate::tuf::{Fetch, FileName, RoleName, Selector, Stop, TufError, Update, UpdateInput, Updated};

/// One attempt with one set of credentials.
pub(super) struct Attempt<'a> {
    pub(super) core: &'a Core,
    pub(super) cell: &'a Cell,
    pub(super) plan: &'a Plan<'a>,
    pub(super) connection: Connection<'a>,
    pub(super) recorded: &'a Recorded,
    pub(super) known: Option<Arc<Served>>,
    pub(super) at_hand: &'a AtHand,
}

impl Attempt<'_> {
    /// Updates; does without a delegation that fails it where only others need it, so that one policy's broken role
    /// keeps nobody else's data from being fresh.
    pub(super) async fn run(&self) -> Result<(Updated, Option<Bytes>, Downloads), RefreshError> {
        let pinned_root = self.pinned_root().await?;
        let (verifier, key) = (&self.core.verifier, &self.cell.state_key);
        let driver = Driver { verifier, connection: self.connection, key };
        let mut downloads = Downloads::default();
        let mut wanted = self.plan.wanted.clone();
        let mut dropped = 0;
        loop {
            let stop = Stop::default();
            let update = Update::new(self.input(wanted.clone(), pinned_root.clone(), stop.clone()));
            let (update, error) = match driver.drive(Box::new(update), stop, &mut downloads).await {
                Ok(updated) => return Ok((updated, pinned_root, downloads)),
                Err(Unfinished::Unverified(error)) => {
                    return Err(unverified(&error, &self.cell.state_key).into());
                }
                Err(Unfinished::Failed(update, error)) => (update, error),
            };
            if matches!(error, TufError::Rollback { .. }) {
                self.core.metrics.server(&self.cell.state_key.server).rollback_refused();
            }
            let role = fault::delegation(&error).cloned();
            match (&role, &mut wanted) {
                (Some(role), Some(wanted)) if dropped < DROPPED_ROLES && !self.needs(role) => {
                    dropped += 1;
                    wanted.retain(|other| other != role && !is_below(other, role));
                }
                _ => {
                    let refusal = match self.to_delete(&update, &error).await {
                        records if records.is_empty() => {
                            fault::refusal(&error, &downloads.causes, &self.cell.state_key)
                        }
                        records => fault::remembered(&error, &self.cell.state_key, &records),
                    };
                    let about_access = is_about_access(&error, &refusal);
                    return Err(RefreshError { refusal, role, about_access, is_passing: false });
                }
            }
        }
    }

    /// The records to delete by who wants what the server offers, by their names.
    async fn to_delete(&self, update: &Update, error: &TufError) -> Vec<String> {
        match error {
            TufError::Rollback { role, version, .. } => {
                let above = update.floors_above(role, *version);
                let own = above.own && self.recorded.revision.is_some();
                others::names(self.core, self.cell, own, &above.others, self.recorded)
            }
            TufError::RootMismatch(_) if self.cell.key.is_first_use() => {
                others::pinned_in(self.core, self.cell).await
            }
            _ => Vec::new(),
        }
    }

    fn needs(&self, role: &RoleName) -> bool {
        self.plan.wanted.is_none()
            || self.plan.needed.iter().any(|needed| needed == role || is_below(needed, role))
    }

    fn input(
        &self,
        wanted: Option<BTreeSet<RoleName>>,
        pinned_root: Option<Bytes>,
        stop: Stop,
    ) -> UpdateInput {
        UpdateInput {
            gun: self.cell.key.gun.clone(),
            anchors: Arc::clone(&self.cell.key.anchors),
            known: self.known.as_ref().map(|known| Arc::clone(&known.repository)),
            pinned_root,
            local: self.at_hand.tree.files.clone(),
            local_roots: self.at_hand.tree.roots.clone(),
            floors: self.recorded.record.floors.clone(),
            others: self.recorded.others.iter().map(|other| Arc::clone(&other.floors)).collect(),
            wanted,
            timestamp_fallback: self.plan.fall_back,
            now: self.core.clock.now(),
            clock_skew: self.core.config.clock_skew,
            stop,
        }
    }

    /// The root that first use pinned: from disk, else from the server by its hash, so that whatever the server sends
    /// it is that one.
    async fn pinned_root(&self) -> Result<Option<Bytes>, RefreshError> {
        if !self.cell.key.is_first_use() || self.known.is_some() {
            return Ok(None);
        }
        let Some(pin) = &self.recorded.record.pin else { return Ok(self.at_hand.seed_root()) };
        if let Some(bytes) = self.at_hand.tree.root_with(pin.sha256) {
            return Ok(Some(bytes.clone()));
        }
        let file = FileName { role: RoleName::root(), selector: Selector::Hash(pin.sha256) };
        let fetch = Fetch { file, max_bytes: ROOT_FILE };
        match self.connection.fetch(&fetch).await {
            Ok(Some(bytes)) if Digest::of(&bytes) == pin.sha256 => Ok(Some(bytes)),
            Ok(_) => Err(self.not_the_pinned_root(pin).await.into()),
            Err(cause) => {
                let refusal = fault::source(&cause, &fetch.file, &self.cell.state_key);
                let about_access = matches!(cause, SourceError::Unauthorized { .. });
                Err(RefreshError { about_access, ..refusal.into() })
            }
        }
    }

    async fn not_the_pinned_root(&self, pin: &RootPin) -> Refusal {
        let key = &self.cell.state_key;
        let records = match others::pinned_in(self.core, self.cell).await {
            records if records.is_empty() => fault::ITS_RECORD.to_owned(),
            records => records.join(" and "),
        };
        Refusal::untrusted(
            Reason::RootMismatch,
            format!(
                "{} at {}: the trust server does not have the root that first use pinned (version {}, sha256 {}); if the \
                 repository was set up anew on purpose, delete {records}",
                key.gun,
                key.server,
                pin.version,
                pin.sha256.hex()
            ),
        )
    }
}

/// Servers hide what may not be read behind 401 or 404.
fn is_about_access(error: &TufError, refusal: &Refusal) -> bool {
    let hides = match error {
        TufError::RepositoryNotFound => true,
        TufError::Missing { file } => *file == FileName::current(RoleName::timestamp()),
        _ => false,
    };
    hides || refusal.reason() == Reason::Unauthorized
}

fn is_below(role: &RoleName, ancestor: &RoleName) -> bool {
    role.as_str().strip_prefix(ancestor.as_str()).is_some_and(|rest| rest.starts_with('/'))
}
