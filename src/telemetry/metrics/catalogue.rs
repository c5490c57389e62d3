//! Every metric: its name, its labels, what it says. What is rendered and what is documented both go by this list.

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// One metric.
#[derive(Debug)]
pub(super) struct Definition {
    /// Without the suffixes that its unit and type give it.
    name: &'static str,
    kind: Kind,
    /// Whether it counts seconds. Nothing here has another unit.
    seconds: bool,
    labels: &'static [&'static str],
    help: &'static str,
    /// For the documentation alone: what the labels hold, and what it is for.
    notes: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}
use Kind::{Counter, Gauge, Histogram, Info};

macro_rules! catalogue {
    ($($id:ident = $kind:ident $name:literal $(in $seconds:ident)? [$($label:literal),*] $help:literal; $notes:literal;)*) => {
        $(pub(super) const $id: Definition = Definition {
            name: concat!("tagseal_", $name),
            kind: $kind,
            seconds: false $(|| stringify!($seconds).len() > 0)?,
            labels: &[$($label),*],
            help: $help,
            notes: $notes,
        };)*

        /// All of them.
        pub(super) const ALL: &[Definition] = &[$($id),*];
    };
}

catalogue! {
    ADMISSION_DURATION = Histogram "admission_duration" in seconds ["endpoint", "outcome"]
        "How long answering an AdmissionReview took, its body's arrival included";
        "`endpoint`: `mutate`, `validate`, `policies`. `outcome`: `allowed`, `denied`, `failed` (no review, or a defect: an HTTP error), `abandoned` (the API server hung up). The buckets are those of `apiserver_admission_webhook_admission_duration_seconds`, and three below.";
    DECISIONS = Counter "decisions" ["endpoint", "decision", "reason", "policy"]
        "Decisions, each once, with the reason and policy that lead its message";
        "`decision`, as in the log: `Denied` (never by `mutate`, so that a denial is counted once), `Deferred` (by `mutate`: passed on with an image that it could not seal, for `validate` to decide), `Reported` (a mirror pod that would have been denied), `Sealed`, `Admitted`, `Unmatched`, `Exempt`, `Unchanged`. `reason` and `policy` are empty where nothing stands against the object; `policy` also where no policy is to blame (`NotSynced`, `NoPolicy`, `ConflictingDigests`, …).";
    POLICY_VERDICTS = Counter "policy_verdicts" ["endpoint", "policy", "verdict", "reason"]
        "What each policy said of each image of each object";
        "`verdict`: `passed`, `denied`, `deferred` (by `mutate`: what `validate` will deny, if nobody changes it), or `reported` (by a Warn or Audit policy). A policy without these matches nothing.";
    EXEMPTED = Counter "exempted" ["endpoint", "exemption"]
        "Images that an exemption took out of the judgement of policies, once for each object";
        "The log and the audit log name the object.";
    CACHE_REQUESTS = Counter "cache_requests" ["result"]
        "Questions to the trust data in memory, by whether it answered without waiting for a trust server";
        "`result`: `hit`, `miss`. A denial always waits, for one look at the server.";
    STALE_ANSWERS = Counter "stale_answers" []
        "Images found signed by trust data older than revalidateAfter, because its server does not answer or is at fault; once for each policy";
        "";
    REFRESHES = Counter "trust_data_refreshes" ["result", "reason"]
        "Refreshes of repositories' trust data, in the background or because an admission waited";
        "`result`: `ok`, `failed`; `reason` is that of the failure.";
    ROLLBACKS_REFUSED = Counter "rollbacks_refused" ["server"]
        "Times that a trust server offered older metadata than was verified before";
        "One is counted each time that it is looked at, so a server that stays behind keeps counting.";
    SERVER_REQUESTS = Counter "trust_server_requests" ["server", "result"]
        "Files asked of trust servers";
        "`result`: `ok`, `not_found`, `unauthorized`, `client_error` (other 4xx), `server_error` (5xx, 429), `redirect`, `timeout`, `connect` (refused, or no way there), `closed` (in the middle), `dns`, `tls`, `proxy`, `overload` (too many waited already), `token` (the token server), `invalid` (too large, encoded, no HTTP), `setup` (address, CA bundle). Retries count once.";
    SERVER_DURATION = Histogram "trust_server_request_duration" in seconds ["server"]
        "How long a file asked of a trust server took, retries, tokens and waiting for a connection included";
        "";
    TRUST_DATA_AGE = Gauge "trust_data_age" in seconds ["policy"]
        "How long ago a trust server last vouched for the trust data that a policy rests on: the oldest of its repositories";
        "Denials begin at the policy's `freshness.maxStaleness`. Absent where no repository ever verified.";
    TRUST_DATA_EXPIRY = Gauge "trust_data_earliest_expiry_timestamp" in seconds ["policy"]
        "When the first role expires that a policy rests on and that a publisher must sign anew, in Unix time";
        "Roles that the trust server signs itself (timestamp, mostly snapshot) are not in it: servers renew these when they have expired.";
    POLICY_REPOSITORIES = Gauge "policy_repositories" ["policy", "state"]
        "Repositories that a policy rests on";
        "`state`: `fresh`, `ailing` (what turns `TrustDataFresh` to `False`). Repositories that never verified are not among them, because whoever creates pods can invent names, unless none of the policy's ever did: then nothing else is known, and they are `ailing`, on the leading replica alone, which also knows what others were asked for.";
    POLICIES = Gauge "policies" ["kind", "state"]
        "Policies";
        "`kind`: `ClusterTrustPolicy`, `TrustPolicy`. `state`: `ready`, `invalid` (it denies what it could match).";
    EXEMPTION_REMAINING = Gauge "exemption_remaining" in seconds ["exemption"]
        "How long an exemption is still in force; 0 for one that is over";
        "Absent for one without `until`. The same on every replica.";
    REPOSITORIES = Gauge "repositories" ["state"]
        "Repositories in memory";
        "`state`: `verified` (on the leader also what only other replicas were asked for), `unverified` (asked for, and never verified: invented names, mostly).";
    REPOSITORY_RESETS = Counter "repository_resets" []
        "Deleted TrustedRepositories, each of which reset a repository's pin and floors";
        "";
    STATE_WRITES = Counter "state_writes" ["result"]
        "Writes of trust state (TrustedRepository)";
        "`result`: `written`, `conflict` (another replica wrote first; tried again), `failed`.";
    EVENTS = Counter "events" ["result"]
        "Kubernetes Events";
        "`result`: `posted`, `suppressed` (rate limit), `failed`.";
    PART_RESTARTS = Counter "part_restarts" ["part"]
        "Parts of the process that panicked, and were started anew because no decision depends on them";
        "Each one is a defect; the log has its message. `part`: `the writer of Events`, `the look at policies for metrics`, `the metrics port`, `the writer of policy statuses`, `the writer of exemption statuses`, `the writer of repository statuses`, `the warm-up`, `the leader's rounds`, `the watch of what is in force`.";
    LOG_LINES_DROPPED = Counter "log_lines_dropped" []
        "Lines of the log that were dropped, because whoever reads standard error did not keep up, or writing failed";
        "Decisions go on meanwhile, and stand in the API server's audit log.";
    CERTIFICATE_EXPIRY = Gauge "certificate_expiry_timestamp" in seconds ["certificate"]
        "When a certificate expires, in Unix time";
        "`certificate`: `serving` (what this replica shows), `authority` (the newest one that signs it, where tagseal made it).";
    NAMESPACES_OPTED_OUT = Gauge "namespaces_opted_out" []
        "Namespaces with the label tagseal.dev/admission: ignore, whose pods nobody checks";
        "The same on every replica.";
    WEBHOOK_IN_FORCE = Gauge "webhook_in_force" ["configuration"]
        "Whether a webhook configuration is there and has the API server ask tagseal about all that it should";
        "`configuration`: `mutating`, `validating`. 0 also where it cannot be read, and where `failurePolicy` of `validate.tagseal.dev` is not `Fail`. The condition `Enforced` of every policy says what is missing. The same on every replica.";
    DEFINITION_IN_FORCE = Gauge "definition_in_force" ["definition"]
        "Whether a custom resource definition is there and serves";
        "`definition`: `clustertrustpolicies.tagseal.dev`, `trustedrepositories.tagseal.dev`, `trustexemptions.tagseal.dev`, `trustpolicies.tagseal.dev`. Without one, every object of its kind is gone. 0 also where it cannot be read. The same on every replica.";
    POOL_JOBS = Counter "pool_jobs" ["pool", "result"]
        "Jobs of a pool of threads, by what came of them";
        "`pool`: `work` (large reviews, and reviews of policies), `verification` (trust data). `result`: `done`, `panicked` (a defect), `stopped` (the caller left, or the job's time was over), `refused` (the queue was full, or the share of whoever caused it).";
    POOL_QUEUE = Gauge "pool_queue" ["pool", "state"]
        "Jobs that a pool of threads holds";
        "`state`: `waiting`, `running`.";
    POOL_BYTES = Gauge "pool_bytes" ["pool"]
        "Memory that the jobs of a pool of threads hold, as far as it is accounted for";
        "";
    LEADER = Gauge "leader" []
        "Whether this replica is the leader";
        "";
    BUILD = Info "build" ["version"]
        "What runs";
        "";
}

impl Definition {
    /// The name by which Prometheus knows it, or its family.
    pub(super) fn full_name(&self) -> String {
        let unit = if self.seconds { "_seconds" } else { "" };
        let suffix = match self.kind {
            Counter => "_total",
            Info => "_info",
            Gauge | Histogram => "",
        };
        format!("{}{unit}{suffix}", self.name)
    }

    /// The names of its labels, in order.
    pub(super) fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// Writes its head; its values follow.
    pub(super) fn describe<'e>(
        &self,
        encoder: &'e mut DescriptorEncoder<'_>,
    ) -> Result<MetricEncoder<'e>, std::fmt::Error> {
        const SECONDS: &Unit = &Unit::Seconds;
        let kind = match self.kind {
            Counter => MetricType::Counter,
            Gauge => MetricType::Gauge,
            Histogram => MetricType::Histogram,
            Info => MetricType::Info,
        };
        encoder.encode_descriptor(self.name, self.help, self.seconds.then_some(SECONDS), kind)
    }

    /// A line of the table in `docs/metrics.md`.
    fn row(&self) -> String {
        let labels: Vec<_> = self.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = format!("{:?}", self.kind).to_lowercase();
        let mut text = format!("{}. {}", self.help, self.notes);
        text.truncate(text.trim_end().len());
        format!("| `{}` | {kind} | {} | {text} |\n", self.full_name(), labels.join(", "))
    }
}

/// The table in `docs/metrics.md`.
pub(super) fn table() -> String {
    let rows: String = ALL.iter().map(Definition::row).collect();
    format!("| metric | type | labels | meaning |\n|---|---|---|---|\n{rows}")
}
