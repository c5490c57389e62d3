//! A stolen key, what it can do and what it cannot, and how keys are replaced.

use super::cast::{BACKUP, Cast, MAIL, evil, plain, public, role, versions};
use super::event::Step;
use crate::policy::Reason;
use crate::publish::operation::{Operation, SigningRoles};
use crate::publish::publisher::PublishError;
use crate::sandbox::stage::StageError;
use crate::tuf::KeyId;

pub(super) async fn one_of_two(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let image = cast.image(MAIL, "1.0");
    cast.signed_by_both(MAIL, "1.0", &plain("mail")).await?;
    let key = alices_key(cast)?;
    step.does("mallory", "copies Alice's key from her laptop, and reads the passphrase off a note");
    cast.mallory.steal(key, &cast.alice)?;
    sign_as_mallory(cast, step, MAIL).await?;
    let admitted = cast.attempt(step, &image).await?;
    step.because(
        "targets/alice says one digest now, targets/qa another. Both have to agree, so neither runs.",
    );
    step.must_be_refused(&admitted, Reason::ConflictingDigests, &[]);
    Ok(())
}

pub(super) async fn stolen(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (good, theirs) = (cast.image(BACKUP, "1.0"), cast.image(BACKUP, "2.0"));
    cast.found_quietly(BACKUP, &["alice"]).await?;
    let signed = cast.push(BACKUP, "1.0", &plain("backup"));
    cast.stage.sign(&cast.alice, &good).await?;
    let before = cast.stage.admit(&good).await?;
    let evil = cast.push(BACKUP, "2.0", &evil());
    step.types("mallory", format!("docker push {theirs}"));
    step.types("mallory", format!("tagseal trust sign {theirs} --trust-dir mallory"));
    cast.stage.sign(&cast.mallory, &theirs).await?;
    let admitted = cast.attempt(step, &theirs).await?;
    step.because(
        "The policy for tools/** asks for targets/alice alone, and this is her key: nobody can tell. Ask for two signers where \
         it matters, and when a key is lost, replace it at once.",
    );
    step.must_run(&before, signed);
    step.must_run(&admitted, evil);
    Ok(())
}

pub(super) async fn rotated(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (repository, theirs, gun) = (cast.repository(BACKUP), cast.image(BACKUP, "2.0"), cast.gun(BACKUP)?);
    let old = alices_key(cast)?;
    step.types("alice", "tagseal trust key generate alice-2 --trust-dir alice");
    let new = cast.stage.generate_key(&cast.alice, "alice-2")?;
    step.types(
        "owner",
        format!(
            "tagseal trust rotate delegation targets/alice {repository} --key alice-2.pub --trust-dir owner"
        ),
    );
    let mut operations = Vec::new();
    for name in ["alice", "releases"] {
        operations.extend([
            Operation::Delegate {
                role: role(name)?,
                keys: vec![public(&new)],
                threshold: None,
                paths: Vec::new(),
            },
            Operation::Restrict { role: role(name)?, keys: vec![old], paths: Vec::new() },
        ]);
    }
    let published = cast.stage.publish(&cast.owner, &gun, &operations).await?;
    step.shows("published", versions(&[published]));
    let admitted = cast.attempt(step, &theirs).await?;
    step.types("mallory", format!("tagseal trust sign {theirs} --trust-dir mallory"));
    let again = cast.stage.sign(&cast.mallory, &theirs).await;
    step.shows("mallory", again.as_ref().err().map(ToString::to_string).unwrap_or_default());
    step.because(
        "Whatever the old key signed counts for nothing from the next look on, a few seconds away; the policy did not have to \
         change. And she can sign no more.",
    );
    step.must_be_refused(&admitted, Reason::DelegationUnusable, &["targets/alice"]);
    let is_locked_out = matches!(again, Err(StageError::Publish(PublishError::NoSignableRole { .. })));
    step.check("Mallory can sign no more", is_locked_out, "she can");
    Ok(())
}

pub(super) async fn recovered(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (repository, gun) = (cast.repository(BACKUP), cast.gun(BACKUP)?);
    let (good, theirs) = (cast.image(BACKUP, "1.0"), cast.image(BACKUP, "2.0"));
    step.types("alice", format!("tagseal trust inspect {repository}          # 1.0 is hers, 2.0 is not"));
    step.types(
        "alice",
        format!("tagseal trust witness targets/alice targets/releases {repository} --yes --trust-dir alice"),
    );
    let roles = vec![role("alice")?, role("releases")?];
    cast.stage.witness(&cast.alice, &gun, roles).await?;
    step.types("alice", format!("tagseal trust revoke {theirs} --trust-dir alice"));
    let revoke = Operation::RemoveTarget { roles: SigningRoles::Docker, name: Some("2.0".to_owned()) };
    let published = cast.stage.publish(&cast.alice, &gun, &[revoke]).await?;
    step.shows("published", versions(&[published]));
    let kept = cast.attempt(step, &good).await?;
    let revoked = cast.attempt(step, &theirs).await?;
    step.because("The role counts again, with the new key's signature, and without what she takes back.");
    step.must_run(&kept, plain("backup").digest());
    step.must_be_refused(&revoked, Reason::NotSigned, &["targets/alice"]);
    Ok(())
}

pub(super) async fn root(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (repository, image, gun) = (cast.repository(BACKUP), cast.image(BACKUP, "1.0"), cast.gun(BACKUP)?);
    step.types("owner", format!("tagseal trust rotate root {repository} --trust-dir owner"));
    let published = cast.stage.publish(&cast.owner, &gun, &[Operation::RotateRoot { new_key: None }]).await?;
    step.shows("published", versions(std::slice::from_ref(&published)));
    let new = published.new_keys.iter().find(|(role, _)| role == "root").map(|(_, id)| *id);
    step.shows("root key", new.map(|id| id.to_string()).unwrap_or_default());
    let admitted = cast.attempt(step, &image).await?;
    step.because(
        "The new root is signed by the old key as well, so whoever pinned the old one can follow (rootRotation: Follow). \
         Mallory's own root had no such signature.",
    );
    let is_new = new.is_some() && new != cast.root;
    step.check("there is a new root key", is_new, "there is none");
    step.must_run(&admitted, plain("backup").digest());
    Ok(())
}

/// Mallory signs another image, with whatever keys she has.
async fn sign_as_mallory(cast: &Cast<'_>, step: &mut Step, name: &str) -> Result<(), StageError> {
    let image = cast.image(name, "1.0");
    cast.push(name, "1.0", &evil());
    step.types("mallory", format!("docker push {image}"));
    step.types("mallory", format!("tagseal trust sign {image} --trust-dir mallory"));
    cast.stage.sign(&cast.mallory, &image).await?;
    Ok(())
}

fn alices_key(cast: &Cast<'_>) -> Result<KeyId, StageError> {
    let keys = cast.alice.keys_of("alice")?;
    keys.first().copied().ok_or_else(|| StageError::Story("Alice has no key".to_owned()))
}
