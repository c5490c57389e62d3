//! `tagseal trust revoke`: takes back signatures.

use std::process::ExitCode;

use super::options::Options;
use super::pending::PendingOption;
use super::session::Session;
use super::sign::signing_roles;
use crate::cli::confirm::confirm;
use crate::cli::output::print;
use crate::cli::repository::Repository;
use crate::publish::operation::Operation;
use crate::publish::publisher::Published;
use crate::tuf::RoleName;

/// Arguments of `tagseal trust revoke`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The image with its tag; without a tag, all tags of the repository.
    image: String,
    /// A role to take it from; default: every one whose key is here. May be repeated.
    #[arg(long = "role", visible_alias = "roles", short = 'r', value_delimiter = ',', value_name = "ROLE")]
    roles: Vec<String>,
    /// Do not ask.
    #[arg(long, short = 'y')]
    yes: bool,
    #[command(flatten)]
    pending: PendingOption,
    #[command(flatten)]
    options: Options,
}

/// Takes the signature back, and says where the tag still stands.
///
/// # Errors
/// When the tag is not signed, no key for it is here, or it cannot be published.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let repository = Repository::without_digest(&args.image)?;
    let roles = signing_roles(&args.roles)?;
    let gun = repository.gun();
    let name = repository.tag().map(|tag| tag.as_str().to_owned());
    if name.is_none() && !confirm(&format!("Take back the signatures of all tags of {gun}?"), args.yes)? {
        print("Nothing was changed");
        return Ok(ExitCode::SUCCESS);
    }
    let session = Session::open(&args.options)?;
    let runtime = crate::cli::runtime()?;
    let operation = Operation::RemoveTarget { roles, name: name.clone() };
    let published = runtime.block_on(args.pending.publish(&session, &repository, &[operation]))?;
    let mut what = match (&name, published.roles.is_empty()) {
        (Some(tag), _) => format!("Took back the signature of {gun}:{tag}"),
        (None, false) => format!("Took back the signatures of all tags of {gun}"),
        (None, true) => format!("Nothing was changed: no tag of {gun} is signed"),
    };
    if !published.still_listed.is_empty() {
        what = format!("{what} in {}, and not everywhere", list_of_roles(&published));
    }
    let outcome = args.pending.outcome(&repository, what, &published);
    // Who names roles leaves it in others on purpose.
    let outcome = if args.roles.is_empty() { outcome.of_revocation() } else { outcome.of_removal() };
    outcome.print(args.options.output)
}

/// The roles that were signed, but for those that only ended soon.
fn list_of_roles(published: &Published) -> String {
    let lists = |role: &&RoleName| role.is_delegation() || **role == RoleName::targets();
    let roles = published.roles.iter().map(|(role, _)| role).filter(lists);
    let roles = roles.filter(|role| !published.renewed.contains(role)).map(ToString::to_string);
    roles.collect::<Vec<_>>().join(", ")
}
