//! Every bound on what strangers may send or cause: one table, with the reason of each line (docs/limits.md is written
//! from it). A bound that an admin may need to change names its option; the value here is the default.

use std::ops::RangeInclusive;
use std::time::Duration;

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    /// Whom it bounds: who sends or causes the thing.
    pub whose: &'static str,
    /// The quantity that is bounded, with its unit.
    pub what: &'static str,
    /// The bound, as a person writes it.
    pub value: &'static str,
    /// The option of `tagseal serve` that sets it; empty where there is none.
    pub option: &'static str,
    /// Why it is this, and what happens beyond it.
    pub reason: &'static str,
}

/// The bounds that an admin sets, each by an option of `tagseal serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// `--metadata-memory`: bytes of verified metadata in memory.
    pub metadata_memory: usize,
    /// `--metadata-memory-per-namespace`: of these, bytes of repositories to which only policies of one namespace lead.
    pub metadata_memory_per_namespace: usize,
    /// `--repositories-in-memory`: repositories in memory that verified.
    pub repositories_in_memory: usize,
    /// `--repositories-per-namespace`: repositories to which only policies of one namespace lead.
    pub repositories_per_namespace: usize,
    /// `--policies-per-namespace`: TrustPolicies of one namespace.
    pub policies_per_namespace: usize,
    /// `--images-per-object`: different images in one object.
    pub images_per_object: usize,
    /// `--review-bytes`: bytes of reviews in flight.
    pub review_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            metadata_memory: HELD_BYTES,
            metadata_memory_per_namespace: HELD_BYTES_OF_NAMESPACE,
            repositories_in_memory: REPOSITORIES,
            repositories_per_namespace: REPOSITORIES_OF_NAMESPACE,
            policies_per_namespace: NAMESPACE_POLICIES,
            images_per_object: OBJECT_IMAGES,
            review_bytes: REQUEST_BYTES,
        }
    }
}

impl Bounds {
    /// What `metadata_memory` may be: one of the largest repositories fits.
    pub const METADATA_MEMORY: RangeInclusive<usize> = 64 << 20..=64 << 30;
    /// What `metadata_memory_per_namespace` may be.
    pub const METADATA_MEMORY_PER_NAMESPACE: RangeInclusive<usize> = 1 << 20..=64 << 30;
    /// What `repositories_in_memory` may be.
    pub const REPOSITORIES_IN_MEMORY: RangeInclusive<usize> = 100..=1_000_000;
    /// What `repositories_per_namespace` may be.
    pub const REPOSITORIES_PER_NAMESPACE: RangeInclusive<usize> = 1..=100_000;
    /// What `policies_per_namespace` may be.
    pub const POLICIES_PER_NAMESPACE: RangeInclusive<usize> = 1..=1_000;
    /// What `images_per_object` may be: no more than an object may have of containers.
    pub const IMAGES_PER_OBJECT: RangeInclusive<usize> = FEW_IMAGES..=OBJECT_PARTS;
    /// What `review_bytes` may be: one of the largest fits.
    pub const REVIEW_BYTES: RangeInclusive<usize> = 9 << 20..=1 << 30;
}

/// Defines a constant for each line, and [`TABLE`] of all of them.
macro_rules! limits {
    ($($name:ident: $type:ty = $value:expr, $whose:literal, $what:literal, $option:literal, $reason:literal;)+) => {
        $(#[doc = concat!($what, ". ", $reason)] pub const $name: $type = $value;)+

        /// All bounds, in the order of the document.
        pub const TABLE: &[Limit] = &[$(Limit {
            name: stringify!($name),
            whose: $whose,
            what: $what,
            value: stringify!($value),
            option: $option,
            reason: $reason,
        },)+];
    };
}

limits! {
    REQUEST_BODY: usize = 8 << 20, "API server, any pod that reaches the port", "bytes of one review", "",
        "An object has at most 3 MiB in the API server's own requests (1.5 MiB in etcd), and an UPDATE carries two. A larger one gets HTTP 413.";
    REQUEST_BYTES: usize = 40 << 20, "API server, any pod that reaches the port", "bytes of reviews in flight", "--review-bytes",
        "A review takes room for what it announces before it is read; one that announces nothing counts as the largest. Beyond it waits a second, and gets HTTP 503.";
    SMALL_BODY: usize = 64 << 10, "API server, any pod that reaches the port", "bytes of a small review", "",
        "A pod has a few KiB. Small reviews are read where they arrive; larger ones are parsed by the pool of threads.";
    SMALL_REQUEST_BYTES: usize = 16 << 20, "API server, any pod that reaches the port", "bytes of small reviews in flight", "",
        "Room of their own, beside the large ones', so that they do not wait behind those. If it is taken, they have what the large ones leave.";
    REQUEST_HEAD: usize = 16 << 10, "API server, any pod that reaches the port", "bytes that each request in flight counts beside its body", "",
        "Its head, and what the connection holds for it.";
    REQUESTS_WAITING: usize = 256, "API server, any pod that reaches the port", "requests that wait for room", "",
        "A request beyond gets HTTP 503 at once.";
    BODY_TIME: Duration = Duration::from_secs(5), "API server, any pod that reaches the port", "time for a body to arrive", "",
        "API servers send at once. A body that is held back gets HTTP 408, and its room is free.";
    POLICY_REQUEST_BYTES: usize = 9 << 20, "API server, any pod that reaches the port", "bytes of reviews of policies in flight", "",
        "One of the largest. Beyond it waits a second, and gets HTTP 503; the API server lets the policy pass then.";
    SMALL_POLICY_REQUEST_BYTES: usize = 2 << 20, "API server, any pod that reaches the port", "bytes of small reviews of policies in flight", "",
        "As for other reviews.";
    OBJECT_PARTS: usize = 10_000, "pod's author", "containers, volumes, pull secrets and templates of one object", "",
        "No kubelet starts a pod of so many. Beyond it the object is UnsupportedObject.";
    OBJECT_IMAGES: usize = 1_000, "pod's author", "different images in one object", "--images-per-object",
        "Each is judged by itself. Beyond it the object is UnsupportedObject.";
    CALLER_GROUPS: usize = 10_000, "API server, any pod that reaches the port", "groups of the user in one review", "",
        "Beyond it the object is UnsupportedObject.";
    FEW_IMAGES: usize = 16, "pod's author", "images of an object that is judged without waiting for others", "",
        "Most pods have fewer. An object with more counts below.";
    IMAGES_AT_ONCE: usize = 2_000, "pod's author", "images that are judged at once, of objects with many", "",
        "Two of the largest objects; twice --images-per-object where that is more. Another one waits until its deadline, and then is DeadlineExceeded.";
    POLICY_BYTES: usize = 8 << 20, "policy's author", "bytes of memory of one policy, about", "",
        "256 patterns of 512 bytes in include fit. A policy beyond is InvalidPolicy and denies what it could match: a TrustPolicy every image of its namespace.";
    NAMESPACE_POLICY_BYTES: usize = 16 << 20, "one namespace", "bytes of memory of its TrustPolicies, about", "",
        "The smallest are within. Those beyond are InvalidPolicy.";
    TENANT_POLICY_BYTES: usize = 64 << 20, "all namespaces", "bytes of memory of all TrustPolicies, about", "",
        "Namespaces that take least are within. Policies beyond are InvalidPolicy.";
    NAMESPACE_POLICIES: usize = 64, "one namespace", "TrustPolicies", "--policies-per-namespace",
        "Each may have a copy of the repositories that it asks for. Those beyond are InvalidPolicy.";
    NAMESPACE_ROOTS: usize = 256, "one namespace", "roots that its TrustPolicies name", "",
        "As for policies. Those beyond are InvalidPolicy.";
    REVALIDATE_AFTER: Duration = Duration::from_secs(1), "cluster admin", "lowest revalidateAfter of a ClusterTrustPolicy", "",
        "The trust server is asked so often for each repository in use. A lower one is InvalidPolicy.";
    NAMESPACE_REVALIDATE_AFTER: Duration = Duration::from_secs(10), "one namespace", "lowest revalidateAfter of a TrustPolicy", "",
        "What a tenant asks for, the trust server of all has to answer. A lower one is InvalidPolicy.";
    POLICY_VALUES: usize = 50_000, "policy's author, any pod that reaches the port", "values in one review of a policy", "",
        "The largest policy that the definition allows has a few thousand. Beyond it the policy is UnsupportedObject.";
    METADATA_FILE: u64 = 16 << 20, "publisher, trust server", "bytes of one metadata file", "",
        "A targets file of 40,000 tags has 8 MiB. A larger file is InvalidMetadata.";
    TIMESTAMP_FILE: u64 = 1 << 20, "publisher, trust server", "bytes of one timestamp file", "",
        "It lists one file and its signatures. A larger one is InvalidMetadata.";
    POOL_THREADS: usize = 4, "everybody", "threads that parse and verify what strangers send, at least; one for each core beyond", "",
        "They are not the threads that answer, and the system divides the time among all of them.";
    POOL_JOBS: usize = 256, "everybody", "jobs that wait for these threads", "",
        "What they hold is bounded below. A job beyond is refused, and its request with it.";
    POOL_BYTES: usize = 96 << 20, "everybody", "bytes of memory of all jobs that wait or run", "",
        "With requests in flight and answers it stays below the 256 MiB that are left for such work. A job beyond is refused.";
    POOL_SHARE_JOBS: usize = 64, "one namespace, one trust server", "jobs that wait for these threads", "",
        "A quarter of all. A job beyond is refused; others go on.";
    POOL_SHARE_BYTES: usize = 48 << 20, "one namespace, one trust server", "bytes of memory of its jobs that wait or run", "",
        "Half of all: the largest honest metadata file fits, with what its parser makes of it. A share also has half of the threads at most.";
    DROPPED_ROLES: usize = 4, "publisher", "delegations without which one refresh goes on", "",
        "What only other policies need keeps nobody else's data from being fresh. With more of them that fail, the refresh fails.";
    RACES: usize = 4, "other replicas", "times that one refresh starts anew", "",
        "Each time another replica pinned another root first. Then it is StateUnavailable.";
    CONFLICTS: usize = 16, "other replicas", "times that one write of trust state is tried", "",
        "Each time somebody else wrote first, and both are merged. Then it is StateUnavailable.";
    REFRESHES_OF_ONE_QUESTION: usize = 6, "publisher, admin", "refreshes that one image of one policy causes or waits for", "",
        "Data that change faster than they can be read are TrustServerUnreachable.";
    OLDER_FILE_BATCHES: usize = 64, "publisher", "times that one image of one policy asks for superseded files", "",
        "Each asks for a few files at once. Then it is TrustServerUnreachable.";
    OLDER_FILES_OF_ONE_QUESTION: usize = 16 << 20, "publisher", "bytes of superseded files, for one image of one policy", "",
        "There may be hundreds of any size. Of an image with a tag one entry of each is held, which is nothing. What is beyond counts as not to be had, and so as revoked.";
    OLDER_FILES_AT_ONCE: usize = 32, "publisher, trust server", "superseded files of one trust server that are read at once", "",
        "They have 256 KiB each. A larger one waits for a place as a large refresh does.";
    DIGESTS_AT_ONCE: usize = 4, "publisher", "images without a tag at once that read superseded files", "",
        "All that the files list is held for them. The others wait.";
    DIGESTS_OF_SERVER: usize = 2, "publisher, trust server", "of these, images of one trust server", "",
        "One that is slow or hostile leaves places to the others.";
    OLDER_FILES: u64 = 32 << 20, "publisher", "bytes of superseded files in memory", "",
        "A denial that is repeated verifies nothing again. Beyond, the least used go.";
    OLDER_FILES_OF_ONE: u64 = 8 << 20, "publisher", "bytes of superseded files of one repository in memory", "",
        "A long past of large files pushes out nobody else's. What is beyond is read each time.";
    REMEMBERED_ABSENCES: usize = 1024, "publisher, trust server", "superseded files of one repository that are remembered as absent", "",
        "They are remembered for two seconds. What is beyond is asked for again.";
    REMEMBERED_FAILURES: usize = 256, "pod author", "requesters of one repository whose failed refresh is remembered", "",
        "It is remembered for two seconds, so that a burst of admissions is no burst of requests.";
    PERMISSIONS: usize = 1024, "pod author", "requesters that one repository knows to be allowed", "",
        "Beyond, the one that was shown longest ago is asked for again.";
    ASKING_POLICIES: usize = 1024, "namespace admin", "policies that one repository knows to have asked for it", "",
        "They get its conditions. Beyond, the one that was noted first goes.";
    WANTED_ROLES: usize = 256, "namespace admin", "delegations that one repository loads", "",
        "Policies name a handful. What is beyond is loaded only where the policy that names it is asked.";
    STATE_LOOKUPS_AT_ONCE: usize = 16, "pod author", "look-ups at once whether trust state knows a repository", "",
        "They are made where there is no room for repositories that never verified. The others wait for their turn.";
    CLEARED_AT_ONCE: usize = 4, "admin", "repositories whose files are deleted at once", "",
        "A reset of thousands holds up no commit.";
    VERIFICATION_BYTES: usize = 96 << 20, "publisher, trust server", "bytes of memory of what is being parsed and verified", "",
        "Files times what parsing makes of them. What is beyond waits for its turn.";
    PARSED_PER_BYTE: usize = 10, "publisher, trust server", "bytes of memory that one byte of metadata is counted as while it is parsed", "",
        "Nothing takes more, and no file more than the bound on decoded ones.";
    VERIFICATION_JOBS: usize = 4096, "publisher, trust server", "verifications that wait for a thread", "",
        "They have room already, so that each holds 64 KiB at least. They take turns by repository.";
    VERIFICATION_SECONDS: u64 = 20, "publisher", "seconds that one verification may take", "",
        "The slowest honest repository takes less than one. Beyond, nothing was learned: DeadlineExceeded.";
    SMALL_UPDATE: u64 = 256 << 10, "publisher, trust server", "bytes of the files of a refresh that holds little", "",
        "Any number of these goes on at once. A refresh that needs more waits for a place.";
    LARGE_UPDATES: usize = 2, "publisher, trust server", "refreshes at once that hold more than little", "",
        "They are what costs memory. The others wait, and data at hand answer meanwhile.";
    LARGE_UPDATES_OF_SERVER: usize = 1, "trust server", "of these, refreshes of one trust server", "",
        "One that is slow or hostile leaves a place to the others.";
    TAGS_OF_ONE_DIGEST: usize = 1024, "publisher", "tags under which one digest is looked for", "",
        "A pod that names a digest alone asks under which tag it is signed. Beyond, it is DigestNotSigned, which says so.";
    OBJECTIONS: usize = 256, "publisher", "objections to one image that are told", "",
        "Each delegation may have one.";
    REPOSITORIES: usize = 20_000, "everybody", "repositories in memory that verified", "--repositories-in-memory",
        "Beyond, the least recently used go, and are fetched again when they are asked for.";
    UNKNOWN_REPOSITORIES: usize = 1_000, "pod author", "repositories looked up that never verified", "",
        "Invented names push out no known repository. Beyond, it is TrustServerUnreachable.";
    UNKNOWN_AT_ONCE: usize = 8, "pod author", "of these, look-ups at once on one trust server", "",
        "Invented names leave connections to the known ones. The others wait for their turn.";
    REPOSITORIES_OF_NAMESPACE: usize = 200, "namespace admin", "repositories to which only policies of one namespace lead", "--repositories-per-namespace",
        "Each costs memory, a TrustedRepository and requests. Beyond, it is StateUnavailable, which says so.";
    BACKGROUND_OF_NAMESPACE: usize = 4, "namespace admin", "refreshes a second of one trust server that only policies of one namespace ask for and nobody waits for", "",
        "They are put off, so that nobody's freshness costs a trust server much.";
    BACKGROUND_APART: u64 = 10, "namespace admin", "seconds between refreshes of one repository that nobody waits for and only policies of one namespace ask for", "",
        "A stricter freshness is kept by whoever asks.";
    HELD_BYTES: usize = 160 << 20, "publisher", "bytes of verified metadata in memory, as it stands there or in its files, whichever is more", "--metadata-memory",
        "Ten thousand honest repositories fit. Beyond, the least recently used go, what cluster policies led to lately as the last.";
    HELD_BYTES_OF_NAMESPACE: usize = 48 << 20, "namespace admin", "of these, bytes of repositories to which only policies of one namespace lead", "--metadata-memory-per-namespace",
        "Beyond, the least recently used of them go.";
    SMALL_SET: usize = 64 << 10, "publisher", "bytes of a repository that are not worth a look at the others", "",
        "Their number is bounded. A larger one shares what other sets of the same repository have, and memory is counted when it comes.";
    FILE_LEVELS: usize = 64, "publisher, trust server", "levels of JSON arrays and objects in one metadata file", "",
        "Notary's own metadata nests seven deep, and custom may nest more. A file that nests deeper is InvalidMetadata.";
    FILE_VALUES: usize = 1 << 20, "publisher, trust server", "JSON values in one metadata file, keys not counted", "",
        "A tag takes five values. A file with more is InvalidMetadata.";
    PARSED_BYTES: usize = 32 << 20, "publisher, trust server", "bytes of memory that one metadata file takes decoded", "",
        "A value and a key take 16 bytes each and a member 8 more, strings stay in the file: 40,000 tags with both hashes take 8 MiB, and nothing takes more than ten times the file. Beyond it the file is InvalidMetadata.";
    WORK_STEPS: u64 = 128 << 20, "publisher, trust server", "steps of one update's work, each about 20 ns", "",
        "A value read or written, a path compared or 64 bytes hashed is a step, a signature some thousands: 40,000 tags with 200 delegations take 3 million. Beyond it the update is InvalidMetadata.";
    FILE_SIGNATURES: usize = 256, "publisher, trust server", "signatures on one metadata file", "",
        "As many as a role may have keys. A file with more is InvalidMetadata.";
    VERIFIED_BYTES: u64 = 64 << 20, "publisher, trust server", "bytes of one file's signed part times the signatures that are tried on it", "",
        "Each try hashes the whole message, because ring verifies no hash that was made before. Only signatures under a key ID of the role, by a method and of a length that suit its key, are tried, each once: a targets file of 8 MiB may have eight. Beyond it the file is InvalidMetadata.";
    SNAPSHOT_ROLES: usize = 1 << 14, "publisher, trust server", "delegation roles that one snapshot lists", "",
        "Servers go on listing roles that are gone. A snapshot with more is InvalidMetadata.";
    FILE_TARGETS: usize = 1 << 18, "publisher", "targets in one file", "",
        "More do not fit into one file, if each has a hash. A file with more is InvalidMetadata.";
    ROLE_KEYS: usize = 256, "publisher, trust server", "keys of one role", "",
        "Honest roles have a few. A file with more is InvalidMetadata.";
    FILE_DELEGATIONS: usize = 1024, "publisher", "delegations in one file", "",
        "As many as one update loads. A file with more is InvalidMetadata.";
    ROLE_PATHS: usize = 4096, "publisher", "path prefixes of one delegation", "",
        "Honest delegations have a few. A file with more is InvalidMetadata.";
    FILE_PATHS: usize = 1 << 16, "publisher", "path prefixes in one file", "",
        "Each is compared with its parent's in every step of an update. A file with more is InvalidMetadata.";
    ROLES: usize = 1024, "publisher", "delegation roles that one update loads", "",
        "More is InvalidMetadata.";
    ROLES_BYTES: usize = 32 << 20, "publisher", "bytes of memory of the delegation roles that one update loads, about", "",
        "A list of short names takes many times its bytes in the file. Beyond it the update is InvalidMetadata.";
    ROLE_LEVELS: usize = 32, "publisher", "levels of delegations", "",
        "Deeper is InvalidMetadata.";
    ROOT_FILE: u64 = 1 << 20, "publisher, trust server", "bytes of one root file", "",
        "A root lists a few keys. A larger one is InvalidMetadata, unread.";
    UPDATE_BYTES: u64 = 32 << 20, "publisher, trust server", "bytes that come in one update, roots that are walked included", "",
        "No more than fits is asked for at once, but at least one file. A targets file of 40,000 tags and 200 delegations take 10 MiB, a thousand roots as many. Beyond it the update is InvalidMetadata.";
    ROOTS_BYTES: u64 = 16 << 20, "publisher, trust server", "bytes of all roots that come in one update", "",
        "A thousand rotations of 10 KiB each fit. Beyond it the update is InvalidMetadata.";
    ROOTS_FORWARDS: u64 = 1024, "publisher", "root rotations that one update follows from the trusted root", "",
        "Each is signed by the one before it. More is InvalidMetadata.";
    ROOTS_BACKWARDS: u64 = 64, "publisher, trust server", "roots, the newest included, that are looked at for one that carries the pin", "",
        "Most pins are a rotation or two behind. Beyond it the root is RootMismatch.";
    ROOTS_AT_ONCE: u64 = 16, "publisher, trust server", "older roots that are asked for at once", "",
        "The others are asked for when those are here.";
    LINEAGE_KEYS: usize = 4096, "publisher", "root keys of a repository's past that are remembered", "",
        "They tell which records are about it. More are not remembered.";
    LINEAGE_SIGNERS: usize = 256, "publisher", "signers of a repository's past roots that its record holds", "",
        "A record is one object of the cluster. More are not remembered.";
    KEY_BYTES: usize = 256 << 10, "publisher", "bytes of one key, certificates included", "",
        "Notary's own limit. A larger key does not count.";
    RSA_BITS: usize = 4096, "publisher", "bits of an RSA key that signs metadata", "",
        "What takes longer to verify than others does not count.";
    CHAIN_CERTIFICATES: usize = 8, "publisher", "certificates of one root key", "",
        "A key with more does not count.";
    CHAIN_ISSUERS: usize = 8, "publisher", "issuers above a root key's certificate, the pinned one counted", "",
        "A longer chain leads nowhere.";
    CHAIN_SIGNATURES: usize = 32, "publisher", "signatures on certificates that are checked for one root", "",
        "Names are the publisher's to choose, so issuers may fit in many ways. Beyond it the root carries no pin.";
    PENDING_BYTES: u64 = 32 << 20, "other signers", "bytes of one file of pending signatures", "",
        "As many as one update may bring. `tagseal trust` refuses a larger one, unread.";
    PENDING_ROLES: usize = 1024, "other signers", "roles in one file of pending signatures", "",
        "As many as one update loads. `tagseal trust` refuses more.";
    PENDING_SIGNATURES: usize = 256, "other signers", "signatures on one role when files of pending signatures are merged", "",
        "As many as one metadata file may have. `tagseal trust` refuses more.";
    AUTHORITIES: usize = 256, "policy author", "certificates in one bundle of authorities", "",
        "A policy with more is invalid.";
    EXTERNAL_ANSWER: usize = 256 << 10, "signing program", "bytes of one answer of a signing program", "",
        "A signature and a chain of certificates have a few KiB. A program that writes more is ended, and nothing is published.";
    EXTERNAL_WORDS: usize = 16 << 10, "signing program", "bytes of what a signing program says on standard error that are kept", "",
        "500 characters of it are shown.";
}
