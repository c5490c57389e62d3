//! [`Permissions`]: who may read a repository's trust data, which is apart from the data (design §4 "Cache").

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::moment::Since;
use crate::limits::PERMISSIONS;
use crate::source::{Access, AsRequester, Requester, RequesterRef};

/// A permission in use is renewed in the background when it is older than this.
pub(super) const RENEW_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// That somebody may read the repository, as a successful fetch showed.
#[derive(Debug, Clone)]
pub(super) struct Permission {
    /// When it was last shown.
    pub(super) at: Since,
    /// What was shown to the server. Tried first the next time; never written down.
    pub(super) access: Option<Access>,
}

/// The permissions of one repository. A change makes a new value; copies share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Permissions(Arc<HashMap<Arc<Requester>, Permission>>);

impl Permissions {
    /// When this requester was last seen to be allowed.
    pub(super) fn at(&self, requester: &RequesterRef<'_>) -> Option<Since> {
        self.0.get(requester as &dyn AsRequester).map(|permission| permission.at)
    }

    pub(super) fn access(&self, requester: &Requester) -> Option<Access> {
        self.0.get(requester as &dyn AsRequester)?.access.clone()
    }

    pub(super) fn put(&mut self, requester: &Requester, permission: Permission) {
        let all = Arc::make_mut(&mut self.0);
        if let Some(known) = all.get_mut(requester as &dyn AsRequester) {
            *known = permission;
            return;
        }
        if all.len() >= PERMISSIONS {
            let oldest = all.iter().min_by_key(|(_, permission)| permission.at.at);
            oldest.map(|(who, _)| Arc::clone(who)).and_then(|who| all.remove(&who));
        }
        all.insert(Arc::new(requester.clone()), permission);
    }

    pub(super) fn end(&mut self, requester: &Requester) {
        Arc::make_mut(&mut self.0).remove(requester as &dyn AsRequester);
    }

    /// Notes that the credentials could not be had: others' are better for refreshes in the background.
    pub(super) fn doubt(&mut self, requester: &Requester) {
        if let Some(permission) = Arc::make_mut(&mut self.0).get_mut(requester as &dyn AsRequester) {
            permission.access = None;
        }
    }

    /// Who was let in last, those first whose credentials are at hand: for whom refreshes in the background are made.
    pub(super) fn latest(&self) -> Option<Requester> {
        let latest =
            self.0.iter().max_by_key(|(_, permission)| (permission.access.is_some(), permission.at.at));
        latest.map(|(who, _)| Requester::clone(who))
    }

    pub(super) fn all(&self) -> Vec<(Requester, Timestamp)> {
        self.0.iter().map(|(who, permission)| (Requester::clone(who), permission.at.at)).collect()
    }
}
