//! The sandbox, shown to a real cluster: its webhook for one namespace, and nothing left behind.

use std::time::Duration;

use crate::harness::{Cluster, Process, RUN, Verifier, eventually, images, pod, suite, tagseal_binary};

const NAME: &str = "tagseal-sandbox";
const OBJECTS: &[&str] = &[
    "validatingwebhookconfiguration/tagseal-sandbox",
    "mutatingwebhookconfiguration/tagseal-sandbox",
    "namespace/tagseal-sandbox",
];
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_real_cluster_calls_the_sandbox_for_one_namespace_and_is_left_as_it_was() {
    let cluster = suite().cluster();
    let kubeconfig = cluster.kubeconfig().to_str().expect("UTF-8");
    let args = ["sandbox", "--kubeconfig", kubeconfig, "--advertise", "127.0.0.1"];
    let mut sandbox = Process::start("sandbox", &tagseal_binary(), args, &RUN.folder("sandbox"));
    let printed = eventually("the story is told", PATIENCE, || {
        sandbox.runs();
        let printed = sandbox.printed();
        let is_told = printed.contains("Ctrl-C ends it, tidies the cluster and removes the folder.");
        if is_told { Ok(printed) } else { Err(printed) }
    });
    let word_after = |label: &str| {
        let line = printed.lines().find(|line| line.trim_start().starts_with(label)).expect(label);
        line.trim_start().trim_start_matches(label).split_whitespace().next().expect(label).to_owned()
    };
    let registry = word_after("registry").trim_start_matches("https://").to_owned();
    let folder = std::path::PathBuf::from(word_after("folder"));
    assert!(folder.join("policy.yaml").is_file());
    assert!(
        folder.starts_with(RUN.folder("sandbox")),
        "a run that fails leaves nothing elsewhere: {}",
        folder.display()
    );

    let inside = cluster.in_namespace(NAME);
    let (web, unsigned) = (format!("{registry}/shop/web:1.4"), format!("{registry}/shop/web:1.5"));
    let stored = eventually("the API server calls the sandbox", PATIENCE, || {
        let image = admitted(&inside, &web)?;
        let is_sealed = image.starts_with(&format!("{web}@sha256:"));
        if is_sealed { Ok(image) } else { Err(image) }
    });
    let refused = admitted(&inside, &unsigned).expect_err("nobody signed it");
    assert!(
        refused.contains("\"validate.sandbox.tagseal.dev\" denied") && refused.contains("NotSigned"),
        "{refused}"
    );
    assert_eq!(admitted(&cluster, &unsigned).as_deref(), Ok(&*unsigned), "another namespace");
    let (verifier, policy) = (Verifier::new(&RUN.folder("sandbox-verifier")), folder.join("policy.yaml"));
    let says = |image: &str| {
        let labels = [("kubernetes.io/metadata.name".to_owned(), NAME.to_owned())];
        let manifest = pod("web", image).to_string();
        verifier.asks_of(&manifest, std::slice::from_ref(&policy), NAME, &labels).remove(0)
    };
    assert_eq!(says(&web).is_sealed_as(&stored), Ok(()));
    assert_eq!(says(&unsigned).is_refused("NotSigned"), Ok(()));

    assert_eq!(sandbox.ends(), Some(0));
    assert!(!folder.exists(), "{}", folder.display());
    for object in OBJECTS {
        eventually("the cluster is tidy", PATIENCE, || {
            let found = cluster.kubectl(&["get", object, "--ignore-not-found", "-o", "name"]);
            if found.passed && found.output.is_empty() { Ok(()) } else { Err(found.text()) }
        });
    }
}

/// The image of a pod as it would be stored, or what kubectl says.
fn admitted(cluster: &Cluster, image: &str) -> Result<String, String> {
    let answer = cluster.tries(&pod("web", image));
    if answer.passed { Ok(images(&answer.object()).remove(0)) } else { Err(answer.errors) }
}
