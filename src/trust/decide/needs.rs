//! [`Need`]: what a question needs before it can be answered; and what follows where that is not to be had.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use super::Inquiry;
use crate::limits::OLDER_FILES_OF_ONE_QUESTION;
use crate::policy::Reason;
use crate::resolution::{Past, PastFile, Refusal};
use crate::source::Requester;
use crate::trust::contents::Contents;
use crate::trust::served::Served;
use crate::trust::warnings;
use crate::tuf::{FileName, RoleName, TrustedRepository};

/// What a question needs before it can be answered.
#[derive(Debug)]
pub(in crate::trust) enum Need {
    /// A look at disk and trust state.
    Load,
    /// A refresh: there are no data, or not these roles, no permission, or no pin.
    Data,
    /// A refresh: the data are past `maxStaleness`.
    Freshness {
        /// When their server last vouched for them.
        vouched: Timestamp,
    },
    /// One timestamp GET. Where that is not to be had in time, the data at hand answer.
    Revalidation {
        /// When their server last vouched for them, if that is known.
        vouched: Option<Timestamp>,
    },
    /// One timestamp GET that is sent after the question came: this is the answer if nothing changed.
    Confirmation(Refusal),
    /// Older files of roles, as this set sees them.
    OlderFiles {
        /// The set.
        served: Arc<Served>,
        /// The files.
        files: Vec<FileName>,
    },
}

/// Why there was no refresh.
#[derive(Debug)]
pub(in crate::trust) enum Failure {
    /// It failed, now or a moment ago.
    Failed(Refusal),
    /// It takes longer than the caller has. It goes on.
    TooLong,
}

/// What came of the needs of one question.
#[derive(Debug, Default)]
pub(in crate::trust) struct Progress {
    /// Why data that are older than wanted answer.
    pub(super) old_because: Option<String>,
    older_files: Past,
    /// The set that they were read for.
    read_for: Option<Arc<TrustedRepository>>,
}

impl Progress {
    /// Takes older files of roles, as `served` sees them.
    pub(in crate::trust) fn take(&mut self, served: &Served, read: Vec<(FileName, PastFile)>) {
        if !self.is_of(served) {
            self.older_files.clear();
            self.read_for = Some(Arc::clone(&served.repository));
        }
        take(&mut self.older_files, read);
    }

    pub(super) fn older_files_of(&self, served: &Served) -> &Past {
        static NONE: LazyLock<Past> = LazyLock::new(Past::new);
        if self.is_of(served) { &self.older_files } else { &NONE }
    }

    fn is_of(&self, served: &Served) -> bool {
        self.read_for.as_ref().is_some_and(|read_for| Arc::ptr_eq(read_for, &served.repository))
    }
}

/// They are as good as gone once they are too much for one question: there may be hundreds, of any size.
fn take(past: &mut Past, read: Vec<(FileName, PastFile)>) {
    let memory = |file: &PastFile| match file {
        PastFile::Read(file) => file.memory(),
        PastFile::Absent | PastFile::Failed(_) => 0,
    };
    let mut total: usize = past.values().map(memory).sum();
    for (name, file) in read {
        total += memory(&file);
        let fits = total <= OLDER_FILES_OF_ONE_QUESTION;
        past.insert(name, if fits { file } else { PastFile::Absent });
    }
}

impl Inquiry<'_> {
    /// What follows where `need` could not be satisfied. `contents` and `now` are those after the failure.
    ///
    /// # Errors
    /// The answer to the question.
    pub(in crate::trust) fn without(
        &self,
        need: Need,
        failure: Failure,
        contents: &Contents,
        now: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), Refusal> {
        match (need, failure) {
            (Need::Revalidation { .. }, Failure::Failed(refusal)) if self.is_shut_out(&refusal, contents) => {
                Err(refusal)
            }
            (Need::Revalidation { vouched }, failure) => {
                let why = match failure {
                    Failure::Failed(refusal) => refusal.to_string(),
                    Failure::TooLong => format!("{} is slow", self.key.server),
                };
                progress.old_because = Some(warnings::old_data(vouched, &why));
                Ok(())
            }
            (_, Failure::TooLong) => Err(self.too_late()),
            (Need::Freshness { vouched }, Failure::Failed(cause)) => {
                Err(self.too_stale(vouched, cause, contents, now))
            }
            (Need::Confirmation(refused), Failure::Failed(failed)) => Err(unconfirmed(refused, failed)),
            (Need::Load | Need::Data | Need::OlderFiles { .. }, Failure::Failed(refusal)) => Err(refusal),
        }
    }

    /// Whether a failed refresh ended the permission of the very tenant who asks.
    fn is_shut_out(&self, refusal: &Refusal, contents: &Contents) -> bool {
        let requester = Requester::from(self.question.requester());
        refusal.reason() == Reason::Unauthorized
            && requester.is_tenant()
            && contents.permissions.at(&requester.borrowed()).is_none()
    }

    pub(in crate::trust) fn too_late(&self) -> Refusal {
        let (gun, server) = (&self.key.gun, &self.key.server);
        Refusal::unavailable(
            Reason::DeadlineExceeded,
            format!(
                "{gun} at {server}: no answer before the admission's deadline; the fetch goes on, so try again"
            ),
        )
    }

    /// The refusal of a question whose data change each time that they were read.
    pub(in crate::trust) fn never_ends(&self) -> Refusal {
        let (gun, server) = (&self.key.gun, &self.key.server);
        Refusal::unavailable(
            Reason::TrustServerUnreachable,
            format!("{gun} at {server}: trust data changes faster than it can be read; try again"),
        )
    }

    /// Past `maxStaleness`. Where the data is past its own expiry as well, what the server says counts.
    fn too_stale(&self, vouched: Timestamp, cause: Refusal, contents: &Contents, now: Timestamp) -> Refusal {
        let is_usable =
            |served: &Served| served.repository.usable(&RoleName::targets(), now, self.skew).is_ok();
        let served = contents.served_for(self.question.demand);
        let has_expired = !served.is_some_and(|(served, _)| is_usable(served));
        if has_expired && matches!(cause, Refusal::Untrusted(_)) {
            return cause;
        }
        let (gun, server) = (&self.key.gun, &self.key.server);
        let age = match vouched == Timestamp::MIN {
            true => "nobody knows when".to_owned(),
            false => format!("at {vouched}"),
        };
        Refusal::unavailable(
            Reason::TooStale,
            format!(
                "{gun} at {server}: trust data was last confirmed {age}, which is more than {:#} ago (maxStaleness); it \
                 cannot be refreshed: {cause}",
                self.question.demand.freshness.max_staleness
            ),
        )
    }
}

/// A denial that no request made since could confirm.
fn unconfirmed(refused: Refusal, failed: Refusal) -> Refusal {
    if failed.reason() == Reason::Rollback {
        // The server offers what is older than the data at hand: that data has the last word.
        let message = format!("{} (the trust server offers older data: {failed})", refused.message());
        return refused.with_message(message);
    }
    let message = format!("{}; going by older data: {refused}", failed.message());
    failed.with_message(message)
}
