//! Answering one question: what suffices, what must be fetched first, and for how long to wait (design §4 "Cache").

use std::sync::{Arc, LazyLock, OnceLock};

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout_at;

use super::core::{Core, Waited};
use super::entries::Full;
use super::entry::{Entry, Recorded, Served, Trouble, Vouched};
use super::error::Refusal;
use super::flight::{FlightKey, Ticket};
use super::grant::{Accessor, Eyes, RENEW_AFTER};
use super::history::same_set;
use super::moment::Moment;
use super::resolution::{Case, Judgement, Past, PastFile, SignedDigest, judge, roles_of};
use super::resolver::{Question, Resolved};
use super::warnings;
use crate::policy::{CredentialsSource, Reason};
use crate::tuf::{FileName, RoleName, Selector};

/// So many refreshes one question may cause or wait for.
const MAX_REFRESHES: usize = 6;

/// So many batches of older files one question may ask for.
const MAX_PASTS: usize = 64;

/// The versions that passed unseen take no more memory than this in one question.
const MAX_UNSEEN_MEMORY: usize = 64 << 20;

/// A question on its way to an answer.
pub(super) struct Asking<'a> {
    core: &'a Arc<Core>,
    question: Question<'a>,
    entry: Arc<Entry>,
    /// When the question came.
    now: Moment,
    /// Made when it is first needed: answers from data at hand do without.
    accessor: OnceLock<Accessor>,
    refreshes: usize,
    /// Why data that is older than wanted answers.
    old_because: Option<String>,
}

/// How the data at hand stands to the question.
enum Standing {
    /// It suffices.
    Fresh,
    /// It suffices, and something is to be renewed behind the answer's back.
    Ahead,
    /// It suffices, but one timestamp GET is due.
    Old(Option<Timestamp>),
    /// It does not suffice.
    Lacking(Lack),
}

/// What is lacking.
enum Lack {
    /// Data, a grant, the pin, a role.
    Something,
    /// Data that is young enough.
    Freshness { vouched: Timestamp },
}

impl<'a> Asking<'a> {
    pub(super) fn new(core: &'a Arc<Core>, question: Question<'a>) -> Result<Self, Full> {
        let (demand, now) = (question.demand, core.moment());
        let entry = core.entries.entry(&demand.server, &demand.gun, &demand.anchors, now)?;
        Ok(Self::of(core, question, entry, now))
    }

    /// The answer where there is no room for another unknown repository: only a known one gets one.
    pub(super) async fn answer_in_a_crowd(
        core: &'a Arc<Core>,
        question: Question<'a>,
    ) -> Result<Resolved, Refusal> {
        let now = core.moment();
        match timeout_at(question.deadline, core.known_entry(question.demand)).await {
            Ok(Ok(entry)) => Self::of(core, question, entry, now).answer().await,
            Ok(Err(Full)) | Err(_) => Err(full(&question)),
        }
    }

    fn of(core: &'a Arc<Core>, question: Question<'a>, entry: Arc<Entry>, now: Moment) -> Self {
        entry.touch(&question.demand.freshness, now.wall);
        entry.note_asked(&question.demand.policy, question.image);
        Self { core, question, entry, now, accessor: OnceLock::new(), refreshes: 0, old_because: None }
    }

    /// The answer, where data at hand has it and nobody need wait: a yes from data that suffices. A no, and whatever
    /// else is to be looked into, is for [`Self::answer`].
    pub(super) fn at_once(&self) -> Option<Resolved> {
        if !self.entry.recalled.initialized() {
            return None;
        }
        let served = self.entry.newest();
        let served = served.as_deref()?;
        let covers = served.repository.covers(roles_of(self.question.demand));
        match self.standing(Some(served).filter(|_| covers), &self.now) {
            Standing::Fresh => {}
            Standing::Ahead => {
                self.core.refresh_behind(&self.entry, &self.ticket_behind());
            }
            Standing::Old(_) | Standing::Lacking(_) => return None,
        }
        let recorded = self.entry.recorded.load();
        match self.judge(served, recorded.as_deref(), &Past::new(), self.now.wall) {
            Judgement::Signed { signed, warnings } => {
                self.core.metrics.looked_up(true);
                Some(self.resolved(served, signed, warnings, self.now.wall))
            }
            Judgement::Refused(_) | Judgement::NeedsPast(_) => None,
        }
    }

    pub(super) async fn answer(mut self) -> Result<Resolved, Refusal> {
        let answer = self.find().await;
        self.core.metrics.looked_up(self.refreshes == 0);
        if answer.is_ok() && self.old_because.is_some() {
            self.core.metrics.stale_answer();
        }
        answer
    }

    async fn find(&mut self) -> Result<Resolved, Refusal> {
        if !self.entry.recalled.initialized() {
            let recalled = timeout_at(self.question.deadline, self.core.recall_behind(&self.entry)).await;
            recalled.map_err(|_| self.too_late())??;
        }
        let mut past = Past::new();
        let mut past_of: Option<Arc<Served>> = None;
        for _ in 0..MAX_REFRESHES + MAX_PASTS {
            let Some(served) = self.sufficient().await? else { continue };
            if past_of.as_ref().is_some_and(|of| !same_set(of, &served)) {
                past.clear();
            }
            let recorded = self.entry.recorded.load_full();
            let now = self.core.clock.now();
            match self.judge(&served, recorded.as_deref(), &past, now) {
                Judgement::Signed { signed, warnings } => {
                    return Ok(self.resolved(&served, signed, warnings, now));
                }
                Judgement::NeedsPast(files) => {
                    let read = self.core.past_files(&self.entry, self.accessor(), &served, &files);
                    let read = timeout_at(self.question.deadline, read).await;
                    take(&mut past, read.map_err(|_| self.too_late())?);
                    past_of = Some(served);
                }
                Judgement::Refused(refusal) => self.confirm(&served, refusal).await?,
            }
        }
        Err(self.never_ends())
    }

    fn judge(&self, served: &Served, recorded: Option<&Recorded>, past: &Past, now: Timestamp) -> Judgement {
        static NOTHING: LazyLock<Recorded> = LazyLock::new(Recorded::default);
        let case = Case {
            demand: self.question.demand,
            image: self.question.image,
            repository: &served.repository,
            evidences: &served.evidences,
            record: &recorded.unwrap_or(&NOTHING).record,
            now,
            skew: self.core.config.clock_skew,
        };
        judge(&case, past)
    }

    /// Data that may answer; `None` after a refresh, when everything is to be looked at again.
    async fn sufficient(&mut self) -> Result<Option<Arc<Served>>, Refusal> {
        let now = self.core.moment();
        let (served, covers) = self.entry.served_for(self.question.demand).unzip();
        let covering = served.as_deref().filter(|_| covers == Some(true));
        match (self.standing(covering, &now), served) {
            (Standing::Fresh, Some(served)) => Ok(Some(served)),
            (Standing::Ahead, Some(served)) => {
                self.core.refresh_behind(&self.entry, &self.ticket_behind());
                Ok(Some(served))
            }
            (Standing::Old(vouched), Some(served)) => {
                if self.old_because.is_some() || self.revalidates(vouched, now.wall).await? {
                    return Ok(Some(served));
                }
                Ok(None)
            }
            (Standing::Lacking(lack), served) => {
                self.fetch(lack, served.as_deref()).await?;
                Ok(None)
            }
            // Only `Lacking` has no data.
            (_, None) => Err(self.never_ends()),
        }
    }

    /// `covering` is a set that knows about the roles.
    fn standing(&self, covering: Option<&Served>, now: &Moment) -> Standing {
        use Standing::{Ahead, Fresh, Lacking, Old};
        let something = Lacking(Lack::Something);
        let Some(served) = covering.filter(|set| set.pinned || self.question.dry_run) else {
            return something;
        };
        let freshness = &self.question.demand.freshness;
        let granted = match self.question.demand.credentials {
            CredentialsSource::Anonymous => Some(SignedDuration::ZERO),
            _ => self.entry.grants.at(&self.eyes()).map(|at| at.age(now)),
        };
        let Some(granted) = granted.filter(|age| *age <= freshness.max_staleness) else { return something };
        let Some(vouched) = served.vouched else { return Old(None) };
        let (age, vouched) = (vouched.age(now), vouched.at());
        if age > freshness.max_staleness {
            Lacking(Lack::Freshness { vouched })
        } else if age > freshness.revalidate_after {
            Old(Some(vouched))
        } else if is_due(age, freshness.revalidate_after) || granted > RENEW_AFTER {
            Ahead
        } else {
            Fresh
        }
    }

    /// Fetches what is lacking, and waits for it until the caller's deadline.
    async fn fetch(&mut self, lack: Lack, served: Option<&Served>) -> Result<(), Refusal> {
        match self.refresh(&self.ticket(), false).await? {
            Ok(()) => Ok(()),
            Err(Waited::TooLong) => Err(self.too_late()),
            Err(Waited::Failed(refusal)) => Err(match lack {
                Lack::Something => refusal,
                Lack::Freshness { vouched } => self.too_stale(vouched, refusal, served),
            }),
        }
    }

    /// One timestamp GET. `true`: it is not to be had in time, and the data at hand answers.
    async fn revalidates(&mut self, vouched: Option<Timestamp>, now: Timestamp) -> Result<bool, Refusal> {
        let revalidate_after = self.question.demand.freshness.revalidate_after;
        let trouble = self.entry.trouble.load_full();
        let concerns_us =
            |trouble: &Trouble| trouble.role.as_ref().is_none_or(|role| self.roles().contains(role));
        let trouble = trouble.filter(|t| concerns_us(t) && is_recent(t.last, now, revalidate_after));
        if let Some(trouble) = trouble {
            // The server failed since it was due: its silence costs freshness, not the admission's time.
            self.core.refresh_behind(&self.entry, &self.ticket_behind());
            self.old_because = Some(warnings::old_data(vouched, &trouble.refusal.to_string()));
            return Ok(true);
        }
        let why = match self.refresh(&self.ticket(), true).await? {
            Ok(()) => return Ok(false),
            Err(Waited::Failed(refusal)) if self.is_ended(&refusal) => return Err(refusal),
            Err(Waited::Failed(refusal)) => refusal.to_string(),
            Err(Waited::TooLong) => format!("{} is slow", self.entry.state_key.server),
        };
        self.old_because = Some(warnings::old_data(vouched, &why));
        Ok(true)
    }

    /// A denial that rests on data from before the question first forces one timestamp GET, so that a tag signed a
    /// moment ago is never refused. When that fails, the reason is its own.
    async fn confirm(&mut self, served: &Served, refused: Refusal) -> Result<(), Refusal> {
        if let Some(Vouched::Here(sent)) = served.vouched
            && sent.order > self.now.order
        {
            return Err(refused);
        }
        let ticket = Ticket { not_before: Some(self.now), ..self.ticket() };
        match self.refresh(&ticket, false).await? {
            Ok(()) => Ok(()),
            Err(Waited::TooLong) => Err(self.too_late()),
            // The server offers what is older than the data at hand: that data has the last word.
            Err(Waited::Failed(failed)) if failed.reason() == Reason::Rollback => {
                let message = format!("{} (the trust server offers older data: {failed})", refused.message());
                Err(refused.with_message(message))
            }
            Err(Waited::Failed(failed)) => {
                let message = format!("{}; going by older data: {refused}", failed.message());
                Err(failed.with_message(message))
            }
        }
    }

    async fn refresh(&mut self, ticket: &Ticket, patient: bool) -> Result<Result<(), Waited>, Refusal> {
        self.refreshes += 1;
        if self.refreshes > MAX_REFRESHES {
            return Err(self.never_ends());
        }
        let patience = patient.then_some(self.core.config.patience);
        Ok(self.core.refresh(&self.entry, ticket, self.question.deadline, patience).await)
    }

    /// Whose eyes read the data.
    fn eyes(&self) -> Eyes<'_> {
        let Question { demand, grant, image, .. } = self.question;
        Eyes::new(&demand.credentials, grant, image.into(), &demand.server.token_realms)
    }

    fn accessor(&self) -> &Accessor {
        self.accessor.get_or_init(|| self.eyes().into())
    }

    fn roles(&self) -> Vec<RoleName> {
        roles_of(self.question.demand).cloned().collect()
    }

    fn ticket(&self) -> Ticket {
        let pin = !(self.question.dry_run && self.entry.is_first_use());
        let key = FlightKey { accessor: self.accessor().clone(), pin };
        Ticket { key, roles: self.roles(), not_before: None, under: None }
    }

    /// For a refresh behind the answer's back.
    fn ticket_behind(&self) -> Ticket {
        Ticket { under: Some(self.entry.resets()), ..self.ticket() }
    }

    /// Whether a failed refresh ended the caller's own grant.
    fn is_ended(&self, refusal: &Refusal) -> bool {
        let accessor = self.accessor();
        refusal.reason() == Reason::Unauthorized
            && accessor.is_tenant()
            && self.entry.grants.at(&accessor.eyes()).is_none()
    }

    fn resolved(
        &self,
        served: &Served,
        signed: SignedDigest,
        mut warnings: Vec<String>,
        now: Timestamp,
    ) -> Resolved {
        warnings.extend(self.old_because.clone());
        warnings.extend(warnings::expiring(&served.repository, &signed, now));
        Resolved { signed: Some(signed), warnings }
    }

    fn too_late(&self) -> Refusal {
        let (gun, server) = (&self.entry.state_key.gun, &self.entry.state_key.server);
        Refusal::unavailable(
            Reason::DeadlineExceeded,
            format!(
                "{gun} at {server}: no answer before the admission's deadline; the fetch goes on, so try again"
            ),
        )
    }

    /// Past `maxStaleness`. Where the data is past its own expiry as well, what the server says counts.
    fn too_stale(&self, vouched: Timestamp, cause: Refusal, served: Option<&Served>) -> Refusal {
        let (now, skew) = (self.core.clock.now(), self.core.config.clock_skew);
        let has_expired =
            served.is_none_or(|served| served.repository.usable(&RoleName::targets(), now, skew).is_err());
        if has_expired && matches!(cause, Refusal::Untrusted(_)) {
            return cause;
        }
        let (gun, server) = (&self.entry.state_key.gun, &self.entry.state_key.server);
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

    fn never_ends(&self) -> Refusal {
        let (gun, server) = (&self.entry.state_key.gun, &self.entry.state_key.server);
        Refusal::unavailable(
            Reason::TrustServerUnreachable,
            format!("{gun} at {server}: trust data changes faster than it can be read; try again"),
        )
    }
}

/// Takes older files into what is at hand. Those that passed unseen are as good as gone once they are too much for one
/// question: there may be hundreds, of any size.
fn take(past: &mut Past, read: Vec<(FileName, PastFile)>) {
    let is_unseen = |file: &FileName| matches!(file.selector, Selector::Version(_));
    let memory = |file: &PastFile| match file {
        PastFile::Read(file) => file.memory(),
        PastFile::Absent | PastFile::Failed(_) => 0,
    };
    let mut total: usize =
        past.iter().filter(|(file, _)| is_unseen(file)).map(|(_, file)| memory(file)).sum();
    for (name, file) in read {
        total += if is_unseen(&name) { memory(&file) } else { 0 };
        let fits = !is_unseen(&name) || total <= MAX_UNSEEN_MEMORY;
        past.insert(name, if fits { file } else { PastFile::Absent });
    }
}

/// Whether data in use is to be refreshed ahead: four fifths of the time are over.
pub(super) fn is_due(age: SignedDuration, revalidate_after: SignedDuration) -> bool {
    age.as_millis().saturating_mul(5) >= revalidate_after.as_millis().saturating_mul(4)
}

fn is_recent(at: Timestamp, now: Timestamp, within: SignedDuration) -> bool {
    let age = now.duration_since(at);
    !age.is_negative() && age <= within
}

fn full(question: &Question<'_>) -> Refusal {
    Refusal::unavailable(
        Reason::TrustServerUnreachable,
        format!(
            "{}: too many repositories that never verified are being looked up at once; try again",
            question.demand.gun
        ),
    )
}
