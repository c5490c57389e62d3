//! `tagseal trust move`: a repository goes to another trust server.

mod view;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;

use self::view::View;
use super::options::Options;
use super::session::Session;
use crate::cli::progress::Progress;
use crate::cli::repository::Repository;
use crate::publish::publisher::Mover;
use crate::tuf::RoleName;

/// Arguments of `tagseal trust move`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository, with its registry.
    repository: String,
    /// The trust server that has it; default: that of --server.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The trust server that is to have it. Authorities and client certificates are found, or named, for both alike.
    #[arg(long, value_name = "URL")]
    to: String,
    /// A delegation role that stays behind, with all that is below it: one that expired, or that its present keys did not
    /// sign. May be repeated.
    #[arg(long, value_delimiter = ',', value_name = "ROLE")]
    leave_out: Vec<String>,
    /// More uploads are not made. The new server counts its timestamps up by one with each, and has to come past the old one's.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_uploads: u64,
    /// Change nothing, and say what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    options: Options,
}

/// Moves the repository, or goes on where an earlier run ended.
///
/// # Errors
/// When the root key is not here, or one of the servers cannot be reached or refuses.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let repository = Repository::whole(&args.repository)?;
    let leave_out: Vec<RoleName> =
        args.leave_out.iter().map(|name| delegation(name)).collect::<anyhow::Result<_>>()?;
    let session = Session::open(&args.options)?;
    let from = match &args.from {
        Some(from) => session.server_at(&repository, from, "--from")?,
        None => session.server(&repository)?,
    };
    let to = session.server_at(&repository, &args.to, "--to")?;
    if from.url == to.url {
        let (url, gun) = (&to.url, repository.gun());
        bail!("{gun} is to be moved from {url} to {url}: name the server that is to have it with --to");
    }
    let progress = Progress::new("uploads");
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let moved = crate::cli::runtime()?.block_on(async {
        let from = session.reached(&repository, Arc::clone(&from)).await?;
        let to = session.reached(&repository, Arc::clone(&to)).await?;
        let mover = Mover {
            from: session.publisher(&from),
            to: session.publisher(&to),
            leave_out: &leave_out,
            max_uploads: args.max_uploads,
            progress: &|done, of| progress.at(count(done), count(of)),
        };
        anyhow::Ok(mover.run(args.dry_run).await?)
    })?;
    drop(progress);
    View::of(&repository, (&from, &to), &moved, args.dry_run).print(args.options.output)?;
    Ok(ExitCode::SUCCESS)
}

fn delegation(name: &str) -> anyhow::Result<RoleName> {
    match RoleName::parse(name) {
        Ok(role) if role.is_delegation() => Ok(role),
        _ => bail!("--leave-out {name}: what may stay behind is a delegation role, targets/NAME"),
    }
}
