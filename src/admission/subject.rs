//! [`Subject`]: the object of a request, as far as it decides where digests are written and where they must be.

use super::object::{Metadata, Node};
use super::review::Request;
use super::sites::WorkloadKind;
use crate::policy::Mutation;

/// The object in which images stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Its kind.
    pub kind: &'static WorkloadKind,
    /// Whether it is a workload that a controller owns. Its pods are sealed; it is left as its controller wrote it. A
    /// Deployment that does not find its template in its ReplicaSet makes another one, without end.
    pub is_controlled: bool,
    /// Whether it is the mirror of a static pod, which runs already.
    pub is_mirror: bool,
}

impl Subject {
    /// The object of a request.
    pub fn of(request: &Request<'_>, kind: &'static WorkloadKind, object: &Node<'_>) -> Self {
        let has_controller = object.metadata().is_some_and(Metadata::has_controller);
        Self { is_mirror: request.is_mirror_pod(), ..Self::declared(kind, has_controller) }
    }

    /// An object that is yet to be created, as its manifest has it.
    pub fn declared(kind: &'static WorkloadKind, has_controller: bool) -> Self {
        Self { kind, is_controlled: has_controller && !kind.is_pod(), is_mirror: false }
    }

    /// Whether the mutating hook writes digests into it (design §2 "Where the digest is written").
    pub fn is_written(&self, mutation: Mutation) -> bool {
        match mutation {
            _ if self.is_mirror => false,
            Mutation::None => false,
            Mutation::Pods => self.kind.is_pod(),
            Mutation::Workloads => !self.is_controlled,
        }
    }

    /// Whether images must carry their digest in the final state: always in a pod; in a template where the policy has
    /// templates sealed, or nothing sealed at all, and no controller owns it.
    pub fn must_be_sealed(&self, mutation: Mutation) -> bool {
        self.kind.is_pod() || (mutation != Mutation::Pods && !self.is_controlled)
    }
}
