//! `tagseal trust sign`: signs a tag.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::failure::Refused;
use super::key_choice;
use super::options::Options;
use super::pending::PendingOption;
use super::session::Session;
use crate::cli::repository::Repository;
use crate::digest::Digest;
use crate::notary::{Manifest, Registry};
use crate::publish::operation::{Operation, SigningRoles};
use crate::tuf::RoleName;

/// Arguments of `tagseal trust sign`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The image, IMAGE[:TAG][@DIGEST]: with a digest, that one is signed and no other.
    image: String,
    /// The manifest's digest, in place of what the registry says that the tag names.
    #[arg(long, value_name = "sha256:…")]
    digest: Option<Digest>,
    /// The manifest's size in bytes; with --digest, the registry is not asked at all.
    #[arg(long, value_name = "BYTES", requires = "digest", value_parser = clap::value_parser!(u64).range(1..))]
    size: Option<u64>,
    /// A role to sign in; default: docker's choice, every signer's role whose key is here, and targets where nobody else
    /// signs. May be repeated.
    #[arg(long = "role", visible_alias = "roles", short = 'r', value_delimiter = ',', value_name = "ROLE")]
    roles: Vec<String>,
    /// The root key of a repository that is made: its ID in the trust directory, or a file; default: the one that is there, or a
    /// new one.
    #[arg(long, value_name = "ID|FILE")]
    root_key: Option<String>,
    /// As docker has it: what is signed is in the registry, whatever pushed it.
    #[arg(long, hide = true)]
    local: bool,
    #[command(flatten)]
    pending: PendingOption,
    #[command(flatten)]
    options: Options,
}

/// Signs the tag; a repository without trust data is initialised first, as docker does.
///
/// # Errors
/// When the image is not in the registry, or the signature cannot be published.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let repository = Repository::parse(&args.image)?;
    let digest = match (repository.image().digest(), args.digest) {
        (Some(named), Some(given)) if named != given => bail!("{} and --digest {given} differ", args.image),
        (named, given) => named.or(given),
    };
    let Some(tag) = repository.image().tag().filter(|_| repository.tag().is_some() || digest.is_none())
    else {
        bail!("{}: a tag is what is signed: write IMAGE:TAG@DIGEST", args.image);
    };
    let roles = signing_roles(&args.roles)?;
    let session = Session::open(&args.options)?;
    // Before the registry is asked for anything.
    session.server(&repository)?;
    let runtime = crate::cli::runtime()?;
    let manifest = match (digest, args.size) {
        (Some(digest), Some(length)) => Manifest { digest, length },
        (digest, _) => runtime.block_on(manifest(args, &session, &repository, digest))?,
    };
    let root_key = key_choice::root_key(&session, args.root_key.as_deref())?;
    let operations = [
        Operation::Init { root_key, snapshot_key_is_local: false },
        Operation::AddTarget {
            roles,
            name: tag.as_str().to_owned(),
            digest: manifest.digest,
            length: manifest.length,
        },
    ];
    let published = runtime.block_on(args.pending.publish(&session, &repository, &operations))?;
    let signed = format!("{}:{tag}@{}", repository.gun(), manifest.digest);
    let effect = if published.is_without_effect { ", without effect" } else { "" };
    let message = match published.roles.as_slice() {
        [] => format!("Nothing was changed: {signed} is signed already{effect}"),
        _ => format!("Signed {signed}{effect}"),
    };
    args.pending
        .outcome(&repository, message, &published)
        .with_digest(manifest.digest)
        .print(args.options.output)
}

/// The roles that were named, else docker's choice.
pub(super) fn signing_roles(named: &[String]) -> anyhow::Result<SigningRoles> {
    if named.is_empty() {
        return Ok(SigningRoles::Docker);
    }
    let role = |name: &String| match RoleName::parse(name) {
        Ok(role) if role.is_delegation() || role == RoleName::targets() => Ok(role),
        _ => bail!("--role {name}: tags are signed in targets and in targets/NAME"),
    };
    Ok(SigningRoles::These(named.iter().map(role).collect::<anyhow::Result<_>>()?))
}

/// What the registry has: under the digest where one is given, else under the tag.
async fn manifest(
    args: &Args,
    session: &Session<'_>,
    repository: &Repository,
    digest: Option<Digest>,
) -> anyhow::Result<Manifest> {
    let image = match digest {
        // The registry is asked for the digest: by the time it is asked, the tag may name another.
        Some(digest) => Repository::parse(&format!("{}@{digest}", repository.gun()))?.image().clone(),
        None => repository.image().clone(),
    };
    let server = args.options.server.connection.registry(&image, &session.client)?;
    let access = session.access(repository).await?;
    let registry =
        Registry::new(Arc::clone(&session.client), Arc::new(server), access, args.options.server.timeout());
    let found = registry
        .manifest(&image)
        .await
        .context("the registry does not say what is signed (with --digest and --size it is not asked)")?;
    let found = found.ok_or_else(|| {
        Refused(format!(
            "the registry has no {image}: push it first, or name what was pushed with --digest and --size"
        ))
    })?;
    Ok(found)
}
