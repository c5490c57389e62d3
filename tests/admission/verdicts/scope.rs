//! Which images and namespaces policies cover, and images that cannot be read.

use std::sync::Arc;

use serde_json::json;
use tagseal::policy::UnmatchedImages;

use super::{not_signed, pod, web, world};
use crate::admission::trust::{Trust, WEB};
use crate::admission::world::{Namespaces, World, cluster_policy, labels};

#[tokio::test]
async fn p2_an_image_that_cannot_be_read_is_refused_wherever_a_policy_denies() {
    let hex = "a".repeat(64);
    let images = [
        String::new(),
        " ".to_owned(),
        format!("{WEB}:"),
        format!("{WEB}:{}", "t".repeat(129)),
        format!("{WEB}:1.4@sha512:{}", "a".repeat(128)),
        format!("{WEB}:1.4@sha256:{}", "a".repeat(63)),
        format!("{WEB}:1.4@sha256:{}", "a".repeat(65)),
        format!("{WEB}:1.4@sha256:{}", "A".repeat(64)),
        hex,
        format!(" {WEB}:1.4"),
        format!("{WEB}:1.4\n"),
        format!("{WEB}:1.4\u{0}"),
        format!("{WEB}\u{202e}:1.4"),
        format!("{WEB}:1.4 {WEB}:1.5"),
        format!("https://{WEB}:1.4"),
        "Registry.example.com/Shop/Web".to_owned(),
        "x".repeat(10_000),
    ];
    let (world, trust) = world();
    for image in &images {
        let answer = world.refuses(&pod(&[("web", image)])).await;
        let message = answer.denial();
        assert!(
            message.starts_with("container \"web\": image \"") && message.contains(": InvalidReference: "),
            "{message}"
        );
        assert!(
            message.len() < 3000 && !message.contains(char::is_control) && !message.contains('\u{202e}'),
            "{message}"
        );
        assert_eq!(answer.annotation("reason"), "InvalidReference");
    }
    assert_eq!(trust.asked(), []);

    let lenient = World::new(Trust::new());
    for (unmatched, allowed, warned) in [
        (UnmatchedImages::Allow, true, false),
        (UnmatchedImages::Warn, true, true),
        (UnmatchedImages::Deny, false, false),
    ] {
        lenient.apply(&[], unmatched);
        let answer = lenient.validate(&pod(&[("web", &images[2])])).await;
        assert_eq!((answer.is_allowed(), !answer.warnings().is_empty()), (allowed, warned), "{unmatched:?}");
    }
}

#[tokio::test]
async fn p9_unmatched_images_go_as_the_flag_says() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let policies = [cluster_policy("production", trust.spec(&["targets/releases"], json!({})))];
    let review = pod(&[("other", "ghcr.io/other/image:1")]);
    let text = "container \"other\": image \"ghcr.io/other/image:1\": NoPolicy: no policy matches this image, and such images \
                are refused here; name it in the images of a policy";

    world.apply(&policies, UnmatchedImages::Allow);
    let answer = world.validate(&review).await;
    assert!(answer.is_allowed() && answer.warnings().is_empty());
    assert_eq!(answer.annotation("decision"), "Unmatched");

    world.apply(&policies, UnmatchedImages::Warn);
    assert!(world.mutate(&review).await.warnings().is_empty());
    assert_eq!(
        world.validate(&review).await.warnings(),
        [
            "tagseal: container \"other\": image \"ghcr.io/other/image:1\": NoPolicy: no policy matches this image"
        ]
    );

    world.apply(&policies, UnmatchedImages::Deny);
    assert_eq!(world.refuses(&review).await.denial(), text);
}

#[tokio::test]
async fn a19_a_namespace_that_the_watch_does_not_know_yet_is_read_and_judged_by_its_labels() {
    let trust = Trust::new();
    let namespaces = Namespaces {
        cached: [].into(),
        live: [("shop".to_owned(), labels(&[("env", "production")]))].into(),
    };
    let world = World::with_namespaces(Arc::<Trust>::clone(&trust), Arc::new(namespaces));
    let selector = json!({"namespaceSelector": {"matchLabels": {"env": "production"}}});
    world.apply(
        &[cluster_policy("production", trust.spec(&["targets/releases"], selector))],
        UnmatchedImages::Allow,
    );
    let answer = world.refuses(&pod(&[("web", &web("9.9"))])).await;
    assert!(
        answer.denial().starts_with(&not_signed("container \"web\"", &web("9.9"))),
        "{}",
        answer.denial()
    );
    let elsewhere = world.refuses(&pod(&[("web", &web("9.9"))]).with("namespace", json!("other"))).await;
    assert_eq!(
        elsewhere.denial(),
        format!(
            "container \"web\": image \"{}\": NotSynced: which policies hold is not known: labels of namespace other could not \
             be read: the API server does not answer; try again",
            web("9.9")
        )
    );
}
