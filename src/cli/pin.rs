//! `tagseal pin`: writes signed digests into manifests, and changes no other byte.

mod json;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::exit_code;
use super::judging::Judging;
use super::manifests::Manifests;
use super::output::{Format, print, print_json, tell, write_exactly};
use crate::admission::judge::Fault;
use crate::foreign::{Foreign, one_line, plain};
use crate::gitops::edit::unified;
use crate::gitops::files::{Input, Source};
use crate::gitops::judge::PIN_UPDATE;
use crate::gitops::pin::{Change, Left, Pin, Plan, WhyLeft, plan, questions};
use crate::gitops::write::{self, Replacement};
use crate::gitops::{Problem, Scan, Site};

/// Arguments of `tagseal pin`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true).multiple(true).args(["paths", "helm_values"]))]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// YAML file with policies (and the config maps that they name); `-` is standard input. May be repeated. Beside --from-cluster, a
    /// policy of a file takes the place of the cluster's of the same name.
    #[arg(long = "policy", short = 'p', required_unless_present = "from_cluster", value_name = "FILE", num_args = 1..)]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    judging: Judging,
    /// Move pins whose tag is signed for another digest now.
    #[arg(long)]
    update: bool,
    /// Write nothing, and exit 1 if a file would change.
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    /// Write nothing, and say what would be written.
    #[arg(long)]
    dry_run: bool,
    /// Write nothing, and print a unified diff.
    #[arg(long)]
    diff: bool,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

impl Args {
    fn writes(&self) -> bool {
        !(self.check || self.dry_run || self.diff)
    }

    /// What can be said of the arguments alone.
    fn check(&self) -> anyhow::Result<()> {
        self.manifests.read_stdin_once(&self.policies)?;
        anyhow::ensure!(
            !(self.manifests.has_stdin() && self.writes() && self.output == Format::Json),
            "with -f - the result is printed, and nothing else: add --dry-run, --check or --diff to -o json"
        );
        Ok(())
    }
}

/// The files, their images, and what is to be done with them.
struct Outcome {
    input: Input,
    scan: Scan,
    plan: Plan,
    /// What cannot be read, edited or written.
    problems: Vec<Problem>,
    /// Whether files were written.
    written: bool,
}

/// Pins the images of the files. Exits 0 when all is done, 1 when an image is not trusted or, with `--check`, a file would change, 2 when
/// something could not be read, decided or written; then no file has changed, unless the message says so.
///
/// # Errors
/// When the arguments contradict each other, a policy file cannot be read or does not compile, or standard output is not to be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    args.check()?;
    let (mut input, scan) = args.manifests.read(&args.judging.namespace);
    input.notices.iter().chain(&scan.notices).for_each(|notice| say_aside(notice));
    let questions = questions(&scan, args.update);
    let verdicts = args.judging.judge(&args.policies, &scan.namespaces, &questions, &|_, _| {});
    // Where nothing can be judged, what is wrong with the files is told all the same.
    let verdicts = verdicts.inspect_err(|_| {
        let problems = input.problems.iter().chain(&scan.problems);
        problems.for_each(|problem| say_aside(&problem.to_string()));
    })?;
    let mover = if args.update { "" } else { PIN_UPDATE };
    let mut plan = plan(&input.files, &scan, &verdicts, mover);
    let mut problems = std::mem::take(&mut input.problems);
    problems.append(&mut plan.problems);
    let mut outcome = Outcome { input, scan, plan, problems, written: false };
    if args.writes() {
        outcome.write();
    }
    outcome.tell_aside();
    let printed = match args.output {
        Format::Json => print_json(&json::report(&outcome, args.diff)),
        Format::Text => outcome.print(args),
    };
    match outcome.written && !outcome.plan.changes.is_empty() {
        true => printed.context("the files are written, and the report is not")?,
        false => printed?,
    }
    Ok(outcome.exit(args.check))
}

impl Outcome {
    fn is_refused(&self) -> bool {
        !self.problems.is_empty() || !self.plan.refusals.is_empty()
    }

    fn site(&self, index: usize) -> &Site {
        &self.scan.sites[index]
    }

    fn name(&self, file: usize) -> &str {
        &self.input.files[file].name
    }

    /// Writes the files that change; none where anything is refused.
    fn write(&mut self) {
        let files = self.input.sources.iter().filter_map(|source| match source {
            Source::Paths(paths) => Some(paths),
            Source::StandardInput => None,
        });
        write::clean(files.flatten().map(PathBuf::as_path));
        if self.is_refused() {
            return;
        }
        let replacements: Vec<_> =
            self.plan.changes.iter().filter_map(|change| self.replacement(change)).collect();
        match write::write(&replacements) {
            Ok(()) => self.written = true,
            Err(problems) => self.problems.extend(problems),
        }
    }

    fn replacement<'a>(&'a self, change: &'a Change) -> Option<Replacement<'a>> {
        let file = &self.input.files[change.file];
        match &self.input.sources[change.file] {
            Source::Paths(paths) => {
                Some(Replacement { name: &file.name, paths, before: &file.text, after: &change.after })
            }
            Source::StandardInput => None,
        }
    }

    /// What goes to standard error: refusals, problems, and what a user may want to know.
    fn tell_aside(&self) {
        for problem in &self.problems {
            say_aside(&problem.to_string());
        }
        for refusal in &self.plan.refusals {
            let site = self.site(refusal.site);
            say_aside(&format!("{}: {}: {}", self.at(site), described(site), refusal.message));
        }
        let mut told = BTreeMap::new();
        for warning in &self.plan.warnings {
            let site = self.site(warning.site);
            if told.insert((&site.image, &warning.message), ()).is_none() {
                say_aside(&format!("{}: warning: {}: {}", self.at(site), described(site), warning.message));
            }
        }
        let mut left: BTreeMap<(WhyLeft, &str), Vec<&Left>> = BTreeMap::new();
        for one in &self.plan.left {
            left.entry((one.why, &*self.site(one.site).image)).or_default().push(one);
        }
        for ((why, image), places) in left {
            let site = self.site(places[0].site);
            let more = match places.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            say_aside(&format!(
                "{}: {} is left as it is: {}{more}",
                self.at(site),
                Foreign(image),
                because(why)
            ));
        }
        if self.scan.sites.is_empty() && !self.is_refused() {
            say_aside("tagseal: no image stands in these files");
        }
    }

    fn at(&self, site: &Site) -> String {
        format!("{}:{}", self.name(site.file), site.place)
    }

    /// What goes to standard output: what was or would be written, and what standard input becomes.
    fn print(&self, args: &Args) -> anyhow::Result<()> {
        let has_stdin = self.input.sources.contains(&Source::StandardInput);
        let is_refused = self.is_refused();
        if !is_refused || args.check {
            let say = |line: &str| match has_stdin || args.diff {
                true => say_aside(line),
                false => print(&one_line(line, usize::MAX)),
            };
            let is_told = args.check || !args.diff;
            let changes = self.plan.changes.iter().filter(|_| is_told);
            for (change, pin) in changes.flat_map(|change| change.pins.iter().map(move |pin| (change, pin))) {
                say(&told(self.name(change.file), pin, self.written));
            }
        }
        if is_refused {
            return Ok(());
        }
        if args.diff {
            let diffs: Vec<_> = self.plan.changes.iter().map(|change| self.diff(change)).collect();
            write_exactly(&diffs.concat())?;
        }
        if has_stdin && args.writes() {
            write_exactly(self.stdin_result())?;
        }
        Ok(())
    }

    fn diff(&self, change: &Change) -> String {
        let file = &self.input.files[change.file];
        unified(&file.name, &file.text, &change.after)
    }

    /// What standard input becomes, or is where nothing changes.
    fn stdin_result(&self) -> &str {
        let Some(stdin) = self.input.sources.iter().position(|source| *source == Source::StandardInput)
        else {
            return "";
        };
        let change = self.plan.changes.iter().find(|change| change.file == stdin);
        change.map_or(&self.input.files[stdin].text, |change| &change.after)
    }

    fn exit(&self, check: bool) -> ExitCode {
        let is_denied = self.plan.refusals.iter().any(|refusal| refusal.fault == Fault::Untrusted);
        exit_code(is_denied || (check && !self.plan.changes.is_empty()), self.is_refused())
    }
}

fn told(file: &str, pin: &Pin, is_written: bool) -> String {
    let Pin { place, before, after, from, to, .. } = pin;
    let image = before.split('@').next().unwrap_or_default();
    match (from, is_written) {
        (Some(from), true) => {
            format!("{file}:{place}: updated {} from {} to {to}", Foreign(image), Foreign(from))
        }
        (Some(from), false) => {
            format!("{file}:{place}: would update {} from {} to {to}", Foreign(image), Foreign(from))
        }
        (None, true) => format!("{file}:{place}: pinned {} to {}", Foreign(before), Foreign(after)),
        (None, false) => format!("{file}:{place}: would pin {} to {}", Foreign(before), Foreign(after)),
    }
}

fn described(site: &Site) -> String {
    let Site { object, field, image, .. } = site;
    let name = if object.name.is_empty() { String::new() } else { format!(" {}", Foreign(&object.name)) };
    format!("{} ({} of {}{name})", Foreign(image), plain(field, 300), Foreign(&object.kind))
}

fn because(why: WhyLeft) -> &'static str {
    match why {
        WhyLeft::Unmatched => "no policy matches it",
        WhyLeft::Exempt => "it is exempt",
        WhyLeft::NotWritten => "no policy says that its digest is written",
        WhyLeft::Excluded => "the webhooks are not asked about its namespace",
    }
}

fn say_aside(line: &str) {
    tell(&one_line(line, usize::MAX));
}
