//! [`judge`]: the verdicts of a test's cases.

use std::sync::Arc;

use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::time::Instant;

use super::compare::{Compared, compare};
use super::file::{Case, Test};
use crate::admission::judge::{ImageVerdict, Resolve};
use crate::gitops::judge::{AT_ONCE, Asked, stored};
use crate::gitops::place::Place;
use crate::gitops::report::ImageReport;
use crate::policy::{NamespaceView, PolicySet};

/// By what cases are judged.
pub struct Court<'a> {
    /// The policies and exemptions of the test.
    pub policies: Arc<PolicySet>,
    /// Where signed digests come from, asked for each case: recorded trust data is read anew for each, so that no case depends on
    /// those before it.
    pub resolver: &'a (dyn Fn() -> Arc<dyn Resolve> + Sync),
    /// By when exemptions are judged.
    pub now: Timestamp,
    /// When an answer that is asked for now must be there.
    pub deadline: &'a (dyn Fn() -> Instant + Sync),
}

/// A case, and what became of it.
#[derive(Debug)]
pub struct Judged {
    /// The file, as it was given.
    pub file: String,
    /// The case.
    pub case: Case,
    /// What the policies say.
    pub said: ImageReport,
    /// How that compares with what was expected.
    pub compared: Compared,
}

impl Judged {
    /// Where the case begins.
    pub fn place(&self) -> Place {
        self.case.place
    }
}

/// Judges the cases of a test, and has the results in their order.
pub async fn judge(court: &Court<'_>, test: &Test) -> Vec<Judged> {
    let judged = test.cases.iter().map(|case| async {
        let said = ImageReport::of(&court.verdict(case).await);
        let compared = compare(&case.expected, &said);
        Judged { file: test.file.clone(), case: case.clone(), said, compared }
    });
    futures::stream::iter(judged).buffered(AT_ONCE).collect().await
}

impl Court<'_> {
    async fn verdict(&self, case: &Case) -> ImageVerdict {
        let namespace = NamespaceView::new(case.namespace.as_str(), Arc::clone(&case.labels));
        let asked = Asked { image: &case.image, site: case.site, deadline: (self.deadline)(), now: self.now };
        stored(asked.verdict(&self.policies, namespace, &*(self.resolver)()).await, None)
    }
}
