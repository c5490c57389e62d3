//! [`Requester`]: on whose behalf a repository is read, and with whose credentials (design §4 "Cache").

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{ImageName, PodIdentity};
use crate::policy::CredentialsSource;

/// On whose behalf a repository is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requester {
    pub(crate) who: Who,
    /// The registry of the image that is asked for.
    pub(crate) registry: String,
    /// Its repository there: two images that are rewritten to one name may have credentials of their own. Empty where
    /// nobody's credentials are used.
    pub(crate) repository: String,
    /// Other hosts that the policy lets see the credentials. Another policy may allow others.
    pub(crate) token_realms: Vec<String>,
}

/// Whose credentials are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Nobody's: the repository is read anonymously.
    Anybody,
    /// Those of a secret that a policy names.
    Policy {
        /// The secret's namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A pod's, by what its pull secrets come from.
    Pod(PodIdentity),
}

/// As [`Requester`], borrowed: permissions are looked up by it without a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequesterRef<'a> {
    who: WhoRef<'a>,
    image: ImageName<'a>,
    token_realms: &'a [String],
}

/// As [`Who`], borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum WhoRef<'a> {
    Anybody,
    Policy { namespace: &'a str, name: &'a str },
    Pod(&'a PodIdentity),
}

impl<'a> RequesterRef<'a> {
    pub(crate) fn new(
        source: &'a CredentialsSource,
        pod: &'a PodIdentity,
        image: ImageName<'a>,
        token_realms: &'a [String],
    ) -> Self {
        let who = match source {
            CredentialsSource::Anonymous => WhoRef::Anybody,
            CredentialsSource::Secret { namespace, name } => WhoRef::Policy { namespace, name },
            CredentialsSource::ImagePullSecrets => WhoRef::Pod(pod),
        };
        let image = match who {
            WhoRef::Anybody => ImageName { repository: "", ..image },
            _ => image,
        };
        Self { who, image, token_realms }
    }

    /// Whether anybody may read, so that no permission is needed.
    pub(crate) fn is_anybody(&self) -> bool {
        self.who == WhoRef::Anybody
    }
}

impl From<RequesterRef<'_>> for Requester {
    fn from(RequesterRef { who, image, token_realms }: RequesterRef<'_>) -> Self {
        let who = match who {
            WhoRef::Anybody => Who::Anybody,
            WhoRef::Policy { namespace, name } => {
                Who::Policy { namespace: namespace.to_owned(), name: name.to_owned() }
            }
            WhoRef::Pod(pod) => Who::Pod(pod.clone()),
        };
        let ImageName { registry, repository } = image;
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        Self { who, registry, repository, token_realms: token_realms.to_vec() }
    }
}

impl Requester {
    /// The same, borrowed.
    pub(crate) fn borrowed(&self) -> RequesterRef<'_> {
        let who = match &self.who {
            Who::Anybody => WhoRef::Anybody,
            Who::Policy { namespace, name } => WhoRef::Policy { namespace, name },
            Who::Pod(pod) => WhoRef::Pod(pod),
        };
        RequesterRef { who, image: self.image(), token_realms: &self.token_realms }
    }

    /// The image that credentials are looked for by.
    pub(crate) fn image(&self) -> ImageName<'_> {
        ImageName { registry: &self.registry, repository: &self.repository }
    }

    /// Whether the server's refusal ends the permission at once: it is about the tenant, not about tagseal's own access.
    pub(crate) fn is_tenant(&self) -> bool {
        matches!(self.who, Who::Pod(_))
    }

    /// The source and the pod that credentials are asked for with.
    pub(crate) fn credentials(&self) -> (CredentialsSource, PodIdentity) {
        match &self.who {
            Who::Anybody => (CredentialsSource::Anonymous, PodIdentity::default()),
            Who::Policy { namespace, name } => {
                let (namespace, name) = (namespace.clone(), name.clone());
                (CredentialsSource::Secret { namespace, name }, PodIdentity::default())
            }
            Who::Pod(pod) => (CredentialsSource::ImagePullSecrets, pod.clone()),
        }
    }
}

/// Lets a map whose keys are owned be looked up by what is borrowed.
pub(crate) trait AsRequester {
    fn requester(&self) -> RequesterRef<'_>;
}

impl AsRequester for Requester {
    fn requester(&self) -> RequesterRef<'_> {
        self.borrowed()
    }
}

impl AsRequester for RequesterRef<'_> {
    fn requester(&self) -> RequesterRef<'_> {
        *self
    }
}

impl<'a> Borrow<dyn AsRequester + 'a> for Arc<Requester> {
    fn borrow(&self) -> &(dyn AsRequester + 'a) {
        &**self
    }
}

impl PartialEq for dyn AsRequester + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.requester() == other.requester()
    }
}

impl Eq for dyn AsRequester + '_ {}

impl Hash for dyn AsRequester + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.requester().hash(state);
    }
}

/// As [`RequesterRef`]: a map is looked up by either.
impl Hash for Requester {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}
