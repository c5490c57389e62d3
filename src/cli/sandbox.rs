//! `tagseal sandbox`: everything on this machine alone, and a story that plays on it.

mod cluster;
mod hints;
mod printer;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use self::cluster::Cluster;
pub use self::hints::Places;
use self::printer::{Printer, Style};
use super::output::print_styled;
use super::{DENIED, stop};
use crate::clock::SystemClock;
use crate::sandbox::stage::{Folder, Port, Stage, StageOptions};
use crate::sandbox::story::{self, Event};

/// The trust server's port, if it is free: notary's own.
pub const NOTARY_PORT: u16 = 4443;
/// The registry's, if it is free.
pub const REGISTRY_PORT: u16 = 5443;
/// The webhook's, if it is free: that of `tagseal serve`.
pub const WEBHOOK_PORT: u16 = 8443;

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
    /// After the story, register the webhook with this cluster, for the namespace tagseal-sandbox alone and failing open;
    /// everything is removed from the cluster at the end.
    #[arg(long, value_name = "FILE", conflicts_with = "once")]
    kubeconfig: Option<PathBuf>,
    /// The name or address by which the cluster reaches this machine; default: this machine's outward address.
    #[arg(long, value_name = "HOST", requires = "kubeconfig")]
    advertise: Option<String>,
}

/// Plays the story. Exits 0 when every step went as it should, 1 when one did not, 2 when it could not begin, and 130 when it
/// was interrupted before its end.
///
/// # Errors
/// When it cannot begin: a port that is in use, a folder that cannot be written to, a cluster that does not answer.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    let (outcome, folder) = runtime.block_on(async {
        // Before anything is there that would have to be removed.
        let stop = stop::requested();
        tokio::pin!(stop);
        let printer = Printer::new(std::io::stdout().is_terminal());
        let mut show = Show { args: &args, printer: &printer, cluster: None, folder: None, ending: None };
        let outcome = tokio::select! {
            biased;
            () = &mut stop => None,
            played = show.play() => Some(played),
        };
        if let Some(cluster) = show.cluster.take() {
            cluster.leave().await;
        }
        let code = match (outcome, show.ending) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(true)) => Ok(ExitCode::SUCCESS),
            (_, Some(false)) => Ok(ExitCode::from(DENIED)),
            (_, None) => {
                printer.interrupted();
                Ok(ExitCode::from(INTERRUPTED))
            }
        };
        (code, show.folder)
    });
    // In this order: nobody writes into the folder any more when it is removed.
    drop(runtime);
    drop(folder);
    outcome
}

/// One run, which may be interrupted at any moment.
struct Show<'a> {
    args: &'a Args,
    printer: &'a Printer,
    /// What has to be tidied up.
    cluster: Option<Cluster>,
    folder: Option<Folder>,
    /// How the story ended, once it did.
    ending: Option<bool>,
}

impl Show<'_> {
    async fn play(&mut self) -> anyhow::Result<()> {
        let (args, printer) = (self.args, self.printer);
        let advertised = args.advertised()?;
        let cluster = match &args.kubeconfig {
            Some(kubeconfig) => Some(Cluster::reach(kubeconfig).await?),
            None => None,
        };
        let mut stage = Stage::start(args.options(advertised)).await?;
        self.folder = Some(stage.folder());
        let started = tokio::time::Instant::now();
        print_styled(&hints::opening(&Places::of(&stage), printer.style()));
        let steps = story::steps(&stage);
        let is_well = story::play(&stage, &mut |event| printer.tell(&event, steps)).await;
        printer.ending(is_well, steps, started.elapsed());
        self.ending = Some(is_well);
        if let Some(cluster) = cluster {
            // From here on it is left behind properly, however far the registration comes.
            let cluster = self.cluster.insert(cluster);
            cluster.register(&stage).await?;
        }
        let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        if self.cluster.is_some() || (is_terminal && !args.once) {
            print_styled(&hints::closing(&stage, args.kubeconfig.as_deref(), printer.style()));
            // Until somebody interrupts, which drops all this.
            stage.ended().await;
        } else if stage.is_kept() && is_well {
            print_styled(&hints::kept(&stage));
        }
        Ok(())
    }
}

impl Args {
    fn options(&self, advertised: Option<String>) -> StageOptions {
        let port = |asked: Option<u16>, usual| asked.map_or(Port::Preferably(usual), Port::Exactly);
        StageOptions {
            data_dir: self.data_dir.clone(),
            notary: port(self.notary_port, NOTARY_PORT),
            registry: port(self.registry_port, REGISTRY_PORT),
            webhook: port(self.webhook_port, WEBHOOK_PORT),
            advertised,
            clock: Arc::new(SystemClock),
            before_webhook: None,
        }
    }

    /// Under which name a cluster reaches the webhook; `None` where no cluster has to.
    fn advertised(&self) -> anyhow::Result<Option<String>> {
        match (&self.kubeconfig, &self.advertise) {
            (None, _) => Ok(None),
            (Some(_), Some(host)) => Ok(Some(host.clone())),
            (Some(_), None) => cluster::outward_address().map(Some),
        }
    }
}

/// The opening, as it is printed where there is no terminal.
pub fn opening_text(places: &Places) -> String {
    hints::opening(places, Style::PLAIN)
}

/// An event of a story of so many steps, as it is printed where there is no terminal.
pub fn event_text(event: &Event, steps: usize) -> String {
    printer::text(event, steps, Style::PLAIN)
}
