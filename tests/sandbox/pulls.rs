//! A pull by digest notices whatever was changed.

use tagseal::digest::Digest;
use tagseal::sandbox::registry::SampleImage;
use tagseal::sandbox::stage::{PullError, Pulled, Stage};

use super::story::options;

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_by_digest_brings_those_bytes_or_says_what_is_wrong() {
    let stage = Stage::start(options()).await.unwrap();
    let image = SampleImage::new("one");
    stage.registry.push("shop/web", "1.4", &image);
    let tagged = stage.repository("shop/web:1.4");
    let sealed = format!("{tagged}@{}", image.digest());
    assert_eq!(stage.pull(&tagged).await, Ok(Pulled { digest: image.digest() }));
    assert_eq!(stage.pull(&sealed).await, Ok(Pulled { digest: image.digest() }));

    let other = SampleImage::new("two");
    stage.registry.push("shop/web", "1.4", &other);
    assert_eq!(
        stage.pull(&tagged).await,
        Ok(Pulled { digest: other.digest() }),
        "a tag is what it names now"
    );
    assert_eq!(stage.pull(&sealed).await, Ok(Pulled { digest: image.digest() }));

    let named = image.layer_digest();
    assert!(stage.registry.corrupt("shop/web", named));
    match stage.pull(&sealed).await {
        Err(PullError::Damaged { what: "layer", named: found, came }) => {
            assert_eq!(found, named);
            assert_ne!(came, named);
        }
        outcome => panic!("{outcome:?}"),
    }
    assert!(stage.registry.corrupt("shop/web", Digest::of(image.config())));
    assert!(matches!(stage.pull(&sealed).await, Err(PullError::Damaged { what: "config", .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_missing() {
    let stage = Stage::start(options()).await.unwrap();
    let nothing = stage.pull(&stage.repository("shop/web:9")).await;
    assert_eq!(nothing, Err(PullError::Missing("9".to_owned())));
    assert!(!stage.registry.corrupt("shop/web", Digest::of(b"x")));
}
