//! `tagseal trust renew`: signs anew what ends soon, over all repositories; made for a timer.

mod table;

use std::process::ExitCode;

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};

use self::table::{Done, Renewal, Row};
use super::failure::is_refusal;
use super::options::Options;
use super::session::Session;
use crate::cli::durations::duration;
use crate::cli::exit_code;
use crate::cli::output::{Format, failure, print, print_json, tell};
use crate::cli::repository::Repository;
use crate::foreign::one_line;
use crate::publish::operation::Operation;
use crate::publish::publisher::{Published, Renewer, RoleEnd};

/// Arguments of `tagseal trust renew`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repositories, each with its registry.
    #[arg(required_unless_present = "all", value_name = "REPOSITORY")]
    repositories: Vec<String>,
    /// All repositories of the trust directory of which a key is here.
    #[arg(long, conflicts_with = "repositories")]
    all: bool,
    /// Renew what ends within this time, as in 90d, and what expired.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = duration)]
    within: SignedDuration,
    /// Publish nothing, and say what would be renewed.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    options: Options,
}

/// Renews each repository, whatever becomes of the others. Exits 0 when nothing has expired, and nothing ends in time that could
/// be renewed here; 1 when something has or does; 2 when something could not be done.
///
/// # Errors
/// When the arguments or the trust directory cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let session = Session::open(&args.options)?;
    let repositories = match args.all {
        true => session.own_repositories()?,
        false => {
            args.repositories.iter().map(|text| Repository::whole(text)).collect::<anyhow::Result<_>>()?
        }
    };
    let runtime = crate::cli::runtime()?;
    let (mut renewals, mut is_left, mut is_undone) = (Vec::new(), false, false);
    for repository in &repositories {
        let renewal = match runtime.block_on(renew(args, &session, repository)) {
            Ok(renewal) => renewal,
            Err(error) => {
                let is_no = is_refusal(&error);
                (is_left, is_undone) = (is_left | is_no, is_undone | !is_no);
                let error = error.context(repository.gun().to_string());
                tell(&failure(&error));
                Renewal::failed(repository, &error)
            }
        };
        is_left |= renewal.is_something_left();
        is_undone |= renewal.is_something_undone();
        if args.options.output == Format::Text && !renewal.is_failure() {
            print(&renewal.text());
            renewal
                .warnings
                .iter()
                .for_each(|warning| tell(&format!("warning: {}", one_line(warning, usize::MAX))));
        }
        renewals.push(renewal);
    }
    if args.options.output == Format::Json {
        print_json(&renewals)?;
    }
    if renewals.is_empty() {
        bail!("there is no repository in {} of which a key is here", session.dir.path().display());
    }
    Ok(exit_code(is_left, is_undone))
}

async fn renew(args: &Args, session: &Session<'_>, repository: &Repository) -> anyhow::Result<Renewal> {
    let now = session.clock.now();
    let by = now.saturating_add(args.within).unwrap_or(Timestamp::MAX);
    let before = session.ends(repository).await?;
    let is_due = |end: &RoleEnd| end.expires < by && end.renewer == Renewer::Here;
    let (mut published, mut after) = (Published::default(), before.clone());
    if before.iter().any(is_due) && !args.dry_run {
        published = session.publish(repository, &[Operation::Renew { by }]).await?;
        after = session.ends(repository).await?;
    }
    let row = |end: &RoleEnd| {
        let renewed = published.roles.iter().find(|(role, _)| *role == end.role).map(|(_, version)| *version);
        let now_ends =
            after.iter().find(|after| after.role == end.role).map_or(end.expires, |after| after.expires);
        let done = match renewed {
            Some(version) => Done::Renewed { version, expires: now_ends },
            None if end.renewer == Renewer::Server => Done::ByServer,
            None if end.expires >= by => Done::NotDue,
            None if end.renewer == Renewer::Here && args.dry_run => Done::Due,
            None => Done::NotRenewed,
        };
        Row::new(repository, end, done, now)
    };
    Ok(Renewal::new(repository, before.iter().map(row).collect(), published.warnings))
}
