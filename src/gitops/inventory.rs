//! What runs and what is declared, and whether it would be admitted: now, as it runs, and created anew. No cluster and no clock:
//! objects, verdicts and times are arguments.

mod answer;
mod collect;
mod declared;
mod object;
mod row;
mod show;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

pub use self::answer::{Answer, Ends, answers};
pub use self::collect::{Collected, Found, Place};
pub use self::declared::declared;
pub use self::object::{Declared, Owner, Pod, Template, Workload};
pub use self::row::{OwnerShown, Row, Running, SiteShown, Standing};
pub use self::show::{HEADING, cells, summary};
use super::judge::Question;
use crate::image::ImageReference;

/// The answers.
pub type Answers = HashMap<Question, Answer>;

impl Collected {
    /// What has to be asked about all of it, each once.
    pub fn questions(&self) -> HashSet<Question> {
        let mut questions = HashSet::new();
        for (place, found) in &self.0 {
            questions.extend(place.now(found).into_iter().map(|(_, question)| question));
            questions.extend(place.anew(found));
        }
        questions
    }
}

impl Place {
    fn question(&self, image: &str) -> Question {
        Question {
            namespace: self.namespace.to_string(),
            image: image.to_owned(),
            image_site: self.list.image_site(),
        }
    }

    /// The references as they run, each with the digest that the status names. What has its digest in the reference is asked about
    /// as it stands: the kubelet pulls that and nothing else.
    fn now(&self, found: &Found) -> Vec<(Option<Box<str>>, Question)> {
        if found.pods == 0 {
            return Vec::new();
        }
        let bare = ImageReference::parse(&self.image).ok().filter(|image| image.digest().is_none());
        let Some(bare) = bare.filter(|_| !found.running.is_empty()) else {
            return vec![(None, self.question(&self.image))];
        };
        let with = |digest: &str| {
            let by_digest = ImageReference::parse(&format!("image@{digest}")).ok()?.digest()?;
            Some((Some(digest.into()), self.question(&bare.with_digest(by_digest))))
        };
        let mut all: Vec<_> = found.running.keys().filter_map(|digest| with(digest)).collect();
        if found.running.values().sum::<usize>() < found.pods {
            // Pods that have not started yet.
            all.push((None, self.question(&self.image)));
        }
        all
    }

    /// What the owner declares.
    fn anew(&self, found: &Found) -> Option<Question> {
        found.template.as_ref().map(|image| self.question(image))
    }
}
