//! What all tests of a run share: one control plane, one trust server, one tagseal.

use std::sync::LazyLock;

use super::cluster::Cluster;
use super::control_plane::ControlPlane;
use super::notary_server::NotaryServer;
use super::replica::Asker;
use super::tagseal::{Tagseal, TagsealOptions, prepare};
use super::webhooks::spare_own;

static SUITE: LazyLock<Suite> = LazyLock::new(Suite::new);

/// The shared components.
pub struct Suite {
    control_plane: LazyLock<ControlPlane>,
    notary: LazyLock<NotaryServer>,
    prepared: LazyLock<()>,
    tagseal: LazyLock<Tagseal>,
}

/// The run's components, each started by the first test that asks for it.
pub fn suite() -> &'static Suite {
    &SUITE
}

impl Suite {
    fn new() -> Self {
        Self {
            control_plane: LazyLock::new(|| ControlPlane::start("control-plane")),
            notary: LazyLock::new(|| NotaryServer::start("notary")),
            prepared: LazyLock::new(|| {
                prepare(&suite().control_plane, &["pullSecrets.access=Cluster"]);
                spare_own(&suite().cluster());
            }),
            tagseal: LazyLock::new(|| {
                LazyLock::force(&suite().prepared);
                Tagseal::common(&suite().control_plane)
            }),
        }
    }

    /// The cluster, as its administrator sees it.
    pub fn cluster(&self) -> Cluster {
        self.control_plane.cluster()
    }

    /// The trust server that is open to everybody.
    pub fn notary(&self) -> &NotaryServer {
        &self.notary
    }

    /// Sees to it that the common tagseal runs.
    pub fn has_tagseal(&self) {
        LazyLock::force(&self.tagseal);
    }

    /// Starts a tagseal for `namespace` alone. To the cluster it is another replica of the common one, which is there first
    /// and leads: what policies' statuses say is by what the common one was asked.
    pub fn own_tagseal(&self, namespace: &str, options: &TagsealOptions) -> Tagseal {
        LazyLock::force(&self.tagseal);
        Tagseal::own(&self.control_plane, namespace, options)
    }

    /// Somebody who asks the common tagseal, past the API server.
    pub fn asker(&self) -> Asker {
        self.tagseal.asker()
    }

    /// Sees to it that the CRDs are there.
    pub fn has_crds(&self) {
        LazyLock::force(&self.prepared);
    }
}
