//! [`Source`]: where the trust data of a test comes from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;

use crate::admission::judge::Resolve;
use crate::cli::docker_config::DockerConfig;
use crate::clock::{ManualClock, SharedClock, SystemClock};
use crate::foreign::Foreign;
use crate::gitops::cases::{Elsewhere, Test, Trust};
use crate::gitops::{Place, Problem};
use crate::notary::NotaryClient;
use crate::recording::Recording;
use crate::trust::{Credentials, MemoryState, MetadataSource, NoCredentials, Resolver, ResolverConfig};

/// Where the trust data of a test comes from.
pub(super) enum Source {
    /// Servers, asked on behalf of docker's configuration.
    Live(Arc<dyn MetadataSource>),
    /// A folder.
    Recorded(Arc<Recording>),
}

/// Makes the resolver for a case.
pub(super) type Resolvers = Box<dyn Fn() -> Arc<dyn Resolve> + Sync>;

impl Source {
    /// The source that a test names.
    pub(super) fn of(test: &Test, base: &Path) -> Result<Self, Problem> {
        match &test.trust {
            Trust::Live => Ok(Self::Live(live())),
            Trust::Server(url) => Ok(Self::Live(Arc::new(Elsewhere::new(live(), url.clone())))),
            Trust::Recorded { folder, place } => {
                let advice = format!("record it: {}", record_command(&test.file));
                let recording = Recording::open(&base.join(folder), advice.as_str());
                let recording =
                    recording.map_err(|error| at_trust(test, *place, &format!("{error}; {advice}")))?;
                Ok(Self::Recorded(Arc::new(recording)))
            }
        }
    }

    /// The clock that trust data and exemptions are judged by.
    pub(super) fn clock(&self, test: &Test) -> SharedClock {
        let recorded = match self {
            Self::Live(_) => None,
            Self::Recorded(recording) => recording.recorded(),
        };
        match test.at.or(recorded) {
            Some(at) => Arc::new(ManualClock::at(at)),
            None => Arc::new(SystemClock),
        }
    }

    /// Servers are asked by one resolver. A folder is read by a new one for each case: it remembers no root and no version of the
    /// cases before, and no denial waits for the server to be asked again.
    pub(super) fn resolver(&self, clock: &SharedClock, clock_skew: SignedDuration) -> Resolvers {
        let config = ResolverConfig { clock_skew, ..ResolverConfig::default() };
        let clock = Arc::clone(clock);
        match self {
            Self::Live(source) => {
                let credentials: Arc<dyn Credentials> = Arc::new(DockerConfig::from_env());
                let state = Arc::new(MemoryState::new());
                let resolver: Arc<dyn Resolve> =
                    Arc::new(Resolver::new(config, Arc::clone(source), credentials, state, clock));
                Box::new(move || Arc::clone(&resolver))
            }
            Self::Recorded(recording) => {
                let recording = Arc::clone(recording);
                Box::new(move || {
                    let (source, credentials) = (Arc::clone(&recording), Arc::new(NoCredentials));
                    let state = Arc::new(MemoryState::new());
                    Arc::new(Resolver::new(config.clone(), source, credentials, state, Arc::clone(&clock)))
                })
            }
        }
    }
}

/// The servers themselves. Connections are judged by the real clock, trust data by the test's.
pub(super) fn live() -> Arc<dyn MetadataSource> {
    Arc::new(NotaryClient::new(Arc::new(SystemClock)))
}

/// The folder of a test that is recorded, and where it says so.
pub(super) fn folder(test: &Test, base: &Path) -> Option<(PathBuf, Place)> {
    match &test.trust {
        Trust::Recorded { folder, place } => Some((base.join(folder), *place)),
        Trust::Live | Trust::Server(_) => None,
    }
}

/// A problem with the `trust` of a test.
pub(super) fn at_trust(test: &Test, place: Place, message: &str) -> Problem {
    Problem { file: test.file.clone(), place: Some(place), message: format!("trust: {message}") }
}

fn record_command(file: &str) -> String {
    format!("tagseal test --record {}", Foreign(file))
}
