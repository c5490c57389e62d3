//! [`decide`]: what the leader does next, from what it read. No I/O, no clock: the state machine of the module's page.

use jiff::{SignedDuration, Timestamp};

use super::issue::{self, CLOCKS_DIFFER, IssueError, Lifetimes};
use super::material::{Authority, Material};

/// What is to be kept right.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The names by which API servers call tagseal.
    pub(super) names: Vec<String>,
    pub(super) lifetimes: Lifetimes,
}

impl Wanted {
    /// The same, and for `names` too.
    pub(super) fn and_for(&self, names: impl IntoIterator<Item = String>) -> Self {
        let mut wanted = self.clone();
        for name in names {
            if !wanted.names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                wanted.names.push(name);
            }
        }
        wanted
    }
}

/// The Secret as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// There is none.
    Absent,
    /// It is somebody else's: tagseal neither reads nor writes it.
    Foreign,
    /// It is tagseal's.
    Held {
        material: Box<Material>,
        /// What cannot be read of it.
        damage: Vec<String>,
        /// Whether somebody wants a new authority.
        rotation_asked: bool,
    },
}

/// One step, which is one write of the Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The first authority and its first leaf.
    Create,
    /// What last served takes its place again; authorities that can still be read of it stay.
    Restore,
    /// A new authority, in front of the others. The leaf stays.
    Authority,
    /// A new leaf, issued by the authority at this place.
    Leaf(usize),
    /// Authorities that are over go.
    Forget,
    /// What was asked for is under way: nothing but the wish goes.
    Heed,
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Write(Step),
    /// Nothing, before then.
    Wait(Timestamp),
}

/// Since when the configurations have a bundle, without a break.
#[derive(Debug, Clone, Default)]
pub(super) struct InForce(Option<(String, Timestamp)>);

impl InForce {
    /// Takes note of whether all of them have it now.
    pub(super) fn note(&mut self, bundle: &str, everywhere: bool, now: Timestamp) {
        if !everywhere {
            self.0 = None;
        } else if self.since(bundle).is_none_or(|since| since > now) {
            self.0 = Some((bundle.to_owned(), now));
        }
    }

    /// Since when they have it.
    pub(super) fn since(&self, bundle: &str) -> Option<Timestamp> {
        self.0.as_ref().filter(|(known, _)| known == bundle).map(|(_, since)| *since)
    }

    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// What to do about what was seen. `memory` is what was last served from the Secret; `in_force` is since when every
/// configuration has the bundle that was seen.
pub(super) fn decide(
    sight: &Sight,
    memory: Option<&Material>,
    in_force: Option<Timestamp>,
    wanted: &Wanted,
    now: Timestamp,
) -> Option<Next> {
    let remembered = || memory.is_some_and(|memory| memory.stands(now));
    match sight {
        Sight::Foreign => None,
        Sight::Absent if remembered() => Some(Next::Write(Step::Restore)),
        Sight::Absent => Some(Next::Write(Step::Create)),
        Sight::Held { material, .. } if !material.stands(now) && remembered() => {
            Some(Next::Write(Step::Restore))
        }
        Sight::Held { material, rotation_asked, .. } => {
            Some(next(material, *rotation_asked, in_force, wanted, now))
        }
    }
}

fn next(
    material: &Material,
    rotation_asked: bool,
    in_force: Option<Timestamp>,
    wanted: &Wanted,
    now: Timestamp,
) -> Next {
    let Some(newest) = material.authorities.first() else { return Next::Write(Step::Create) };
    let signer = material.signer(now);
    let is_under_way = signer.is_some_and(|signer| signer > 0);
    let settled_at = in_force.and_then(|since| since.checked_add(wanted.lifetimes.settle()).ok());
    // First of all the leaf: it has the least time left, and what waits for it can wait.
    if let Some(by) = issues_now(material, signer, settled_at.is_some_and(|at| at <= now), wanted, now) {
        return Next::Write(Step::Leaf(by));
    }
    if !newest.issues(now)
        || authority_due(newest, wanted.lifetimes) <= now
        || (rotation_asked && !is_under_way)
    {
        return Next::Write(Step::Authority);
    }
    if !forgettable(material, wanted.lifetimes, now).is_empty() {
        return Next::Write(Step::Forget);
    }
    if rotation_asked {
        return Next::Write(Step::Heed);
    }
    let leaf = material.leaf.as_ref().map(|leaf| &leaf.certificate);
    let ends = material.authorities.iter().map(|authority| authority.certificate.until);
    let ends = ends.chain(leaf.map(|leaf| leaf.until)).map(|end| after(end, SignedDuration::from_secs(1)));
    let older = material.authorities.iter().skip(1);
    let dates = ends
        .chain(older.map(|authority| forgotten_at(authority, newest, wanted.lifetimes)))
        .chain(leaf.map(|leaf| leaf.due()))
        .chain([authority_due(newest, wanted.lifetimes)])
        .chain(settled_at.filter(|_| is_under_way));
    Next::Wait(dates.filter(|date| *date > now).min().unwrap_or(Timestamp::MAX))
}

/// The authority that is to issue a leaf now, if one is to and can.
fn issues_now(
    material: &Material,
    signer: Option<usize>,
    is_settled: bool,
    wanted: &Wanted,
    now: Timestamp,
) -> Option<usize> {
    let issues = |place: &usize| material.authorities.get(*place).is_some_and(|it| it.issues(now));
    let Some((signer, leaf)) = signer.zip(material.leaf.as_ref().map(|leaf| &leaf.certificate)) else {
        // There is nothing that anybody accepts, so there is no order to keep, but for what API servers know already.
        let older = || (1..material.authorities.len()).rfind(issues);
        let by = if is_settled { 0 } else { older().unwrap_or(0) };
        return Some(by).filter(issues);
    };
    if signer > 0 && is_settled {
        return Some(0).filter(issues);
    }
    let is_right = leaf.is_valid(now) && leaf.is_for(&wanted.names);
    if is_right && leaf.due() > now {
        return None;
    }
    // The newest one is not everywhere yet. Until it is, the one that issued the leaf goes on, or one that is older still; not
    // one in between, which may never have been everywhere.
    let by = match signer {
        0 => Some(0).filter(issues),
        _ => (signer..material.authorities.len()).find(issues),
    };
    let gains = |authority: &Authority| issue::leaf_until(authority, now, wanted.lifetimes) > leaf.until;
    // With `None`, no authority that API servers know can issue by this clock, nor may the leaf be valid. The leaf stays all the same
    // until they know the newest authority: this clock may be wrong, and whatever it says, replicas may serve an earlier leaf
    // from memory that API servers accept.
    by.filter(|by| !is_right || material.authorities.get(*by).is_some_and(gains))
}

fn tolerance(lifetimes: Lifetimes) -> SignedDuration {
    CLOCKS_DIFFER.min(lifetimes.leaf())
}

fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.saturating_add(span).unwrap_or(time)
}

/// When an authority is to be replaced: when a third of its time is left, and while its leaves still live their whole time.
fn authority_due(authority: &Authority, lifetimes: Lifetimes) -> Timestamp {
    let certificate = &authority.certificate;
    let whole = certificate.until.saturating_sub(lifetimes.leaf()).unwrap_or(Timestamp::MIN);
    certificate.due().min(whole)
}

/// The authorities, by their places, that may go.
fn forgettable(material: &Material, lifetimes: Lifetimes, now: Timestamp) -> Vec<usize> {
    let Some((newest, older)) = material.authorities.split_first() else { return Vec::new() };
    let is_over = |authority: &Authority| forgotten_at(authority, newest, lifetimes) <= now;
    (1..).zip(older).filter(|(_, authority)| is_over(authority)).map(|(place, _)| place).collect()
}

/// When nothing that `authority` issued is valid any more (no leaf outlives it) by any sensible clock, and those who follow `newest`
/// have done so for a whole leaf's life: as they have anyway, unless it was this very clock that made it too late.
fn forgotten_at(authority: &Authority, newest: &Authority, lifetimes: Lifetimes) -> Timestamp {
    let over = after(authority.certificate.until, tolerance(lifetimes));
    over.max(after(newest.certificate.issued(), lifetimes.leaf()))
}

impl Step {
    /// Whether it is what `tagseal.dev/rotate` asks for, so that the wish goes with it.
    pub(super) fn heeds(self) -> bool {
        matches!(self, Self::Create | Self::Authority | Self::Heed)
    }
}

impl Authority {
    fn issues(&self, now: Timestamp) -> bool {
        self.key.is_some() && self.certificate.common_name.is_some() && self.certificate.is_valid(now)
    }
}

/// What the Secret holds after `step`.
pub(super) fn perform(
    step: Step,
    held: Option<&Material>,
    memory: Option<&Material>,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Material, IssueError> {
    let (Wanted { names, lifetimes }, mut material) = (wanted, held.cloned().unwrap_or_default());
    match step {
        // What can still be read of the Secret may be newer than memory, and some replica may go by it.
        Step::Restore => material = memory.cloned().unwrap_or_default().with_authorities_of(&material),
        Step::Create | Step::Authority => {
            material.authorities.insert(0, issue::authority(now, *lifetimes)?);
        }
        Step::Forget => {
            let gone = forgettable(&material, *lifetimes, now);
            let mut place = 0..;
            material.authorities.retain(|_| !place.next().is_some_and(|place| gone.contains(&place)));
        }
        Step::Leaf(_) | Step::Heed => {}
    }
    let by = match step {
        Step::Create => Some(0),
        Step::Leaf(by) => Some(by),
        _ => None,
    };
    if let Some(by) = by {
        let issuer = material.authorities.get(by).ok_or(IssueError::NoIssuer)?;
        material.leaf = Some(issue::leaf(issuer, names, now, *lifetimes)?);
        if material.issuer(names, now) != Some(by) {
            return Err(IssueError::NotAccepted);
        }
        if by == 0 {
            // The others have issued their last.
            material.authorities.iter_mut().skip(1).for_each(|authority| authority.key = None);
        }
    }
    Ok(material)
}
