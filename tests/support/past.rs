//! [`Past`]: publishing at another time than now, so that what is signed ends when a test needs it to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tagseal::clock::ManualClock;
use tagseal::notary::{Limits, NotaryClient, Proxies, Remote};
use tagseal::publish::operation::Operation;
use tagseal::publish::passphrase::{Ask, Passphrase, PassphraseError, Passphrases};
use tagseal::publish::publisher::{Published, Publisher};
use tagseal::publish::trust_dir::TrustDir;
use tagseal::trust::{Access, TrustServer};
use tagseal::tuf::Gun;

/// How long `targets`, delegation roles and local snapshots count, in days.
pub const ROLE_DAYS: i64 = 1095;

/// A publisher with a clock of its own.
pub struct Past<'a> {
    /// The trust server's address.
    pub server: &'a str,
    pub trust_dir: &'a Path,
    /// The passphrase of a key of this role.
    pub passphrase: fn(&str) -> &'static str,
    pub now: Timestamp,
}

struct Mouth(fn(&str) -> &'static str);

impl Passphrases for Mouth {
    fn passphrase(&self, ask: &Ask<'_>) -> Result<Passphrase, PassphraseError> {
        Ok(Passphrase::new((self.0)(ask.role).to_owned()))
    }
}

impl Past<'_> {
    /// Applies the operations and publishes. It blocks.
    pub fn publish(&self, gun: &str, operations: &[Operation]) -> Published {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(self.publishes(gun, operations))
    }

    async fn publishes(&self, gun: &str, operations: &[Operation]) -> Published {
        let clock = Arc::new(ManualClock::at(self.now));
        let client = NotaryClient::with(clock.clone(), Limits::default(), Proxies::default());
        let url = self.server.parse().expect("an address");
        let server = TrustServer::at(url);
        let (registry, _) = gun.split_once('/').expect("a registry");
        let remote = Remote::new(
            Arc::new(client),
            Arc::new(server),
            Gun::new(gun).expect("a GUN"),
            registry.to_owned(),
            Access::Anonymous,
            Duration::from_secs(20),
        );
        let dir = TrustDir::open(self.trust_dir).expect("a trust directory");
        let passphrases = &Mouth(self.passphrase);
        let patience = Duration::from_secs(60);
        let publisher = Publisher { dir: &dir, remote: &remote, passphrases, clock, patience };
        publisher.publish(operations).await.expect("a publish")
    }
}
