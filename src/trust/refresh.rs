//! A refresh: state, credentials, the update, and its commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::core::Core;
use super::driver::{Downloads, Line, drive};
use super::entry::{Entry, Recorded, Served};
use super::error::Refusal;
use super::fault::{self, Causes};
use super::flight::{Flown, Ticket};
use super::grant::{Accessor, Who};
use super::moment::Moment;
use super::recall::AtHand;
use super::source::{Access, FoundCredentials, SourceError};
use super::state::RootPin;
use crate::digest::Digest;
use crate::policy::{Reason, TrustServer};
use crate::tuf::{Fetch, FileName, RoleName, Selector, Stop, TufError, Update, UpdateInput, Updated};

/// How often a refresh starts anew because another replica pinned first, or an admin reset the repository.
pub(super) const MAX_RACES: usize = 4;

/// How many delegations that nobody waits for may fail one refresh before it fails as a whole.
const MAX_DROPPED: usize = 4;

/// The cap on a root that is fetched by the hash of its pin.
const MAX_ROOT: u64 = 16 << 20;

/// Why a refresh failed.
#[derive(Debug)]
pub(super) struct Crash {
    pub(super) refusal: Refusal,
    /// The delegation that it is about, where it is about one: whoever does not need it may try without.
    pub(super) role: Option<RoleName>,
    /// Whether it is the server's word about the credentials that were shown: others may see more.
    pub(super) about_access: bool,
    /// Whether it may pass without anybody's doing, as soon as a secret exists that a pod names.
    pub(super) is_passing: bool,
}

impl From<Refusal> for Crash {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, role: None, about_access: false, is_passing: false }
    }
}

/// What is to be fetched, and for whom.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) accessor: &'a Accessor,
    /// The delegations to load; `None` loads all of them.
    pub(super) wanted: Option<BTreeSet<RoleName>>,
    /// Those among them without which the refresh fails.
    pub(super) needed: &'a [RoleName],
    /// Whether a timestamp that is not to be had falls back to the one from before.
    pub(super) fall_back: bool,
    /// As [`Ticket::under`].
    pub(super) under: Option<u64>,
}

impl Plan<'_> {
    /// Whether the repository was reset, and nobody waits.
    fn is_void(&self, resets: u64) -> bool {
        self.under.is_some_and(|under| under != resets)
    }
}

/// What was fetched and verified, before it is committed.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) updated: Updated,
    /// When the first request was about to be sent.
    pub(super) sent: Moment,
    pub(super) recorded: Arc<Recorded>,
    /// What the update started from.
    pub(super) known: Option<Arc<Served>>,
    /// What the server let read.
    pub(super) access: Access,
    /// The root that first use pinned, where it was needed.
    pub(super) pinned_root: Option<Bytes>,
    /// Why files did not come.
    pub(super) causes: Causes,
}

impl Core {
    /// Refreshes an entry and serves what came. What nobody waits for ends with the record that it began under.
    pub(super) async fn fly(&self, entry: &Arc<Entry>, ticket: &Ticket) -> Result<Flown, Crash> {
        self.recall(entry).await?;
        entry.want(&ticket.roles);
        for _ in 0..MAX_RACES {
            let plan = Plan {
                accessor: &ticket.key.accessor,
                wanted: Some(entry.wanted()),
                needed: &ticket.roles,
                fall_back: false,
                under: ticket.under,
            };
            let Some(fetched) = self.fetch(entry, &plan).await? else { return Ok(Flown::Void) };
            if self.commit(entry, &plan, fetched, ticket.key.pin).await? {
                return Ok(Flown::Fresh);
            }
        }
        Err(too_many_races(entry).into())
    }

    /// Fetches and verifies. What fails under a record that was reset meanwhile says nothing about what is there now.
    /// `None`: it was reset, and nobody waits.
    pub(super) async fn fetch(&self, entry: &Arc<Entry>, plan: &Plan<'_>) -> Result<Option<Fetched>, Crash> {
        for _ in 0..MAX_RACES {
            let resets = entry.resets();
            if plan.is_void(resets) {
                return Ok(None);
            }
            match self.fetch_once(entry, plan).await {
                Err(_) if entry.resets() != resets => {}
                fetched => return fetched,
            }
        }
        Err(too_many_races(entry).into())
    }

    /// Fetches and verifies, with each of the credentials in turn.
    async fn fetch_once(&self, entry: &Arc<Entry>, plan: &Plan<'_>) -> Result<Option<Fetched>, Crash> {
        let sent = self.moment();
        let recorded = self.load_record(entry).await?;
        if plan.is_void(recorded.resets) {
            return Ok(None);
        }
        let known = entry.served().filter(|served| served.pinned && served.vouched.is_some());
        let is_known = entry.is_known_to(plan.accessor);
        let _place = match is_known {
            true => None,
            false => self.budget.place(&entry.state_key.server).await,
        };
        let at_hand = match known {
            Some(_) => AtHand::default(),
            None => self.at_hand(entry).await,
        };
        let mut refused = None;
        let server = server_for(entry, plan.accessor);
        let credentials = self.credentials_of(entry, plan.accessor).await?;
        for access in credentials.accesses {
            let line = self.line(entry, &server, plan.accessor, &access, is_known);
            let attempt = Attempt {
                core: self,
                entry,
                plan,
                line,
                recorded: &recorded,
                known: known.clone(),
                at_hand: &at_hand,
            };
            match attempt.run().await {
                Ok((updated, pinned_root, causes)) => {
                    let fetched = Fetched { updated, sent, recorded, known, access, pinned_root, causes };
                    return Ok(Some(fetched));
                }
                Err(crash) if crash.about_access => refused = Some(crash),
                Err(crash) => return Err(crash),
            }
        }
        let crash = refused.unwrap_or_else(|| no_credentials(entry, "there are none to try").into());
        let refusal = remarked(crash.refusal, entry, &credentials.remark);
        Err(Crash { refusal, is_passing: credentials.is_incomplete, ..crash })
    }

    /// The way to a repository with these credentials.
    pub(super) fn line<'a>(
        &'a self,
        entry: &'a Entry,
        server: &'a Arc<TrustServer>,
        accessor: &'a Accessor,
        access: &'a Access,
        known: bool,
    ) -> Line<'a> {
        let (gun, timeout) = (&entry.key.gun, self.config.request_timeout);
        Line { source: &*self.source, server, gun, registry: &accessor.registry, access, known, timeout }
    }

    /// What to show the server, in order. What it honoured the last time comes first.
    pub(super) async fn credentials_of(
        &self,
        entry: &Entry,
        accessor: &Accessor,
    ) -> Result<FoundCredentials, Refusal> {
        if accessor.who == Who::Anybody {
            return Ok(vec![Access::Anonymous].into());
        }
        let (source, grant) = accessor.credentials();
        let found = self.credentials.access(&source, &grant, &entry.key.server, accessor.image()).await;
        let mut found = found.map_err(|error| no_credentials(entry, &error.message))?;
        if let Some(good) = entry.grants.access(accessor) {
            found.accesses.sort_by_key(|access| *access != good);
        }
        Ok(found)
    }
}

/// Others pinned, or reset the repository, again and again while we fetched.
pub(super) fn too_many_races(entry: &Entry) -> Refusal {
    Refusal::unavailable(
        Reason::StateUnavailable,
        format!(
            "{}: the first-use pin was changed, or the repository reset, again and again by others; try again",
            entry.state_key.gun
        ),
    )
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

/// The server, with the token realms that the accessor's own policy allows: entries are shared, realms are not.
pub(super) fn server_for(entry: &Entry, accessor: &Accessor) -> Arc<TrustServer> {
    let server = &entry.key.server;
    if server.token_realms == accessor.token_realms {
        return Arc::clone(server);
    }
    Arc::new(TrustServer { token_realms: accessor.token_realms.clone(), ..TrustServer::clone(server) })
}

/// The refusal with what is to be said of the credentials that were shown. That comes first where there is no answer: it
/// is what has to change.
pub(super) fn remarked(refusal: Refusal, entry: &Entry, remark: &str) -> Refusal {
    let message = refusal.message();
    let message = match refusal {
        _ if remark.is_empty() => return refusal,
        Refusal::Untrusted(_) => format!("{message}; {remark}"),
        Refusal::Unavailable(_) => {
            let about = format!("{} at {}: ", entry.state_key.gun, entry.state_key.server);
            format!("{about}{remark}; {}", message.strip_prefix(&about).unwrap_or(message))
        }
    };
    refusal.with_message(message)
}

fn no_credentials(entry: &Entry, what: &str) -> Refusal {
    let (gun, server) = (&entry.state_key.gun, &entry.state_key.server);
    Refusal::unavailable(Reason::Unauthorized, format!("{gun} at {server}: no credentials: {what}"))
}

/// One attempt with one set of credentials.
struct Attempt<'a> {
    core: &'a Core,
    entry: &'a Entry,
    plan: &'a Plan<'a>,
    line: Line<'a>,
    recorded: &'a Recorded,
    known: Option<Arc<Served>>,
    at_hand: &'a AtHand,
}

impl Attempt<'_> {
    /// Updates; does without a delegation that fails it where only others need it, so that one policy's broken role
    /// keeps nobody else's data from being fresh.
    async fn run(&self) -> Result<(Updated, Option<Bytes>, Causes), Crash> {
        let pinned_root = self.pinned_root().await?;
        let mut downloads = Downloads::default();
        let mut wanted = self.plan.wanted.clone();
        let mut dropped = 0;
        loop {
            let mut update = Update::new(self.input(wanted.clone(), pinned_root.clone()));
            let error = match drive(&mut update, &self.line, &mut downloads).await {
                Ok(updated) => return Ok((updated, pinned_root, downloads.causes)),
                Err(error) => error,
            };
            if matches!(error, TufError::Rollback { .. }) {
                self.core.metrics.server(&self.entry.state_key.server).rollback_refused();
            }
            let role = fault::delegation(&error).cloned();
            match (&role, &mut wanted) {
                (Some(role), Some(wanted)) if dropped < MAX_DROPPED && !self.needs(role) => {
                    dropped += 1;
                    wanted.retain(|other| other != role && !is_below(other, role));
                }
                _ => {
                    let refusal = match self.to_delete(&update, &error).await {
                        records if records.is_empty() => {
                            fault::refusal(&error, &downloads.causes, &self.entry.state_key)
                        }
                        records => fault::remembered(&error, &self.entry.state_key, &records),
                    };
                    let about_access = is_about_access(&error, &refusal);
                    return Err(Crash { refusal, role, about_access, is_passing: false });
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
                self.core.names(self.entry, own, &above.others, self.recorded)
            }
            TufError::RootMismatch(_) if self.entry.is_first_use() => self.core.pinned_in(self.entry).await,
            _ => Vec::new(),
        }
    }

    fn needs(&self, role: &RoleName) -> bool {
        self.plan.wanted.is_none()
            || self.plan.needed.iter().any(|needed| needed == role || is_below(needed, role))
    }

    fn input(&self, wanted: Option<BTreeSet<RoleName>>, pinned_root: Option<Bytes>) -> UpdateInput {
        UpdateInput {
            gun: self.entry.key.gun.clone(),
            anchors: Arc::clone(&self.entry.anchors),
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
            stop: Stop::default(),
        }
    }

    /// The root that first use pinned: from disk, else from the server by its hash, so that whatever the server sends
    /// it is that one.
    async fn pinned_root(&self) -> Result<Option<Bytes>, Crash> {
        if !self.entry.is_first_use() || self.known.is_some() {
            return Ok(None);
        }
        let Some(pin) = &self.recorded.record.pin else { return Ok(self.at_hand.seed_root()) };
        if let Some(bytes) = self.at_hand.tree.root_with(pin.sha256) {
            return Ok(Some(bytes.clone()));
        }
        let file = FileName { role: RoleName::root(), selector: Selector::Hash(pin.sha256) };
        let fetch = Fetch { file, max_bytes: MAX_ROOT };
        match self.line.fetch(&fetch).await {
            Ok(Some(bytes)) if Digest::of(&bytes) == pin.sha256 => Ok(Some(bytes)),
            Ok(_) => Err(self.not_the_pinned_root(pin).await.into()),
            Err(cause) => {
                let refusal = fault::source(&cause, &fetch.file, &self.entry.state_key);
                let about_access = matches!(cause, SourceError::Unauthorized { .. });
                Err(Crash { about_access, ..refusal.into() })
            }
        }
    }

    async fn not_the_pinned_root(&self, pin: &RootPin) -> Refusal {
        let key = &self.entry.state_key;
        let records = match self.core.pinned_in(self.entry).await {
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

fn is_below(role: &RoleName, ancestor: &RoleName) -> bool {
    role.as_str().strip_prefix(ancestor.as_str()).is_some_and(|rest| rest.starts_with('/'))
}
