//! Image sites that only a real API server reaches as users do: ephemeral containers and image volumes.

use serde_json::{Value, json};

use crate::harness::*;

#[test]
fn a3_an_ephemeral_container_is_sealed_or_denied() {
    let s = Scenario::new("a3-ephemeral");
    let (image, digest) = s.signed_web();
    s.seals(&image, &sealed(&image, &digest));
    let debug = |container: &str, image: &str| {
        let image = format!("--image={image}");
        s.cluster.kubectl(&["debug", "pod-0", &image, "--attach=false", "-c", container])
    };
    let answer = debug("good", &image);
    assert!(answer.passed, "{}", answer.errors);
    assert_eq!(ephemeral_images(&s), [sealed(&image, &digest)]);
    let stored = s.cluster.gets("pod/pod-0");
    let mut with_debugger = stored.clone();
    with_debugger["spec"]["ephemeralContainers"] = json!([{"name": "good", "image": image}]);
    s.is_stored_alike(&with_debugger, &stored);

    let unsigned = s.image("web:1.5");
    with_debugger["spec"]["ephemeralContainers"] = json!([{"name": "bad", "image": unsigned}]);
    s.is_refusal(debug("bad", &unsigned), &with_debugger, &unsigned, "NotSigned");
    assert_eq!(ephemeral_images(&s).len(), 1);
}

fn ephemeral_images(s: &Scenario) -> Vec<String> {
    let pod = s.cluster.gets("pod/pod-0");
    let containers = pod["spec"]["ephemeralContainers"].as_array().into_iter().flatten();
    containers.filter_map(|container| container["image"].as_str()).map(str::to_owned).collect()
}

#[test]
fn a4_an_image_volume_is_sealed_or_denied() {
    let s = Scenario::new("a4-volume");
    let (image, digest) = s.signed_web();
    let with_volume = |reference: &str| -> Value {
        let mut pod = s.pod(&image);
        pod["spec"]["volumes"] = json!([{"name": "data", "image": {"reference": reference}}]);
        pod
    };
    let stored = s.cluster.creates(&with_volume(&image)).object();
    let volumes = stored["spec"]["volumes"].as_array().expect("volumes");
    let volume = volumes.iter().find(|volume| volume["name"] == "data").expect("the volume");
    assert_eq!(volume["image"]["reference"], sealed(&image, &digest));

    let unsigned = s.image("web:1.5");
    s.refuses(&with_volume(&unsigned), &unsigned, "NotSigned");
}

#[test]
fn every_failing_image_of_a_pod_is_named() {
    let s = Scenario::new("sites-all");
    let (image, _) = s.signed_web();
    let mut pod = s.pod(&image);
    let (init, sidecar) = (s.image("web:init"), s.image("web:sidecar"));
    pod["spec"]["initContainers"] = json!([
        {"name": "init", "image": init},
        {"name": "sidecar", "image": sidecar, "restartPolicy": "Always"},
    ]);
    let message = s.refuses(&pod, &init, "NotSigned");
    assert!(message.contains(&sidecar), "{message}");
}

#[test]
fn a_template_whose_images_are_filled_in_later_is_taken_and_judged_when_they_are() {
    let s = Scenario::new("sites-filled-in");
    let (image, digest) = s.signed_web();
    s.seals(&image, &sealed(&image, &digest));
    let deployment = |container: &str, volume: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "later"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "later"}},
                "template": {
                    "metadata": {"labels": {"app": "later"}},
                    "spec": {
                        "containers": [{"name": "web", "image": container}],
                        "volumes": [{"name": "data", "image": volume}],
                    },
                },
            },
        })
    };
    // As OpenShift's image triggers leave them.
    assert_eq!(s.asks_of(&deployment(" ", json!({}))).len(), 0);
    s.cluster.applies(&deployment(" ", json!({})));
    let unsigned = s.image("web:1.5");
    for manifest in [
        deployment(&unsigned, json!({})),
        deployment(" ", json!({"reference": unsigned})),
        deployment(&image, json!({"reference": unsigned})),
    ] {
        let answer = s.cluster.tries(&manifest);
        assert!(!answer.passed && answer.errors.contains("NotSigned"), "{}", answer.text());
    }
    s.cluster.applies(&deployment(&image, json!({"reference": image})));
    // The API server itself takes neither in a pod.
    let mut pod = s.pod(&image);
    pod["spec"]["volumes"] = json!([{"name": "data", "image": {}}]);
    for pod in [s.pod(" "), pod] {
        assert!(!s.cluster.tries(&pod).passed, "{pod}");
    }
}
