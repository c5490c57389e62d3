//! `tagseal trust promote`: what is signed under one name is signed under another.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::accepted::{self, Accepted, Basis};
use super::failure::Refused;
use super::key_choice;
use super::options::Options;
use super::outcome::Outcome;
use super::session::Session;
use super::sign::signing_roles;
use crate::cli::exit_code;
use crate::cli::repository::Repository;
use crate::digest::Digest;
use crate::notary::Registry;
use crate::publish::operation::Operation;
use crate::publish::publisher::PublishError;
use crate::trust::TrustServer;
use crate::tuf::TrustedRepository;

/// Arguments of `tagseal trust promote`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is signed: REPOSITORY:TAG, or REPOSITORY for all of its tags.
    source: String,
    /// Where it is to be signed: REPOSITORY, or REPOSITORY:TAG for another tag. The image has to be there; it is not copied.
    destination: String,
    /// YAML file with policies that say whom to trust at the source, and where; default: the root that the trust directory knows of
    /// it, and docker's rule of which role counts. May be repeated.
    #[arg(long = "policy", short = 'p', value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// The trust server of the source, where no policy names one; default: that of --server, or the source registry's own host.
    #[arg(long, value_name = "URL", conflicts_with = "policies")]
    source_server: Option<String>,
    /// A role to sign in; default: docker's choice, every signer's role whose key is here, and targets where nobody else
    /// signs. May be repeated.
    #[arg(long = "role", visible_alias = "roles", short = 'r', value_delimiter = ',', value_name = "ROLE")]
    roles: Vec<String>,
    /// The root key of a repository that is made: its ID in the trust directory, or a file; default: the one that is there, or a
    /// new one.
    #[arg(long, value_name = "ID|FILE")]
    root_key: Option<String>,
    /// Do not ask the destination's registry whether it has the images.
    #[arg(long)]
    without_registry: bool,
    #[command(flatten)]
    options: Options,
}

/// Signs the tags in one publish. Exits as `sign` does, and 1 where a tag of the source is not accepted.
///
/// # Errors
/// When the source is not trusted, an image is not at the destination, or the signatures cannot be published.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let source = Repository::without_digest(&args.source)?;
    let destination = Repository::without_digest(&args.destination)?;
    if destination.tag().is_some() && source.tag().is_none() {
        bail!("{} is all tags of a repository: name the destination without a tag", args.source);
    }
    let roles = signing_roles(&args.roles)?;
    let basis = match args.policies.as_slice() {
        [] => Basis::TrustDir,
        paths => Basis::Policies(Box::new(accepted::policies(paths)?)),
    };
    let session = Session::open(&args.options)?;
    let source_server = args.source_server.as_deref();
    let source_server = source_server.map(|url| session.server_at(&source, url, "--source-server"));
    let source_server = source_server.transpose()?;
    session.server(&destination)?;
    let timeout = args.options.server.timeout();
    let runtime = crate::cli::runtime()?;
    let found = runtime.block_on(accepted::read(&session, &source, &basis, source_server, timeout))?;
    let refused = |(tag, why): &(String, String)| format!("{}:{tag} is not promoted: {why}", source.gun());
    let refused: Vec<String> = found.refused.iter().map(refused).collect();
    if found.tags.is_empty() {
        let why = match refused.as_slice() {
            [] => format!("{} has no signed tag", source.gun()),
            some => some.join("; "),
        };
        return Err(Refused(why).into());
    }
    let tag_of = |tag: &str| destination.tag().map_or_else(|| tag.to_owned(), |tag| tag.as_str().to_owned());
    if !args.without_registry {
        for (_, digest, _) in &found.tags {
            runtime.block_on(check_image(args, &session, &destination, *digest))?;
        }
    }
    let before = runtime.block_on(signed_before(&session, &destination))?;
    let root_key = key_choice::root_key(&session, args.root_key.as_deref())?;
    let mut operations = vec![Operation::Init { root_key, snapshot_key_is_local: false }];
    operations.extend(found.tags.iter().map(|(tag, digest, length)| Operation::AddTarget {
        roles: roles.clone(),
        name: tag_of(tag),
        digest: *digest,
        length: *length,
    }));
    let published = runtime.block_on(session.publish(&destination, &operations))?;
    let effect = if published.is_without_effect { ", without effect" } else { "" };
    let what = what_of(&found, &source, &destination);
    let message = match published.roles.as_slice() {
        [] => format!("Nothing was changed: {what} signed already{effect}"),
        _ => format!("Promoted {what}{effect}"),
    };
    let mut outcome = Outcome::new(&destination, message, &published);
    let moved = before.iter().flat_map(|before| others(before, &found, &tag_of, &destination));
    moved.chain(refused.iter().cloned()).for_each(|warning| outcome.warn(warning));
    outcome.print(args.options.output)?;
    Ok(exit_code(published.is_without_effect || !refused.is_empty(), false))
}

/// `A:1 to B:1@sha256:…`, or how many tags.
fn what_of(found: &Accepted, source: &Repository, destination: &Repository) -> String {
    match found.tags.as_slice() {
        [(tag, digest, _)] => {
            let new = destination.tag().map_or(tag.as_str(), |tag| tag.as_str());
            format!("{}:{tag} to {}:{new}@{digest}", source.gun(), destination.gun())
        }
        tags => format!("{} tags of {} to {}", tags.len(), source.gun(), destination.gun()),
    }
}

/// What the destination has already; `None` where it has no trust data.
async fn signed_before(
    session: &Session<'_>,
    destination: &Repository,
) -> anyhow::Result<Option<Arc<TrustedRepository>>> {
    match session.read(destination).await {
        Ok(read) => Ok(Some(read)),
        Err(error) => match error.downcast_ref() {
            Some(PublishError::NotInitialised { .. }) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Tags that the destination had with another digest.
fn others(
    before: &TrustedRepository,
    found: &Accepted,
    tag_of: &dyn Fn(&str) -> String,
    destination: &Repository,
) -> Vec<String> {
    // Whatever is listed counts here, expired or not.
    let roles = before.roles(jiff::Timestamp::MIN, jiff::SignedDuration::ZERO);
    let mut said = Vec::new();
    for (tag, digest, _) in &found.tags {
        let tag = tag_of(tag);
        for role in &roles {
            let old = role.targets().find(|target| target.name == tag && target.digest != *digest);
            said.extend(old.map(|old| {
                format!(
                    "{}:{tag} was signed in {} with another digest, {}",
                    destination.gun(),
                    role.name(),
                    old.digest
                )
            }));
        }
    }
    said
}

/// Whether the destination's registry has the image.
async fn check_image(
    args: &Args,
    session: &Session<'_>,
    destination: &Repository,
    digest: Digest,
) -> anyhow::Result<()> {
    let image = Repository::parse(&format!("{}@{digest}", destination.gun()))?.image().clone();
    let server: TrustServer = args.options.server.connection.registry(&image, &session.client)?;
    let access = session.access(destination).await?;
    let timeout = args.options.server.timeout();
    let registry = Registry::new(Arc::clone(&session.client), Arc::new(server), access, timeout);
    let found = registry.manifest(&image).await.context(
        "the registry does not say whether it has the image (with --without-registry it is not asked)",
    )?;
    match found {
        Some(_) => Ok(()),
        None => Err(Refused(format!(
            "the registry has no {image}: copy the image there first (promote signs it and copies nothing), or sign it all the \
             same with --without-registry"
        ))
        .into()),
    }
}
