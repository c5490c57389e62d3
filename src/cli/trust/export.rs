//! `tagseal trust export`: every signed image, for other tools.

mod commands;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use self::commands::{Signer, script};
use self::view::View;
use super::accepted::{self, Accepted, Basis};
use super::failure::is_refusal;
use super::options::{KeyOptions, ServerOptions};
use super::session::Session;
use crate::cli::exit_code;
use crate::cli::output::{failure, print_json, tell, write_exactly};
use crate::cli::repository::Repository;
use crate::foreign::Foreign;

/// Arguments of `tagseal trust export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repositories, each with its registry.
    #[arg(required_unless_present = "policies", value_name = "REPOSITORY")]
    repositories: Vec<String>,
    /// YAML file with policies: what they accept of these repositories, or, where none is named, of every repository that they name
    /// without wildcards. Without it, the root is the one that the trust directory knows. May be repeated.
    #[arg(long = "policy", short = 'p', value_name = "FILE")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    keys: KeyOptions,
    #[command(flatten)]
    server: ServerOptions,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Output,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// Stable JSON, documented in `docs/`.
    #[default]
    Json,
    /// A shell script that signs every image with cosign, with its tag as an annotation.
    Cosign,
    /// A shell script that signs every image with notation, with its tag as metadata.
    Notation,
}

/// Exports each repository, whatever becomes of the others. Exits 0 when all that is signed is exported, 1 when something is not
/// accepted, 2 when something could not be read.
///
/// # Errors
/// When the arguments, a policy file or the trust directory cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut repositories: Vec<Repository> =
        args.repositories.iter().map(|text| Repository::whole(text)).collect::<anyhow::Result<_>>()?;
    let basis = match args.policies.as_slice() {
        [] => Basis::TrustDir,
        paths => Basis::Policies(Box::new(accepted::policies(paths)?)),
    };
    if let Basis::Policies(policies) = &basis
        && repositories.is_empty()
    {
        let (named, notes) = accepted::named_by(policies)?;
        notes.iter().for_each(|note| tell(&format!("warning: {note}")));
        repositories = named;
        if repositories.is_empty() {
            bail!("the policies name no repository without wildcards: name repositories beside --policy");
        }
    }
    let options = super::options::Options {
        keys: args.keys.clone(),
        server: args.server.clone(),
        output: Default::default(),
    };
    let session = Session::open(&options)?;
    let runtime = crate::cli::runtime()?;
    let (mut exported, mut is_refused, mut is_undone) = (Vec::new(), false, false);
    for repository in &repositories {
        let timeout = args.server.timeout();
        match runtime.block_on(accepted::read(&session, repository, &basis, None, timeout)) {
            Ok(found) => {
                is_refused |= !found.refused.is_empty();
                say_refused(&found);
                exported.push(found);
            }
            Err(error) => {
                let is_no = is_refusal(&error);
                (is_refused, is_undone) = (is_refused | is_no, is_undone | !is_no);
                tell(&failure(&error.context(repository.gun().to_string())));
            }
        }
    }
    match args.output {
        Output::Json => print_json(&exported.iter().map(View::of).collect::<Vec<_>>())?,
        Output::Cosign => write_exactly(&script(Signer::Cosign, &exported))?,
        Output::Notation => write_exactly(&script(Signer::Notation, &exported))?,
    }
    Ok(exit_code(is_refused, is_undone))
}

fn say_refused(found: &Accepted) {
    for (tag, why) in &found.refused {
        let (gun, tag) = (found.repository.gun(), Foreign(tag));
        tell(&format!("warning: {gun}: {tag} is left out: {why}"));
    }
}
