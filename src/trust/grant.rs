//! Read grants: who may read a repository's trust data is apart from the data (design §4 "Cache").

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};

use super::moment::Since;
use super::source::{Access, Grant, ImageName};
use crate::policy::CredentialsSource;

/// Grants beyond this many push out the oldest.
const MAX_GRANTS: usize = 1024;

/// A grant in use is renewed in the background when it is older than this.
pub(super) const RENEW_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// Whose eyes read a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accessor {
    pub(super) who: Who,
    /// The registry of the image that is asked for.
    pub(super) registry: String,
    /// Its repository there: two images that are rewritten to one name may have credentials of their own. Empty where
    /// nobody's credentials are used.
    pub(super) repository: String,
    /// Other hosts that the policy lets see them: one policy's word is not another's.
    pub(super) token_realms: Vec<String>,
}

/// What a grant is keyed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// Anybody: no grant is needed.
    Anybody,
    /// Whoever a policy lends its own secret to.
    Policy {
        /// The secret's namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A pod, by what its pull secrets come from.
    Pod(Grant),
}

/// As [`Accessor`], borrowed: what the hot path looks grants up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Eyes<'a> {
    who: Whose<'a>,
    image: ImageName<'a>,
    token_realms: &'a [String],
}

/// As [`Who`], borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose<'a> {
    Anybody,
    Policy { namespace: &'a str, name: &'a str },
    Pod(&'a Grant),
}

impl<'a> Eyes<'a> {
    pub(super) fn new(
        source: &'a CredentialsSource,
        grant: &'a Grant,
        image: ImageName<'a>,
        token_realms: &'a [String],
    ) -> Self {
        let who = match source {
            CredentialsSource::Anonymous => Whose::Anybody,
            CredentialsSource::Secret { namespace, name } => Whose::Policy { namespace, name },
            CredentialsSource::ImagePullSecrets => Whose::Pod(grant),
        };
        let image = match who {
            Whose::Anybody => ImageName { repository: "", ..image },
            _ => image,
        };
        Self { who, image, token_realms }
    }
}

impl From<Eyes<'_>> for Accessor {
    fn from(Eyes { who, image, token_realms }: Eyes<'_>) -> Self {
        let who = match who {
            Whose::Anybody => Who::Anybody,
            Whose::Policy { namespace, name } => {
                Who::Policy { namespace: namespace.to_owned(), name: name.to_owned() }
            }
            Whose::Pod(grant) => Who::Pod(grant.clone()),
        };
        let ImageName { registry, repository } = image;
        Self {
            who,
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            token_realms: token_realms.to_vec(),
        }
    }
}

/// What is equal to its [`Eyes`]: a map's key can be owned, and looked up by what is borrowed.
trait Look {
    fn look(&self) -> Eyes<'_>;
}

impl Look for Accessor {
    fn look(&self) -> Eyes<'_> {
        self.eyes()
    }
}

impl Look for Eyes<'_> {
    fn look(&self) -> Eyes<'_> {
        *self
    }
}

impl<'a> Borrow<dyn Look + 'a> for Accessor {
    fn borrow(&self) -> &(dyn Look + 'a) {
        self
    }
}

impl PartialEq for dyn Look + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.look() == other.look()
    }
}

impl Eq for dyn Look + '_ {}

impl Hash for dyn Look + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.look().hash(state);
    }
}

/// As its [`Eyes`] have it, because it is looked up by them.
impl Hash for Accessor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.eyes().hash(state);
    }
}

impl Accessor {
    /// The same, borrowed.
    pub(super) fn eyes(&self) -> Eyes<'_> {
        let who = match &self.who {
            Who::Anybody => Whose::Anybody,
            Who::Policy { namespace, name } => Whose::Policy { namespace, name },
            Who::Pod(grant) => Whose::Pod(grant),
        };
        Eyes { who, image: self.image(), token_realms: &self.token_realms }
    }

    /// The image that credentials are looked for by.
    pub(super) fn image(&self) -> ImageName<'_> {
        ImageName { registry: &self.registry, repository: &self.repository }
    }

    /// Whether the server's refusal ends the grant at once: it is about the tenant, not about tagseal's own access.
    pub(super) fn is_tenant(&self) -> bool {
        matches!(self.who, Who::Pod(_))
    }

    /// The source and the grant that credentials are asked for with.
    pub(super) fn credentials(&self) -> (CredentialsSource, Grant) {
        match &self.who {
            Who::Anybody => (CredentialsSource::Anonymous, Grant::default()),
            Who::Policy { namespace, name } => {
                let (namespace, name) = (namespace.clone(), name.clone());
                (CredentialsSource::Secret { namespace, name }, Grant::default())
            }
            Who::Pod(grant) => (CredentialsSource::ImagePullSecrets, grant.clone()),
        }
    }
}

/// That somebody may read the repository, as a successful fetch showed.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    /// When it was last shown.
    pub(super) at: Since,
    /// What was shown to the server. Tried first the next time; never written down.
    pub(super) access: Option<Access>,
}

/// The grants of one repository.
#[derive(Debug, Default)]
pub(super) struct Grants(RwLock<HashMap<Accessor, Granted>>);

impl Grants {
    /// When these eyes were last seen to be allowed.
    pub(super) fn at(&self, eyes: &Eyes<'_>) -> Option<Since> {
        let grants = self.0.read().unwrap_or_else(PoisonError::into_inner);
        grants.get(eyes as &dyn Look).map(|granted| granted.at)
    }

    pub(super) fn access(&self, accessor: &Accessor) -> Option<Access> {
        let grants = self.0.read().unwrap_or_else(PoisonError::into_inner);
        grants.get(accessor)?.access.clone()
    }

    pub(super) fn put(&self, accessor: &Accessor, granted: Granted) {
        let mut grants = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if grants.len() >= MAX_GRANTS && !grants.contains_key(accessor) {
            let oldest = grants.iter().min_by_key(|(_, granted)| granted.at.at).map(|(who, _)| who.clone());
            oldest.and_then(|who| grants.remove(&who));
        }
        grants.insert(accessor.clone(), granted);
    }

    pub(super) fn end(&self, accessor: &Accessor) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(accessor);
    }

    /// Its credentials could not be had: others' eyes are better for refreshes in the background.
    pub(super) fn doubt(&self, accessor: &Accessor) {
        let mut grants = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(granted) = grants.get_mut(accessor) {
            granted.access = None;
        }
    }

    pub(super) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The grant that was shown last, those first whose credentials are at hand: whose eyes a refresh in the background
    /// uses.
    pub(super) fn latest(&self) -> Option<Accessor> {
        let grants = self.0.read().unwrap_or_else(PoisonError::into_inner);
        grants
            .iter()
            .max_by_key(|(_, granted)| (granted.access.is_some(), granted.at.at))
            .map(|(who, _)| who.clone())
    }

    pub(super) fn all(&self) -> Vec<(Accessor, Timestamp)> {
        let grants = self.0.read().unwrap_or_else(PoisonError::into_inner);
        grants.iter().map(|(who, granted)| (who.clone(), granted.at.at)).collect()
    }
}
