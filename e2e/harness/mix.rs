//! The pods of a load: in three namespaces, under policies of both kinds, and of every outcome that does not depend on the
//! moment.

use serde_json::json;

use super::fleet::Fleet;
use super::load::{Case, Load};
use super::manifests::sealed;
use super::policy::Policy;
use super::publisher::digest_of;
use super::scenario::Scenario;
use super::second_judge::agree;
use super::suite::suite;

/// A load's repositories, policies and namespaces.
pub struct Mix {
    scenario: Scenario,
    cases: Vec<Case>,
}

impl Mix {
    /// Publishes the images, applies the policies and waits until they are in force.
    pub fn new(fleet: &Fleet, name: &str) -> Self {
        let s = fleet.scenario(name);
        let (web, (api, releaser)) = (s.repository("web"), s.released_repository("api"));
        let (digest, api_digest) = (digest_of("web 1.4"), digest_of("api 2.0"));
        web.signs(&["targets"], "1.4", &digest);
        api.signs(&["targets/releases"], "2.0", &api_digest);
        s.has_policy(&s.policy().trusts(&web).trusts(&api));
        s.has_policy(&s.namespaced_policy("local").trusts(&web).trusts(&api));
        let labelled = labelled(fleet, &format!("{name}-labelled"), json!({"env": name}));
        let selected = Policy::cluster(&format!("{name}-selected"), &s.image("api"), suite().notary().url());
        let selector = json!({"matchLabels": {"env": name}});
        let selected = selected.trusts(&api).requires_signer("targets/releases", &releaser);
        s.changes_policy(&selected.with("namespaceSelector", selector));
        let ignored = labelled_ignored(fleet, name);

        let (image, unsigned, api) = (s.image("web:1.4"), s.image("web:1.5"), s.image("api:2.0"));
        let (tagged, api_tagged) = (sealed(&image, &digest), sealed(&api, &api_digest));
        let pinned = sealed(&s.image("web"), &digest);
        let (other, stranger) =
            (sealed(&image, &api_digest), sealed(&s.image("web"), &digest_of("stranger")));
        let unmatched = "elsewhere.test/tool:1";
        let cases = vec![
            Case::stored(name, &[&image], &[&tagged]),
            Case::denied(name, &[&unsigned], "NotSigned"),
            Case::stored(name, &[&pinned], &[&pinned]),
            Case::stored(name, &[&tagged], &[&tagged]),
            Case::denied(name, &[&other], "DigestMismatch"),
            Case::stored(&labelled, &[&api, &image], &[&api_tagged, &tagged]),
            Case::denied(&labelled, &[&api, &unsigned], "NotSigned"),
            Case::denied(name, &[&stranger], "DigestNotSigned"),
            Case::stored(&labelled, &[unmatched], &[unmatched]),
            Case::stored(&ignored, &[&unsigned], &[&unsigned]),
        ];
        // Of a namespace that is left out no file says so.
        for case in cases.iter().filter(|case| case.namespace() != ignored) {
            agree(case.is_as_said(&s.asks_of_in(case.namespace(), &case.manifest())));
        }
        Self { scenario: s, cases }
    }

    /// The full name of one of its images.
    pub fn image(&self, name: &str) -> String {
        self.scenario.image(name)
    }

    /// Starts it: `rate` pods a second.
    pub fn starts(&self, fleet: &Fleet, rate: u32) -> Load {
        Load::start(&fleet.control_plane, self.cases.clone(), rate)
    }
}

fn labelled_ignored(fleet: &Fleet, name: &str) -> String {
    labelled(fleet, &format!("{name}-ignored"), json!({"tagseal.dev/admission": "ignore"}))
}

fn labelled(fleet: &Fleet, name: &str, labels: serde_json::Value) -> String {
    let namespace = fleet.scenario(name);
    namespace.cluster.applies(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
    }));
    name.to_owned()
}
