//! tagseal's own certificates behind the real API server: it makes, renews and replaces them, and keeps `caBundle` right.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::*;

const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
const SECRET: &str = "secret/tagseal-tls";
/// How long until what was changed is right again.
const SOON: Duration = Duration::from_secs(30);

fn system(fleet: &Fleet) -> Cluster {
    fleet.cluster().in_namespace("tagseal-system")
}

fn data(fleet: &Fleet, entry: &str) -> String {
    system(fleet).gets(SECRET)["data"][entry].as_str().unwrap_or_default().to_owned()
}

fn certificates(pem: &str) -> Vec<String> {
    let pem = String::from_utf8(STANDARD.decode(pem).expect("base64")).expect("PEM");
    const END: &str = "-----END CERTIFICATE-----";
    pem.split_inclusive(END)
        .filter(|block| block.contains(END))
        .map(|block| block.trim().to_owned())
        .collect()
}

fn bundles(fleet: &Fleet) -> Vec<String> {
    let hooks = KINDS.map(|kind| fleet.cluster().gets(&format!("{kind}/tagseal"))["webhooks"].take());
    let hooks = hooks.iter().flat_map(|hooks| hooks.as_array().expect("webhooks"));
    hooks.map(|hook| hook["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Every webhook soon has the Secret's authorities, and the API server believes what serves.
#[track_caller]
fn is_right(fleet: &Fleet, probe: &Value) {
    let cluster = fleet.cluster();
    eventually("caBundle is what the Secret says", SOON, || {
        let (wanted, found) = (data(fleet, "ca.crt"), bundles(fleet));
        let right = found.len() == 3 && found.iter().all(|bundle| *bundle == wanted);
        if right { Ok(()) } else { Err(format!("{found:?}")) }
    });
    eventually("tagseal is called", SOON, || {
        let answer = cluster.tries(probe);
        if answer.errors.contains("denied the request") { Ok(()) } else { Err(answer.text()) }
    });
}

fn overwrite(fleet: &Fleet, kind: &str, bundle: Option<&str>) {
    let path = "/webhooks/0/clientConfig/caBundle";
    let operation = match bundle {
        Some(bundle) => json!([{"op": "replace", "path": path, "value": bundle}]),
        None => json!([{"op": "remove", "path": path}]),
    };
    fleet.cluster().does(&["patch", kind, "tagseal", "--type=json", "-p", &operation.to_string()]);
}

/// That both rotate under load is A17's; here nobody asks for it, and the old authority goes.
#[test]
fn an_authority_is_replaced_when_its_time_comes_and_goes_when_it_has_expired() {
    let fleet = Fleet::start_with("certificates-rotate", Route::Together, &["--certificate-lifetime=24s"]);
    let load = Mix::new(&fleet, "certificates-rotate").starts(&fleet, 10);
    let authorities = || certificates(&data(&fleet, "ca.crt"));
    // To set all this up may take longer than the first of all authorities lives: whichever is the newest by now.
    let first = authorities().remove(0);
    let mut leaves = BTreeSet::new();
    let mut awaits = |what: &str, fits: &dyn Fn(&[String]) -> bool| {
        // An authority lives for 96 s, and stands for another 24 s.
        eventually(what, Duration::from_secs(240), || {
            leaves.insert(data(&fleet, "tls.crt"));
            let now = authorities();
            if fits(&now) { Ok(()) } else { Err(format!("{now:?}")) }
        });
    };
    let place = |now: &[String]| now.iter().position(|authority| *authority == first);
    awaits("a newer authority stands before the first", &|now| place(now).is_some_and(|place| place > 0));
    awaits("the first one is gone", &|now| place(now).is_none() && !now.is_empty());
    assert!(leaves.len() >= 3, "{} leaves", leaves.len());
    load.goes_on_for(50);
    load.ends().is_right();
}

#[test]
fn whatever_happens_to_the_bundle_or_the_secret_is_mended() {
    let mut fleet = Fleet::start("certificates-mended", Route::Together);
    let probe = pod("probe", "probe.test/never:published");
    is_right(&fleet, &probe);
    assert_eq!(certificates(&bundles(&fleet)[0]).len(), 1);

    let foreign = STANDARD.encode(Authority::new("somebody else's").pem());
    for kind in KINDS {
        overwrite(&fleet, kind, Some(&foreign));
        is_right(&fleet, &probe);
        overwrite(&fleet, kind, None);
        is_right(&fleet, &probe);
    }

    // What is applied without a bundle leaves it alone, whoever applies it and how.
    for args in [
        vec!["apply", "--server-side", "--field-manager=gitops", "--force-conflicts", "-f", "-"],
        vec!["apply", "-f", "-"],
    ] {
        for kind in KINDS {
            let before = bundles(&fleet);
            let mut live = fleet.cluster().gets(&format!("{kind}/tagseal"));
            for hook in live["webhooks"].as_array_mut().expect("webhooks") {
                hook["clientConfig"].as_object_mut().expect("an object").remove("caBundle");
            }
            live["metadata"] = json!({"name": "tagseal", "labels": live["metadata"]["labels"]});
            let answer = fleet.cluster().kubectl_with(&args, live.to_string().as_bytes());
            assert!(answer.passed, "{}", answer.errors);
            assert_eq!(bundles(&fleet), before, "kubectl {}", args.join(" "));
        }
    }

    // A configuration that is deleted and comes back, as by a new installation.
    let mut live = fleet.cluster().gets("ValidatingWebhookConfiguration/tagseal");
    fleet.cluster().does(&["delete", "ValidatingWebhookConfiguration/tagseal"]);
    for hook in live["webhooks"].as_array_mut().expect("webhooks") {
        hook["clientConfig"].as_object_mut().expect("an object").remove("caBundle");
    }
    live["metadata"] = json!({"name": "tagseal"});
    assert!(fleet.cluster().creates(&live).passed);
    is_right(&fleet, &probe);

    // The Secret comes back as it was.
    let before = system(&fleet).gets(SECRET)["data"].take();
    system(&fleet).does(&["delete", SECRET]);
    eventually("the Secret is back", SOON, || {
        let found = system(&fleet).kubectl(&["get", SECRET, "-o", "json"]);
        let found: Value = serde_json::from_str(&found.output).unwrap_or_default();
        if found["data"] == before { Ok(()) } else { Err(found.to_string()) }
    });
    let damage = json!({"data": {"tls.key": "eA=="}}).to_string();
    system(&fleet).does(&["patch", SECRET, "-p", &damage]);
    eventually("the Secret is mended", SOON, || {
        let data = system(&fleet).gets(SECRET)["data"].take();
        if data == before { Ok(()) } else { Err(data.to_string()) }
    });
    is_right(&fleet, &probe);

    // With nobody left who remembers, all begins anew.
    for replica in &mut fleet.replicas {
        assert_eq!(replica.ends(), Some(0), "{}", replica.log());
    }
    system(&fleet).does(&["delete", SECRET]);
    for replica in &mut fleet.replicas {
        replica.starts();
    }
    fleet.awaits_all();
    is_right(&fleet, &probe);
    assert_ne!(data(&fleet, "ca.crt"), before["ca.crt"].as_str().expect("authorities"));
}
