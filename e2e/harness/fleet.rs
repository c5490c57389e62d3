//! tagseal as it is run in production: replicas behind a balancer, called through its Service, in a control plane of their
//! own, so that what is done to either disturbs nobody else.

use std::time::Duration;

use serde_json::Value;

use super::account::{SYSTEM_NAMESPACE, TAGSEAL};
use super::balancer::Balancer;
use super::cluster::Cluster;
use super::control_plane::ControlPlane;
use super::poll::eventually;
use super::replica::{Replica, Settings};
use super::scenario::Scenario;
use super::tagseal::prepare;
use super::webhooks::{Ports, redirect};

/// How the API server's calls are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Over all replicas.
    Together,
    /// Mutating calls go to the first replica, validating ones to the second.
    Apart,
}

/// Two replicas and what they run in.
pub struct Fleet {
    name: String,
    // The replicas go first, the control plane last.
    /// The running ones, the oldest first.
    pub replicas: Vec<Replica>,
    /// For all calls; with [`Route::Apart`] for the mutating ones.
    pub balancer: Balancer,
    validating: Option<Balancer>,
    settings: Settings,
    started: usize,
    /// What they run in.
    pub control_plane: ControlPlane,
}

impl Fleet {
    /// Two replicas, ready and called.
    pub fn start(name: &str, route: Route) -> Self {
        Self::start_with(name, route, &[])
    }

    /// The same with these flags.
    pub fn start_with(name: &str, route: Route, flags: &[&str]) -> Self {
        let mut fleet = Self::empty(name, route, flags);
        fleet.adds(&[]);
        fleet.adds(&[]);
        fleet.awaits_all();
        fleet.is_called();
        fleet
    }

    /// Nobody yet: [`Self::adds`] starts replicas.
    pub fn empty(name: &str, route: Route, flags: &[&str]) -> Self {
        let control_plane = ControlPlane::start(&format!("control-plane-{name}"));
        prepare(&control_plane, &[]);
        let balancer = Balancer::start();
        let validating = (route == Route::Apart).then(Balancer::start);
        let settings = Settings::new(&control_plane, flags.iter().map(|flag| (*flag).to_owned()).collect());
        let (replicas, name) = (Vec::new(), name.to_owned());
        Self { name, replicas, balancer, validating, settings, started: 0, control_plane }
    }

    /// Starts one more replica with these environment variables; it gets calls as soon as it is ready.
    pub fn adds(&mut self, variables: &[(String, String)]) {
        self.started += 1;
        let name = format!("{}-{}", self.name, self.started);
        let replica = Replica::start_with(&name, &self.settings, variables);
        match &self.validating {
            Some(validating) if !self.replicas.is_empty() => validating.follows(replica.port()),
            _ => self.balancer.follows(replica.port()),
        }
        self.replicas.push(replica);
    }

    /// Waits until every replica is ready and gets calls.
    pub fn awaits_all(&mut self) {
        for index in 0..self.replicas.len() {
            self.awaits(index);
        }
    }

    /// Waits until one of them is ready and gets calls.
    pub fn awaits(&mut self, index: usize) {
        self.replicas[index].awaits_ready();
        self.balancer_of(index).awaits(self.replicas[index].port(), true);
    }

    /// Installs the webhooks, and waits until the API server calls them.
    pub fn is_called(&self) {
        let mutate = self.balancer.port();
        let validate = self.validating.as_ref().map_or(mutate, Balancer::port);
        redirect(&self.cluster(), &Ports { mutate, validate });
    }

    /// The cluster, as its administrator sees it.
    pub fn cluster(&self) -> Cluster {
        self.control_plane.cluster()
    }

    /// A new namespace, guarded by these replicas.
    pub fn scenario(&self, name: &str) -> Scenario {
        Scenario::at(&self.cluster(), name)
    }

    /// Replaces every replica as the shipped Deployment would (`maxUnavailable: 0`): a new one is started and ready before an
    /// old one is asked to end.
    pub fn rolls(&mut self) {
        for _ in 0..self.replicas.len() {
            self.adds(&[]);
            let (new, balancer) = (self.replicas.len() - 1, &self.balancer);
            self.replicas[new].awaits_ready();
            balancer.awaits(self.replicas[new].port(), true);
            let mut old = self.replicas.remove(0);
            assert_eq!(old.ends(), Some(0), "{}", old.log());
            assert_eq!(balancer.refused(old.port()), 0, "it took no connections before everybody knew");
            balancer.forgets(old.port());
        }
    }

    /// Which replica leads.
    pub fn leader(&self) -> usize {
        eventually("a replica leads", Duration::from_secs(30), || {
            let holder = self.lease()["holderIdentity"].as_str().unwrap_or_default().to_owned();
            let leads = |replica: &Replica| replica.name() == holder;
            self.replicas.iter().position(leads).ok_or(format!("{holder:?} does"))
        })
    }

    /// Waits until another one leads than this one did, who was killed.
    pub fn lease_goes_to_another(&self, before: usize) {
        eventually("another one leads", Duration::from_secs(60), || {
            let leader = self.leader();
            let changed = self.lease()["leaseTransitions"].as_i64() > Some(0);
            if leader != before || changed { Ok(()) } else { Err(format!("{leader} does")) }
        });
    }

    /// Waits until the lease is renewed.
    pub fn lease_is_renewed(&self) {
        let before = self.lease();
        eventually("the lease is renewed", Duration::from_secs(30), || {
            let now = self.lease();
            if now["renewTime"] == before["renewTime"] { Err(now.to_string()) } else { Ok(()) }
        });
    }

    fn lease(&self) -> Value {
        let cluster = self.cluster().in_namespace(SYSTEM_NAMESPACE);
        let found = cluster.kubectl(&["get", "lease", TAGSEAL, "-o", "json"]);
        let lease: Value = serde_json::from_str(&found.output).unwrap_or_default();
        lease["spec"].clone()
    }

    fn balancer_of(&self, index: usize) -> &Balancer {
        match &self.validating {
            Some(validating) if index > 0 => validating,
            _ => &self.balancer,
        }
    }
}
