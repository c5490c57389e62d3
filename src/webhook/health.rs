//! Readiness: policies synced, certificate loaded, gates open, not draining.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;

use super::liveness::Liveness;

/// Whether this replica should get requests. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    certificate: AtomicBool,
    remark: OnceLock<watch::Receiver<Option<String>>>,
    draining: AtomicBool,
    gates: Mutex<Vec<Gate>>,
    liveness: Liveness,
}

/// Something that has to be there before requests are wanted.
#[derive(Debug, Clone)]
pub struct Gate {
    missing: &'static str,
    open: Arc<AtomicBool>,
}

impl Gate {
    /// It is there.
    pub fn open(&self) {
        self.open.store(true, Ordering::Release);
    }
}

impl Readiness {
    /// The serving certificate is there.
    pub fn certificate_loaded(&self) {
        self.0.certificate.store(true, Ordering::Release);
    }

    /// What there is to say of the serving certificate, whether or not there is one.
    pub fn certificate_remark(&self, remark: watch::Receiver<Option<String>>) {
        let _ = self.0.remark.set(remark);
    }

    /// What to look at, ready or not: a clock that is wrong, say.
    pub fn remark(&self) -> Option<String> {
        self.0.remark.get().and_then(|remark| remark.borrow().clone())
    }

    /// Not ready before the gate is open; until then `missing` says why.
    pub fn gate(&self, missing: &'static str) -> Gate {
        let gate = Gate { missing, open: Arc::default() };
        self.0.gates.lock().unwrap_or_else(PoisonError::into_inner).push(gate.clone());
        gate
    }

    /// Whether the process goes on: another question, asked at the same place.
    pub fn liveness(&self) -> &Liveness {
        &self.0.liveness
    }

    /// No more requests are wanted. There is no way back.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Whether the end was asked for.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// What is missing; empty when ready.
    pub fn missing(&self, policies_synced: bool) -> Vec<&'static str> {
        let draining = self.is_draining();
        let certificate = self.0.certificate.load(Ordering::Acquire);
        [
            (!policies_synced, "policies are not synced"),
            (!certificate, "no serving certificate is loaded"),
            (draining, "shutting down"),
        ]
        .into_iter()
        .chain(self.closed().into_iter().map(|what| (true, what)))
        .filter_map(|(holds, what)| holds.then_some(what))
        .collect()
    }

    fn closed(&self) -> Vec<&'static str> {
        let gates = self.0.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = gates.iter().filter(|gate| !gate.open.load(Ordering::Acquire));
        closed.map(|gate| gate.missing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_keeps_a_replica_from_being_ready_until_it_is_open() {
        let readiness = Readiness::default();
        readiness.certificate_loaded();
        let gate = readiness.clone().gate("trust state is not loaded");
        assert_eq!(readiness.missing(true), ["trust state is not loaded"]);
        gate.open();
        assert_eq!(readiness.missing(true), <[&str; 0]>::default());
    }
}
