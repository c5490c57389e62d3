//! `tagseal sandbox`: everything on this machine alone, and a story that plays on it.

mod hints;
mod printer;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use self::printer::Printer;
use super::output::print;
use super::{DENIED, stop};
use crate::clock::SystemClock;
use crate::sandbox::stage::{Port, Stage, StageOptions};
use crate::sandbox::story;

/// The trust server's port, if it is free: notary's own.
const NOTARY_PORT: u16 = 4443;
/// The registry's.
const REGISTRY_PORT: u16 = 5443;
/// The webhook's: that of `tagseal serve`.
const WEBHOOK_PORT: u16 = 8443;

/// Exit status of a process that was interrupted (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// Arguments of `tagseal sandbox`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End after the story, also on a terminal.
    #[arg(long)]
    once: bool,
    /// Keep keys, trust data and policy in this folder, for another time; default: a temporary one that is removed.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The trust server's port; default: 4443, or any if that is taken.
    #[arg(long, value_name = "PORT")]
    notary_port: Option<u16>,
    /// The registry's port; default: 5443, or any if that is taken.
    #[arg(long, value_name = "PORT")]
    registry_port: Option<u16>,
    /// The webhook's port; default: 8443, or any if that is taken.
    #[arg(long, value_name = "PORT")]
    webhook_port: Option<u16>,
}

/// Plays the story. Exits 0 when every step went as it should, 1 when one did not, 2 when it could not begin.
///
/// # Errors
/// When it cannot begin: a port that is in use, a folder that cannot be written to.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    runtime.block_on(async {
        // Before anything is there that would have to be removed.
        let stop = stop::requested();
        tokio::pin!(stop);
        let printer = Printer::new(std::io::stdout().is_terminal());
        tokio::select! {
            biased;
            () = &mut stop => {
                printer.interrupted();
                Ok(ExitCode::from(INTERRUPTED))
            }
            played = play(&args, &printer) => played,
        }
    })
}

async fn play(args: &Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let mut stage = Stage::start(args.options()).await?;
    let started = tokio::time::Instant::now();
    print(&hints::opening(&stage, printer.style()));
    let steps = story::steps(&stage);
    let is_well = story::play(&stage, &mut |event| printer.tell(&event, steps)).await;
    printer.ending(is_well, steps, started.elapsed());
    let stays = !args.once && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if stays {
        print(&hints::closing(&stage, printer.style()));
        // Until somebody interrupts, which drops all this.
        stage.ended().await;
    } else if stage.is_kept() && is_well {
        print(&hints::kept(&stage));
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(DENIED) })
}

impl Args {
    fn options(&self) -> StageOptions {
        let port = |asked: Option<u16>, usual| asked.map_or(Port::Preferably(usual), Port::Exactly);
        StageOptions {
            data_dir: self.data_dir.clone(),
            notary: port(self.notary_port, NOTARY_PORT),
            registry: port(self.registry_port, REGISTRY_PORT),
            webhook: port(self.webhook_port, WEBHOOK_PORT),
            advertised: None,
            clock: Arc::new(SystemClock),
            before_webhook: None,
        }
    }
}
