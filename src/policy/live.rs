//! What the endpoint for policies asks the cluster while somebody waits: [`LiveObjects`], [`RunningImages`].
//!
//! Nothing that is decided depends on the answers, only what a policy's author is warned of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::ObjectRef;

/// The entries of a config map; of a secret none, because what is in it is none of a policy's business.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// Why the cluster did not show what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LiveError {
    /// What happened and what to do about it.
    pub message: String,
    /// Whether the API server answered, and will go on answering the same until somebody changes something.
    pub is_answer: bool,
}

/// What [`LiveObjects::read`] returns; `None`: there is no such object.
pub type EntriesFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Entries>, LiveError>> + Send + 'a>>;

/// What [`LiveObjects::lacks`] returns; `None`: nothing.
pub type LacksFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<String>, LiveError>> + Send + 'a>>;

/// Config maps and secrets as they are now. Implemented by the controller.
pub trait LiveObjects: Send + Sync + fmt::Debug {
    /// Reads one object, with the rights by which it would be watched if a policy named it.
    fn read<'a>(&'a self, object: &'a ObjectRef) -> EntriesFuture<'a>;

    /// Which right tagseal lacks of those that reading pull secrets takes in this namespace, or in every one: `get secrets`.
    /// By default nothing is known to be lacking.
    fn lacks<'a>(&'a self, _namespace: Option<&'a str>) -> LacksFuture<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// What [`RunningImages::list`] returns.
pub type ListFuture<'a> = Pin<Box<dyn Future<Output = Result<(), LiveError>> + Send + 'a>>;

/// The images of pods that have not ended. Implemented by the controller.
pub trait RunningImages: Send + Sync + fmt::Debug {
    /// Adds the images of one namespace, or of all, to `found`. What was added stays, whatever happens then.
    fn list<'a>(&'a self, namespace: Option<&'a str>, found: &'a mut Running) -> ListFuture<'a>;
}

/// So many images, counted once for each namespace, are remembered at most.
const MOST: usize = 20_000;
/// The longest image, in bytes: a reference has at most 255 of a name, 128 of a tag and 71 of a digest.
const LONGEST: usize = 512;

/// Which images run where, as far as that was found out; bounded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Running {
    images: BTreeMap<String, BTreeSet<String>>,
    count: usize,
    is_cut: bool,
}

impl Running {
    /// Adds an image. What is too long to be one is left out.
    pub fn add(&mut self, namespace: &str, image: &str) {
        let known = self.images.get(namespace).is_some_and(|images| images.contains(image));
        if known || image.len() > LONGEST {
            return;
        }
        if self.count >= MOST {
            self.is_cut = true;
            return;
        }
        self.count += 1;
        self.images.entry(namespace.to_owned()).or_default().insert(image.to_owned());
    }

    /// Whether there was no room for all of them.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The images, by namespace.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.images.iter().map(|(namespace, images)| (namespace.as_str(), images))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_counted_once_a_namespace_and_bounded() {
        let mut running = Running::default();
        for image in ["a", "b", "a", &"x".repeat(LONGEST + 1)] {
            running.add("shop", image);
        }
        running.add("payments", "a");
        assert_eq!((running.count, running.is_cut()), (3, false));
        for number in 0..MOST {
            running.add("many", &number.to_string());
        }
        running.add("shop", "a");
        let held: usize = running.namespaces().map(|(_, images)| images.len()).sum();
        assert_eq!((held, running.is_cut()), (MOST, true));
    }
}
