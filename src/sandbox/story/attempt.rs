//! A pod that is tried, and what is said and checked of it.

use super::cast::Cast;
use super::event::{Label, Step, shortened};
use crate::digest::Digest;
use crate::policy::Reason;
use crate::sandbox::stage::{Admitted, StageError, pod_name};

impl Cast<'_> {
    /// Tries a pod, and notes what became of it.
    pub(super) async fn attempt(&self, step: &mut Step, image: &str) -> Result<Admitted, StageError> {
        step.types("you", format!("kubectl run {} --image {image}", pod_name(image)));
        let admitted = self.stage.admit(image).await?;
        match &admitted.outcome {
            Ok(runs) => step.sees(Label::Runs, runs),
            Err(refused) => step.sees(Label::Refused, &refused.message),
        }
        for warning in &admitted.warnings {
            step.shows("warning", warning);
        }
        Ok(admitted)
    }
}

impl Step {
    /// The pod has to run exactly this digest, its tag left where it was.
    pub(super) fn must_run(&mut self, admitted: &Admitted, digest: Digest) {
        let wanted = format!("{}@{digest}", admitted.asked);
        let found = match &admitted.outcome {
            Ok(runs) => format!("it runs {runs}"),
            Err(refused) => format!("it is refused: {}", refused.message),
        };
        let is_so = admitted.outcome.as_ref() == Ok(&wanted);
        self.check(format!("the pod runs {}", shortened(&digest.to_string())), is_so, found);
    }

    /// The pod has to be refused for this reason, with these words in the message.
    pub(super) fn must_be_refused(&mut self, admitted: &Admitted, reason: Reason, words: &[&str]) {
        let (is_so, found) = match &admitted.outcome {
            Ok(runs) => (false, format!("it runs {runs}")),
            Err(refused) => (
                refused.reasons.iter().any(|found| found == reason.as_str())
                    && words.iter().all(|word| refused.message.contains(word)),
                format!("it is refused: {}: {}", refused.reasons.join(", "), refused.message),
            ),
        };
        let named = match words {
            [] => String::new(),
            words => format!(" ({})", words.join(", ")),
        };
        self.check(format!("the pod is refused: {reason}{named}"), is_so, found);
    }

    /// Its user has to be told something with these words.
    pub(super) fn must_warn(&mut self, admitted: &Admitted, word: &str) {
        let is_so = admitted.warnings.iter().any(|warning| warning.contains(word));
        let found = format!("the warnings are {:?}", admitted.warnings);
        self.check(format!("the warning says {word}"), is_so, found);
    }
}
