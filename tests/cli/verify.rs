//! `tagseal verify`: what it calls an image, in text and JSON, and how it ends.

use serde_json::{Value, json};

use super::run::{Ended, Machine, REPOSITORY, digest, object, policy, trust_server};

const OTHER: &str = "ghcr.io/other/image:1";

/// A machine with `web:1.0` signed, and with the files `policy.yaml` and `exemption.yaml` once they are written.
struct World {
    machine: Machine,
    server: String,
}

impl World {
    fn new() -> Self {
        let server = trust_server();
        let machine = Machine::of_publisher(&server);
        machine.sign("1.0", "1.0");
        Self { machine, server: server.url().to_owned() }
    }

    fn policy(&self, more: Value) {
        self.write("policy.yaml", &policy("production", &self.server, &more));
    }

    fn exemption(&self, more: Value) {
        let mut spec = json!({"images": {"include": ["**"]}, "reason": "a test"});
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        self.write("exemption.yaml", &object("TrustExemption", "e", &spec));
    }

    fn write(&self, file: &str, object: &Value) {
        std::fs::write(self.machine.file(file), object.to_string()).unwrap();
    }

    fn verify(&self, image: &str, more: &[&str]) -> Ended {
        let mut arguments = vec!["verify", image, "--policy", "policy.yaml"];
        if self.machine.file("exemption.yaml").exists() {
            arguments.extend(["--policy", "exemption.yaml"]);
        }
        self.machine.run(&[&arguments, more].concat())
    }

    /// The one element of what `-o json` prints.
    fn json(&self, image: &str, more: &[&str]) -> Value {
        let answers: Value = self.verify(image, &[&["-o", "json"], more].concat()).json();
        answers[0].clone()
    }
}

fn warned(answer: &Value, of: &str) -> bool {
    answer["warnings"].as_array().into_iter().flatten().any(|warning| warning.as_str().unwrap().contains(of))
}

#[test]
fn what_a_policy_that_observes_lets_pass_is_admitted_with_its_findings() {
    let world = World::new();
    let (signed, unsigned) = (format!("{REPOSITORY}:1.0"), format!("{REPOSITORY}:9.9"));
    let with_digest = format!("{signed}@{}", digest("1.0"));
    let wrong = format!("{signed}@{}", digest("9.9"));
    for actions in [json!(["Warn"]), json!(["Audit"]), json!(["Warn", "Audit"])] {
        for mutation in [json!(null), json!("Pods")] {
            world.policy(json!({"validationActions": actions, "mutation": mutation}));
            for (image, finding) in [(&unsigned, "NotSigned: "), (&wrong, "DigestMismatch: ")] {
                let answer = world.json(image, &[]);
                assert_eq!(answer["verdict"], "Admitted", "{answer}");
                assert_eq!(
                    (&answer["sealed"], &answer["digest"], &answer["reason"]),
                    (&json!(null), &json!(null), &json!(null))
                );
                assert_eq!(answer["policies"], json!(["ClusterTrustPolicy production"]));
                assert!(warned(&answer, finding), "{answer}");
                let text = world.verify(image, &[]).done();
                let first = format!(
                    "admitted    {image}\n            warning: ClusterTrustPolicy production: {finding}"
                );
                assert!(text.starts_with(&first), "{text}");
            }
            let answer = world.json(&with_digest, &[]);
            assert_eq!((&answer["verdict"], &answer["sealed"]), (&json!("Sealed"), &json!(with_digest)));
        }
        // Signed, and nobody writes it.
        world.policy(json!({ "validationActions": actions }));
        let answer = world.json(&signed, &[]);
        assert_eq!((&answer["verdict"], &answer["sealed"]), (&json!("Admitted"), &json!(null)));
        assert_eq!(answer["digest"], digest("1.0"));
        let text = world.verify(&signed, &[]).done();
        let first = format!(
            "admitted    {signed}\n            {}, which no policy writes\n            signed in targets by ",
            digest("1.0")
        );
        assert!(text.starts_with(&first), "{text}");
        world.policy(json!({"validationActions": actions, "mutation": "None"}));
        let answer = world.json(&signed, &[]);
        assert_eq!((&answer["verdict"], &answer["sealed"]), (&json!("Admitted"), &json!(null)));
        assert!(warned(&answer, "NotSealed: "), "{answer}");
        world.policy(json!({"validationActions": actions, "mutation": "Workloads"}));
        let answer = world.json(&signed, &[]);
        assert_eq!((&answer["verdict"], &answer["sealed"]), (&json!("Sealed"), &json!(with_digest)));
    }
}

#[test]
fn sealed_denied_and_unmatched_are_what_they_were() {
    let world = World::new();
    world.policy(json!({}));
    let signed = format!("{REPOSITORY}:1.0");
    let answer = world.json(&signed, &[]);
    assert_eq!(answer["verdict"], "Sealed");
    assert_eq!(answer["sealed"], format!("{signed}@{}", digest("1.0")));
    let text = world.verify(&signed, &[]).done();
    assert!(
        text.starts_with(&format!(
            "sealed      {signed}@{}\n            signed in targets by ",
            digest("1.0")
        )),
        "{text}"
    );

    let denied = world.verify(&format!("{REPOSITORY}:9.9"), &[]);
    denied.failed(1);
    let answer = world.json(OTHER, &[]);
    assert_eq!(
        (&answer["verdict"], &answer["sealed"], answer.get("exemptions")),
        (&json!("Unmatched"), &json!(null), None)
    );
    assert_eq!(world.verify(OTHER, &[]).done(), format!("unmatched   {OTHER}\n"));
    assert!(warned(&world.json(OTHER, &["--unmatched-images", "Warn"]), "NoPolicy: no policy matches"));
    world.verify(OTHER, &["--unmatched-images", "Deny"]).failed(1);

    // A digest that `Allow` lets pass is signed by nobody.
    world.policy(json!({"digestReferences": "Allow"}));
    let by_digest = format!("{REPOSITORY}@{}", digest("9.9"));
    let answer = world.json(&by_digest, &[]);
    assert_eq!(
        (&answer["verdict"], &answer["sealed"], &answer["digest"]),
        (&json!("Admitted"), &json!(null), &json!(null))
    );
    // An observing policy that matches changes nothing about what is unmatched.
    world.policy(
        json!({"images": {"include": ["**"]}, "validationActions": ["Warn"], "digestReferences": "Allow"}),
    );
    world.verify(&by_digest, &["--unmatched-images", "Deny"]).failed(1);
}

#[test]
fn p15_exemptions_are_read_from_files_and_shown() {
    let world = World::new();
    world.policy(json!({}));
    world.exemption(json!({"until": "2099-12-04T17:00:00Z", "sites": ["containers", "volumes"]}));
    let unsigned = format!("{REPOSITORY}:9.9");
    let deny = ["--unmatched-images", "Deny"];
    for image in [&*unsigned, OTHER] {
        let answer = world.json(image, &deny);
        assert_eq!(answer["verdict"], "Exempt", "{answer}");
        assert_eq!(
            answer["exemptions"],
            json!([{"name": "e", "until": "2099-12-04T17:00:00Z", "reason": "a test"}])
        );
        assert_eq!((&answer["sealed"], &answer["policies"]), (&json!(null), &json!([])));
        let shown = format!(
            "exempt      {image}\n            exempt by TrustExemption e until 2099-12-04T17:00:00Z: a test\n"
        );
        assert_eq!(world.verify(image, &deny).done(), shown);
        world.verify(image, &[&deny[..], &["--site", "ephemeralContainers"]].concat()).failed(1);
        world.verify(image, &[&deny[..], &["--site", "volumes"]].concat()).done();
    }
    let wrong = world.verify(OTHER, &["--site", "container"]).failed(2);
    assert!(wrong.contains("expected one of initContainers, containers, "), "{wrong}");

    world.exemption(json!({"until": "2020-12-04T17:00:00Z"}));
    world.verify(OTHER, &deny).failed(1);
    assert_eq!(
        world.json(OTHER, &["--unmatched-images", "Deny", "--at", "2020-12-04T16:59:59Z"])["verdict"],
        "Exempt"
    );

    // Labels that nobody told are not those that it asks for.
    world.exemption(json!({"namespaceSelector": {"matchLabels": {"env": "test"}}}));
    world.verify(OTHER, &deny).failed(1);
    world.verify(OTHER, &[&deny[..], &["--namespace-label", "env=test"]].concat()).done();
    world.verify(OTHER, &[&deny[..], &["--namespace-label", "env=production"]].concat()).failed(1);

    // A policy that is not named judges.
    world.exemption(json!({"policies": ["other"]}));
    world.verify(&unsigned, &[]).failed(1);
    world.exemption(json!({"policies": ["production"]}));
    assert_eq!(world.json(&unsigned, &[])["verdict"], "Exempt");

    world.exemption(json!({"until": "friday"}));
    let error = world.verify(OTHER, &[]).failed(2);
    assert!(
        error.contains("exemption.yaml:1:") && error.contains("spec.until: \"friday\" is no time"),
        "{error}"
    );
    world.exemption(json!({}));
    let twice = world.verify(OTHER, &["--policy", "exemption.yaml"]).failed(2);
    assert!(twice.contains("another TrustExemption has the same name"), "{twice}");
}
