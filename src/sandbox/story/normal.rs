//! How it goes when nobody attacks: keys, a repository, signatures, admission; and what is not signed enough.

use super::cast::{CART, Cast, WEB, plain, public, versions, web_1_4, web_1_4_fixed, web_1_5};
use super::event::Step;
use crate::policy::Reason;
use crate::sandbox::stage::StageError;

pub(super) async fn keys(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    for (name, person) in [("alice", &cast.alice), ("qa", &cast.qa)] {
        step.types(name, format!("tagseal trust key generate {name} --trust-dir {name}"));
        let key = cast.stage.generate_key(person, name)?;
        step.shows("key", format!("{}  {name}/private, encrypted; {name}.pub", key.id()));
        step.check(
            format!("{name}'s trust directory has the key"),
            person.keys_of(name)? == [key.id()],
            "it has not",
        );
        cast.signers.push((name, public(&key)));
    }
    step.because(
        "A signature says who vouches for an image. Private keys stay with their owners; only the .pub files travel.",
    );
    Ok(())
}

pub(super) async fn repository(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let repository = cast.repository(WEB);
    step.types("owner", format!("tagseal trust init {repository} --trust-dir owner"));
    for name in ["alice", "qa"] {
        let line = format!("tagseal trust signer add --key {name}.pub {name} {repository} --trust-dir owner");
        step.types("owner", line);
    }
    let published = cast.found(WEB, &["alice", "qa"]).await?;
    cast.root = cast.owner.keys_of("root")?.first().copied();
    let root = cast.root.ok_or_else(|| StageError::Story("no root key was made".to_owned()))?;
    step.shows("root key", format!("{root}  the one thing that a cluster has to be told"));
    step.shows("published", versions(&published));
    step.because(
        "The root key vouches for the repository's key, that one for the signers. The trust server checks every upload, and \
         holds only the keys that say how fresh things are.",
    );
    let is_new = published.first().is_some_and(|published| published.is_new);
    step.check(
        "the repository is made, and the signers are in it",
        is_new && published.len() == 3,
        versions(&published),
    );
    Ok(())
}

pub(super) async fn sign(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let image = cast.image(WEB, "1.4");
    step.types("alice", format!("docker push {image}"));
    let pushed = cast.push(WEB, "1.4", &web_1_4());
    for (name, person) in [("alice", &cast.alice), ("qa", &cast.qa)] {
        step.types(name, format!("tagseal trust sign {image} --trust-dir {name}"));
        let (manifest, published) = cast.stage.sign(person, &image).await?;
        step.shows("signed", format!("{} by {name}: {}", manifest.digest, versions(&[published])));
        step.check(
            format!("{name} signed what was pushed"),
            manifest.digest == pushed,
            format!("{} was signed", manifest.digest),
        );
    }
    step.because(
        "A tag is a name that anybody who may push can move. What is signed is the digest that it names now: these very bytes.",
    );
    Ok(())
}

pub(super) async fn seal(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let root = cast.root.ok_or_else(|| StageError::Story("no root key was made".to_owned()))?;
    step.types("admin", "kubectl apply -f policy.yaml");
    cast.stage.pin(root)?;
    let admitted = cast.attempt(step, &cast.image(WEB, "1.4")).await?;
    step.shows("signed by", admitted.signers.replace('=', " with "));
    step.because(
        "The policy pins the root key and asks for targets/alice and targets/qa. Both list 1.4 with one digest, so the webhook \
         writes it into the pod; the tag stays, for people to read. This was a real AdmissionReview over HTTPS, as an API \
         server sends it, to the mutating hook and then to the validating one.",
    );
    step.must_run(&admitted, web_1_4().digest());
    Ok(())
}

pub(super) async fn unsigned(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let image = cast.image(WEB, "1.5");
    step.types("alice", format!("docker push {image}"));
    cast.push(WEB, "1.5", &web_1_5());
    let admitted = cast.attempt(step, &image).await?;
    step.because("It is in the registry, and that is not enough. Pushing is not signing.");
    step.must_be_refused(&admitted, Reason::NotSigned, &["targets/alice", "targets/qa"]);
    Ok(())
}

pub(super) async fn missing(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (repository, image) = (cast.repository(CART), cast.image(CART, "1.0"));
    step.types(
        "owner",
        format!("tagseal trust signer add --key alice.pub alice {repository} --trust-dir owner"),
    );
    cast.found_quietly(CART, &["alice"]).await?;
    cast.push(CART, "1.0", &plain("cart"));
    step.types("alice", format!("tagseal trust sign {image} --trust-dir alice"));
    cast.stage.sign(&cast.alice, &image).await?;
    let admitted = cast.attempt(step, &image).await?;
    step.because("The policy asks for targets/qa as well, and this repository never delegated to QA.");
    step.must_be_refused(&admitted, Reason::DelegationMissing, &["targets/qa"]);
    Ok(())
}

pub(super) async fn seal_again(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let image = cast.image(WEB, "1.4");
    let digest = cast.push(WEB, "1.4", &web_1_4_fixed());
    cast.push(WEB, "1.5", &web_1_5());
    cast.stage.enforce_earlier()?;
    let admitted = cast.attempt(step, &image).await?;
    step.because("Keys, trust data, policy and floors were kept in the data folder.");
    step.must_run(&admitted, digest);
    Ok(())
}
