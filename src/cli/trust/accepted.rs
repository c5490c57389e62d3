//! What is signed in a repository, and which of it is accepted: by policies, or by the root that the trust directory knows.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use jiff::SignedDuration;
use tokio::time::Instant;

use super::session::Session;
use crate::cli::docker_config::DockerConfig;
use crate::cli::policy_files::{self, Documents};
use crate::cli::reading::{Reading, seeded_by};
use crate::cli::repository::Repository;
use crate::cli::settings::{SYSTEM_NAMESPACE, live_resolver};
use crate::digest::Digest;
use crate::image::{ImageReference, Segment};
use crate::policy::{Demand, PolicySet, SetOptions, TrustServer};
use crate::trust::{MemoryState, PodIdentity, Question, Report, ReportQuestion, Resolver, ResolverConfig};
use crate::tuf::{Anchors, KeyId, RoleName};

/// By what signatures are accepted.
pub(super) enum Basis {
    /// The root that the trust directory knows; docker's own rule says which role counts.
    TrustDir,
    /// These policies.
    Policies(Box<PolicySet>),
}

/// A repository, read and verified.
pub(super) struct Accepted {
    /// The name that images have.
    pub(super) repository: Repository,
    /// Where its trust data is.
    pub(super) server: String,
    /// Every signature of a tag, by role; of tags alone that are accepted.
    pub(super) listings: Vec<Listing>,
    /// The tags that are accepted, each with its digest and length.
    pub(super) tags: Vec<(String, Digest, u64)>,
    /// Tags that are signed and not accepted, and why.
    pub(super) refused: Vec<(String, String)>,
}

/// That a role lists a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) tag: String,
    pub(super) digest: Digest,
    pub(super) length: u64,
    pub(super) role: RoleName,
    /// The canonical IDs of the role's keys.
    pub(super) key_ids: Vec<KeyId>,
    /// Those of the keys that signed it.
    pub(super) signed_by: Vec<KeyId>,
    pub(super) expires: jiff::Timestamp,
}

/// The policies of these files.
///
/// # Errors
/// When one cannot be read, or does not compile.
pub(super) fn policies(paths: &[std::path::PathBuf]) -> anyhow::Result<PolicySet> {
    let documents = Documents::load(&policy_files::read(paths)?);
    Ok(documents.policy_set(SYSTEM_NAMESPACE, SetOptions::default())?)
}

/// The repositories that the policies name, and of each pattern that covers more than can be told, a sentence.
pub(super) fn named_by(policies: &PolicySet) -> anyhow::Result<(Vec<Repository>, Vec<String>)> {
    let (mut names, mut notes) = (Vec::new(), Vec::new());
    for (policy, _) in policies.policies() {
        for pattern in policy.includes() {
            let literal = |segment: &Segment| match segment {
                Segment::Literal(text) => Some(text.clone()),
                Segment::Glob(_) | Segment::Any => None,
            };
            match pattern.segments().iter().map(literal).collect::<Option<Vec<_>>>() {
                Some(segments) => names.push(segments.join("/")),
                None => notes.push(format!(
                    "what {} of {} covers cannot be told from the policy: name repositories of it beside --policy",
                    pattern.as_str(),
                    policy.id()
                )),
            }
        }
    }
    names.sort();
    names.dedup();
    let repositories = names.iter().map(|name| Repository::whole(name)).collect::<anyhow::Result<_>>()?;
    Ok((repositories, notes))
}

/// Reads a repository, and says which of its tags are accepted. `tag` looks at that one alone.
///
/// # Errors
/// [`crate::trust::Refusal`], when the repository is not trusted or that could not be decided.
pub(super) async fn read(
    session: &Session<'_>,
    repository: &Repository,
    basis: &Basis,
    server: Option<Arc<TrustServer>>,
    timeout: Duration,
) -> anyhow::Result<Accepted> {
    let (_folder, config, demands) = match basis {
        Basis::TrustDir => {
            if !session.knows_root_of(repository)? {
                bail!(
                    "the trust directory {} knows no root of {}, and nothing is believed at first sight here: name a policy \
                     that pins its root with --policy FILE, or a trust directory that knows it with --trust-dir DIR",
                    session.dir.path().display(),
                    repository.gun()
                );
            }
            let (folder, config) = seeded_by(session.dir.path())?;
            let server = match server {
                Some(server) => server,
                None => session.server(repository)?,
            };
            let reading = Reading {
                repository: repository.clone(),
                client: Arc::clone(&session.client),
                server,
                anchors: Arc::new(Anchors::new(Vec::new(), crate::tuf::RootRotation::Follow, false)),
            };
            let mut demand = reading.demand();
            // What was read a moment ago is fresh.
            demand.freshness.revalidate_after = SignedDuration::from_hours(1);
            (Some(folder), config, vec![demand])
        }
        Basis::Policies(policies) => (None, ResolverConfig::default(), demands(policies, repository)?),
    };
    let resolver = live_resolver(
        config,
        Arc::clone(&session.client),
        DockerConfig::from_env().after_notary_auth(),
        Arc::new(MemoryState::new()),
        Arc::clone(&session.clock),
    );
    let mut accepted = Accepted {
        repository: repository.clone(),
        server: String::new(),
        listings: Vec::new(),
        tags: Vec::new(),
        refused: Vec::new(),
    };
    let mut listings = Vec::new();
    for demand in &demands {
        let pod = PodIdentity::default();
        let (registry, deadline) = (repository.registry(), Instant::now() + timeout);
        let report = resolver.report(ReportQuestion { demand, registry, pod: &pod, deadline }).await?;
        accepted.server = demand.server.url.as_str().trim_end_matches('/').to_owned();
        listings.extend(listings_of(&report));
    }
    listings.dedup();
    let wanted = repository.tag().map(|tag| tag.as_str().to_owned());
    let mut names: Vec<String> = listings.iter().map(|listing| listing.tag.clone()).collect();
    names.extend(wanted.clone());
    names.retain(|name| wanted.as_ref().is_none_or(|wanted| wanted == name));
    names.sort();
    names.dedup();
    for name in names {
        match judge(&resolver, &demands, repository, &name, timeout).await {
            Ok(digest) => {
                let same = |listing: &&Listing| listing.tag == name && listing.digest == digest;
                let rows: Vec<Listing> = listings.iter().filter(same).cloned().collect();
                if let Some(row) = rows.first() {
                    accepted.tags.push((name, digest, row.length));
                }
                accepted.listings.extend(rows);
            }
            Err(why) => accepted.refused.push((name, why)),
        }
    }
    Ok(accepted)
}

/// What all policies that cover the repository ask.
fn demands(policies: &PolicySet, repository: &Repository) -> anyhow::Result<Vec<Demand>> {
    // A tagged pattern covers every digest of its repository.
    let image = format!("{}@sha256:{}", repository.gun(), "0".repeat(64));
    let image = ImageReference::parse(&image)?;
    let found = policies.policies().filter_map(|(policy, _)| policies.demand_of(policy.id(), &image));
    let found: Vec<Demand> = found.collect();
    if found.is_empty() {
        bail!("no policy of these files covers {} and says whom to trust for it", repository.gun());
    }
    Ok(found)
}

/// The digest that all of the demands accept.
async fn judge(
    resolver: &Resolver,
    demands: &[Demand],
    repository: &Repository,
    tag: &str,
    timeout: Duration,
) -> Result<Digest, String> {
    let name = format!("{}:{tag}", repository.gun());
    let image = ImageReference::parse(&name).map_err(|error| format!("it is no tag: {error}"))?;
    let pod = PodIdentity::default();
    let mut digests = Vec::new();
    for demand in demands {
        let deadline = Instant::now() + timeout;
        let question = Question { demand, image: &image, pod: &pod, deadline, dry_run: false };
        let resolved = resolver.resolve(question).await.map_err(|refusal| refusal.to_string())?;
        digests.extend(resolved.signed.map(|signed| signed.digest()));
    }
    match digests.as_slice() {
        [first, rest @ ..] if rest.iter().all(|digest| digest == first) => Ok(*first),
        [] => Err("no policy says which digest it has".to_owned()),
        _ => Err("the policies accept different digests".to_owned()),
    }
}

fn listings_of(report: &Report) -> Vec<Listing> {
    let roles = report.repository.roles(report.now, report.clock_skew);
    let listings = roles.iter().flat_map(|role| {
        role.targets().map(|target| Listing {
            tag: target.name.to_owned(),
            digest: target.digest,
            length: target.length,
            role: role.name().clone(),
            key_ids: role.key_ids(),
            signed_by: role.signed_by().iter().map(|signer| signer.key_id).collect(),
            expires: role.expires(),
        })
    });
    let mut listings: Vec<Listing> = listings.collect();
    listings.sort_by(|a, b| (&a.tag, &a.role).cmp(&(&b.tag, &b.role)));
    listings
}
