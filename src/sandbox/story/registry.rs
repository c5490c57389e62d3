//! Attacks by whoever may push to the registry, or runs it.

use super::cast::{Cast, WEB, evil, web_1_4};
use super::event::{Step, shortened};
use crate::sandbox::stage::{PullError, StageError};

pub(super) async fn overwritten(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let image = cast.image(WEB, "1.4");
    let (signed, theirs) = (web_1_4().digest(), evil().digest());
    step.types("mallory", format!("docker push {image}"));
    cast.push(WEB, "1.4", &evil());
    let named = cast.stage.registry.tag(WEB, "1.4");
    step.shows("1.4 names", named.map(|digest| digest.to_string()).unwrap_or_default());
    let admitted = cast.attempt(step, &image).await?;
    step.types("node", format!("ctr image pull {}", shortened(&format!("{image}@{signed}"))));
    let pulled = cast.stage.pull(&format!("{image}@{signed}")).await;
    step.shows(
        "pulled",
        pulled.as_ref().map_or_else(ToString::to_string, |pulled| pulled.digest.to_string()),
    );
    step.because(
        "What a tag names in the registry is not asked. The pod names the signed digest, and a digest cannot be moved.",
    );
    step.check("the tag names Mallory's image", named == Some(theirs), "it does not");
    step.must_run(&admitted, signed);
    let found = format!("{pulled:?}");
    step.check("the pull brings the signed image", pulled.is_ok_and(|pulled| pulled.digest == signed), found);
    Ok(())
}

pub(super) async fn damaged(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let image = cast.image(WEB, "1.4");
    let signed = web_1_4();
    step.does(
        "mallory",
        format!("in the registry's store, flips a bit of {}", shortened(&signed.layer_digest().to_string())),
    );
    let was_there = cast.stage.registry.corrupt(WEB, signed.layer_digest());
    let admitted = cast.attempt(step, &image).await?;
    let sealed = format!("{image}@{}", signed.digest());
    step.types("node", format!("ctr image pull {}", shortened(&sealed)));
    let pulled = cast.stage.pull(&sealed).await;
    step.shows("failed", pulled.as_ref().err().map(ToString::to_string).unwrap_or_default());
    step.because(
        "The signed digest covers the manifest, the manifest's digests cover the layers: a container runtime that pulls by \
         digest notices, and starts nothing.",
    );
    step.must_run(&admitted, signed.digest());
    let is_noticed = matches!(
        &pulled,
        Err(PullError::Damaged { what: "layer", named, .. }) if *named == signed.layer_digest()
    );
    step.check("the pull notices the damaged layer", was_there && is_noticed, format!("{pulled:?}"));
    // Made good again, tag included.
    cast.push(WEB, "1.4", &signed);
    Ok(())
}
