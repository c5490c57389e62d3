//! `--from-cluster`: policies, exemptions, namespaces and trust state of a cluster, read once with the caller's own rights. Nothing
//! is written to it.

mod advice;
mod client;
mod withheld;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use self::client::{Address, connect};
use self::withheld::Promised;
pub use self::withheld::Unknown;
use super::output::tell;
use super::policy_files::{Compiled, Documents, FilesError};
use super::serve::namespace_prefix;
use crate::controller::{Basis, ClusterReader, Named, ReadError, RecordedState};
use crate::foreign::Foreign;
use crate::policy::{
    CompileContext, CompiledExemption, CompiledPolicy, Labels, ObjectRef, PolicyId, PolicyKind, PolicySet,
    ReadObjects, ReferencedObjects, Selector, SetOptions, UnknownFields, compile, compile_exemption,
};

/// Which cluster, and what its `serve` was told besides policies.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Take policies, exemptions, the labels of namespaces, and floors, pins and superseded digests from a cluster. Reads with your own
    /// rights, and writes nothing.
    #[arg(long)]
    pub from_cluster: bool,
    #[command(flatten)]
    pub address: Address,
    /// namespaceSelector of the webhook configurations, as JSON: images elsewhere are not judged. Default: every namespace but
    /// kube-system, tagseal's own and those labelled tagseal.dev/admission: ignore.
    #[arg(long, value_name = "SELECTOR", value_parser = Selector::from_json, requires = "from_cluster")]
    pub webhook_namespaces: Option<Selector>,
    /// Namespaces whose names begin with this are not judged either (repeatable).
    #[arg(long = "exclude-namespace-prefix", value_name = "PREFIX", value_parser = namespace_prefix, requires = "from_cluster")]
    pub excluded_prefixes: Vec<String>,
}

/// Settings of `serve`, and policies from files, which the cluster's objects do not hold.
#[derive(Debug)]
pub struct Settings<'a> {
    /// tagseal's own namespace.
    pub system_namespace: &'a str,
    /// What policies do not say themselves.
    pub set: SetOptions,
    /// Policies from files. One of them takes the place of the cluster's of the same name.
    pub files: &'a Documents,
    /// The one namespace that is asked about; then fewer rights are needed. `None`: all of them.
    pub namespace: Option<&'a str>,
}

/// A cluster as verdicts depend on it.
#[derive(Debug, Clone)]
pub struct ClusterView {
    /// Its policies and exemptions, and those of files.
    pub policies: Arc<PolicySet>,
    /// The labels of its namespaces, by name.
    pub namespaces: BTreeMap<String, Arc<Labels>>,
    /// The namespaces that the webhooks ask about.
    pub covered: Selector,
    /// Floors, first-use pins and what was current once.
    pub state: Arc<RecordedState>,
    /// The policies whose demands are not known.
    pub unknown: Unknown,
    /// What the caller should know of how this came about, each a line.
    pub notes: Vec<String>,
}

impl Args {
    /// The namespaces that the webhooks ask about.
    pub fn covered(&self, system_namespace: &str) -> Selector {
        let selected =
            self.webhook_namespaces.clone().unwrap_or_else(|| Selector::of_webhooks(system_namespace));
        selected.without_names(&self.excluded_prefixes)
    }
}

impl ClusterView {
    /// Tells its notes on standard error.
    pub fn tell_notes(&self) {
        self.notes.iter().for_each(|note| tell(&format!("tagseal: {note}")));
    }
}

/// Why there is no [`ClusterView`].
#[derive(Debug)]
pub enum Unread {
    /// Something in the cluster could not be read.
    Cluster(Vec<ReadError>),
    /// A policy file does not compile.
    Files(FilesError),
}

impl From<Unread> for anyhow::Error {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Cluster(errors) => advice::error(&errors),
            Unread::Files(error) => error.into(),
        }
    }
}

/// Both of what was read at the same time.
///
/// # Errors
/// What could not be read of either: whoever lacks rights is told of all of them at once.
pub fn both<T>(
    cluster: Result<ClusterView, Unread>,
    other: Result<T, Vec<ReadError>>,
) -> anyhow::Result<(ClusterView, T)> {
    match (cluster, other) {
        (Ok(cluster), Ok(other)) => Ok((cluster, other)),
        (Err(Unread::Cluster(mut errors)), other) => {
            errors.extend(other.err().into_iter().flatten());
            Err(advice::error(&errors))
        }
        (Err(unread), _) => Err(unread.into()),
        (_, Err(errors)) => Err(advice::error(&errors)),
    }
}

/// Reads the cluster that `args` name.
///
/// # Errors
/// When there is none, when it does not answer, and when the caller lacks rights: which, and how they are given.
pub async fn read(args: &Args, settings: &Settings<'_>) -> anyhow::Result<ClusterView> {
    let reader = ClusterReader::new(connect(&args.address).await?);
    Ok(read_by(&reader, args.covered(settings.system_namespace), settings).await?)
}

/// Reads through `reader`.
///
/// # Errors
/// [`Unread`]
pub async fn read_by(
    reader: &ClusterReader,
    covered: Selector,
    settings: &Settings<'_>,
) -> Result<ClusterView, Unread> {
    let basis = reader.basis(settings.namespace).await.map_err(Unread::Cluster)?;
    let wanted = references(&basis, settings);
    let named = reader.named(&wanted).await.map_err(Unread::Cluster)?;
    let mut notes: Vec<_> = named.assumed.iter().map(assumed).collect();
    let of_files = settings
        .files
        .compile(settings.system_namespace, &Promised(&named), &settings.set)
        .map_err(Unread::Files)?;
    let in_files: BTreeSet<_> = of_files.policies.iter().map(|policy| (**policy.id()).clone()).collect();
    let (policies, exemptions) = together(&basis, &named, of_files, settings.system_namespace, &mut notes);
    let unknown = Unknown::of(&policies, &named, |policy, object| {
        in_files.contains(policy) && settings.files.holds(object)
    });
    notes.extend(unknown.note(&named));
    let set = PolicySet::new(policies, settings.set.clone());
    notes.extend(set.policies().filter_map(|(policy, errors)| {
        let first = errors.first()?;
        Some(format!("{} is invalid, and denies what it could match: {first}", policy.id()))
    }));
    notes.extend(exemptions.iter().filter_map(|exemption| {
        let first = exemption.errors().first()?;
        Some(format!("TrustExemption {} is invalid, and exempts nothing: {first}", Foreign(exemption.name())))
    }));
    Ok(ClusterView {
        policies: Arc::new(set.with_exemptions(exemptions)),
        namespaces: basis.namespaces,
        covered,
        state: Arc::new(basis.state),
        unknown,
        notes,
    })
}

fn assumed(secret: &ObjectRef) -> String {
    format!(
        "you may not read {secret}, which a policy names: it counts as there, and credentials come from docker's configuration"
    )
}

/// What policies name, those of the cluster and of files.
fn references(basis: &Basis, settings: &Settings<'_>) -> BTreeSet<ObjectRef> {
    let objects = ReadObjects::default();
    let policies = basis.policies.iter();
    let compiled = policies.map(|(kind, object)| {
        compile(*kind, object, &context(settings.system_namespace, &objects)).references().to_vec()
    });
    let mut wanted: BTreeSet<_> = compiled.flatten().collect();
    wanted.extend(settings.files.references(settings.system_namespace));
    wanted
}

/// As the controller compiles what it watches.
fn context<'a>(system_namespace: &'a str, objects: &'a dyn ReferencedObjects) -> CompileContext<'a> {
    CompileContext { system_namespace, objects, unknown_fields: UnknownFields::Warn }
}

/// The cluster's and the files'. Of two of one name the file's holds: it is what the cluster will have.
fn together(
    basis: &Basis,
    named: &Named,
    files: Compiled,
    system_namespace: &str,
    notes: &mut Vec<String>,
) -> (Vec<Arc<CompiledPolicy>>, Vec<Arc<CompiledExemption>>) {
    let in_files: BTreeSet<&PolicyId> = files.policies.iter().map(|policy| &**policy.id()).collect();
    let exempt_in_files: BTreeSet<&str> = files.exemptions.iter().map(|one| one.name()).collect();
    let objects = Promised(named);
    let compiled =
        |(kind, object): &(PolicyKind, _)| compile(*kind, object, &context(system_namespace, &objects));
    let (mut policies, mut exemptions) = (Vec::new(), Vec::new());
    for policy in basis.policies.iter().map(compiled) {
        if in_files.contains(&**policy.id()) {
            notes.push(format!("{} is taken from the file, in place of the cluster's", policy.id()));
        } else {
            policies.push(Arc::new(policy));
        }
    }
    for exemption in basis.exemptions.iter().map(compile_exemption) {
        let name = exemption.name();
        if exempt_in_files.contains(name) {
            let name = Foreign(name);
            notes.push(format!("TrustExemption {name} is taken from the file, in place of the cluster's"));
        } else {
            exemptions.push(Arc::new(exemption));
        }
    }
    policies.extend(files.policies.iter().map(Arc::clone));
    exemptions.extend(files.exemptions.iter().map(Arc::clone));
    (policies, exemptions)
}
