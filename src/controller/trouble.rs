//! [`Trouble`]: what goes wrong with a watch, how soon it is tried again, and how often the log says so.

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::watcher;

use super::repeated::RepeatedError;
use crate::backoff::{Backoff, jitter};

/// The first pause after an error.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest: what is missing at start (a CRD, a right) is noticed within seconds of its arrival.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is watched, for people.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    /// `ClusterTrustPolicy objects`, `ConfigMap tagseal-system/notary-ca`.
    pub(super) what: String,
    /// As RBAC names it: `clustertrustpolicies.tagseal.dev`.
    pub(super) resource: String,
    /// What holds meanwhile.
    pub(super) meanwhile: &'static str,
}

/// An error of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What happened and what to do about it.
    pub(super) message: String,
    /// Whether the API server answered, and will go on answering the same until somebody changes something.
    pub(super) is_answer: bool,
}

/// The errors of one watch since it last worked: what the log says of them, and how soon it is tried again.
#[derive(Debug)]
pub(super) struct Trouble {
    subject: Subject,
    errors: RepeatedError,
    backoff: Backoff,
}

impl Trouble {
    pub(super) fn none(subject: Subject) -> Self {
        Self { subject, errors: RepeatedError::default(), backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE) }
    }

    /// Whether the last thing that happened was an error.
    pub(super) fn is_some(&self) -> bool {
        self.errors.is_some()
    }

    /// Takes an error, says it in the log if it is time to, and returns how long to wait.
    pub(super) fn arises(&mut self, failure: &Failure, now: Timestamp) -> Duration {
        if let Some(since) = self.errors.occurs(&failure.message, now) {
            let Subject { what, meanwhile, .. } = &self.subject;
            let (error, lasted_s) = (&failure.message, now.duration_since(since).as_secs());
            tracing::warn!(watched = what, error, meanwhile, lasted_s, "{what} cannot be watched");
        }
        let pause = self.backoff.next_pause();
        pause + jitter(pause / 4)
    }

    /// It works again.
    pub(super) fn ends(&mut self, now: Timestamp) {
        self.backoff.reset();
        if let Some(since) = self.errors.ends() {
            let lasted_s = now.duration_since(since).as_secs();
            tracing::info!(watched = self.subject.what, lasted_s, "{} watched again", self.subject.what);
        }
    }
}

impl Failure {
    /// What an error of a read by name means for `subject`.
    pub(super) fn of_get(error: kube::Error, subject: &Subject) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 403 => {
                let (said, resource) = (status.message.trim(), &subject.resource);
                let message = format!("{said}; let tagseal's ServiceAccount get {resource}");
                Self { message, is_answer: true }
            }
            error => Self::of(&watcher::Error::InitialListFailed(error), subject),
        }
    }

    /// What an error of the watch means for `subject`.
    pub(super) fn of(error: &watcher::Error, subject: &Subject) -> Self {
        let status = match error {
            watcher::Error::WatchError(status) => Some(&**status),
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(&**status),
            _ => None,
        };
        let Some(status) = status else { return Self { message: chain(error), is_answer: false } };
        let advice = match status.code {
            401 => {
                "the API server does not accept tagseal's credentials: check its ServiceAccount or kubeconfig"
                    .to_owned()
            }
            403 => format!("let tagseal's ServiceAccount list and watch {}", subject.resource),
            404 => format!(
                "the API server does not know {}: are the CRDs installed? `tagseal crd` prints them",
                subject.resource
            ),
            _ => return Self { message: format!("{} ({})", status.message, status.code), is_answer: false },
        };
        Self { message: format!("{}; {advice}", status.message.trim()), is_answer: true }
    }
}

/// An error and its causes. Some libraries put a cause into the message, some do not.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn subject() -> Subject {
        Subject {
            what: "ClusterTrustPolicy objects".to_owned(),
            resource: "clustertrustpolicies.tagseal.dev".to_owned(),
            meanwhile: "",
        }
    }

    fn answered(code: u16) -> Failure {
        let status = Status::failure("no", "").with_code(code).boxed();
        Failure::of(&watcher::Error::InitialListFailed(kube::Error::Api(status)), &subject())
    }

    #[test]
    fn a_trouble_is_tried_again_within_seconds_however_long_it_lasts() {
        let mut trouble = Trouble::none(subject());
        let now = Timestamp::UNIX_EPOCH;
        let pauses: Vec<_> = (0..8).map(|_| trouble.arises(&answered(404), now)).collect();
        for (pause, least) in pauses.iter().zip([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]) {
            let least = Duration::from_millis(least);
            assert!((least..=least * 5 / 4).contains(pause), "{pauses:?}");
        }
        trouble.ends(now);
        assert!(trouble.arises(&answered(404), now) < Duration::from_millis(400), "a new one begins anew");
    }

    #[test]
    fn a_missing_crd_and_a_missing_right_are_told_with_their_remedy() {
        assert_eq!(
            answered(404).message,
            "no; the API server does not know clustertrustpolicies.tagseal.dev: are the CRDs installed? `tagseal crd` prints them"
        );
        assert_eq!(
            answered(403).message,
            "no; let tagseal's ServiceAccount list and watch clustertrustpolicies.tagseal.dev"
        );
        assert!(answered(403).is_answer);
        assert_eq!(answered(500), Failure { message: "no (500)".to_owned(), is_answer: false });
    }

    #[test]
    fn the_causes_of_an_error_are_told_once_each() {
        let io = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let error = watcher::Error::InitialListFailed(kube::Error::ReadEvents(io));
        let text = chain(&error);
        assert!(text.starts_with("failed to perform initial object list"), "{text}");
        assert_eq!(text.matches("connection refused").count(), 1, "{text}");
    }
}
