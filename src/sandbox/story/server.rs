//! Attacks by whoever runs the trust server, or stands in its place: everything but the signers' keys is hers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::cast::{
    Cast, GIFT, PAY, STOCK, WEB, evil, fixed, plain, public, role, signer_added, web_1_4_fixed,
};
use super::event::{Step, shortened};
use crate::digest::Digest;
use crate::policy::Reason;
use crate::publish::operation::Operation;
use crate::sandbox::server::Checkpoint;
use crate::sandbox::stage::StageError;
use crate::tuf::RoleName;

/// A server's timestamps are valid for 14 days.
const PAST_THE_TIMESTAMP: SignedDuration = SignedDuration::from_hours(15 * 24);

pub(super) async fn forged(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (image, gun) = (cast.image(PAY, "1.0"), cast.gun(PAY)?);
    let signed = cast.signed_by_both(PAY, "1.0", &plain("pay")).await?;
    let before = cast.attempt(step, &image).await?;
    let qa = role("qa")?;
    let theirs = cast.push(PAY, "1.0", &evil());
    let file = cast.stage.server.checkpoint(&gun).current(&qa);
    let forged = file.as_deref().and_then(|file| with_target(file, "1.0", theirs));
    let forged = forged.ok_or_else(|| StageError::Story("there is nothing to forge".to_owned()))?;
    step.does(
        "mallory",
        format!(
            "writes {} into {qa}, and has the server sign snapshot and timestamp",
            shortened(&theirs.to_string())
        ),
    );
    cast.stage
        .server
        .smuggle(&gun, [(qa.clone(), forged)])
        .map_err(|error| StageError::Server(error.to_string()))?;
    let after = cast.attempt(step, &image).await?;
    step.because(
        "The server's own keys say only which files are current. Who signed a role is said by the owner, and Mallory has none \
         of those keys. The role is refused whole: tagseal never falls back to another one that lists the tag.",
    );
    step.must_run(&before, signed);
    step.must_be_refused(
        &after,
        Reason::DelegationUnusable,
        &["targets/qa", Reason::InvalidSignature.as_str()],
    );
    Ok(())
}

/// A targets file with another digest for a tag, one version on, under the signatures that it had.
fn with_target(file: &[u8], name: &str, digest: Digest) -> Option<Bytes> {
    let mut file: Value = serde_json::from_slice(file).ok()?;
    let signed = file.get_mut("signed")?;
    let version = signed.get("version")?.as_u64()?;
    *signed.get_mut("version")? = json!(version + 1);
    let target = signed.get_mut("targets")?.get_mut(name)?;
    *target.get_mut("hashes")? = json!({"sha256": STANDARD.encode(digest.as_bytes())});
    Some(file.to_string().into())
}

pub(super) async fn usurped(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (repository, image, gun) = (cast.repository(GIFT), cast.image(GIFT, "1.0"), cast.gun(GIFT)?);
    step.types("mallory", "tagseal trust key generate mallory --trust-dir mallory");
    let key = public(&cast.stage.generate_key(&cast.mallory, "mallory")?);
    cast.push(GIFT, "1.0", &evil());
    step.types("mallory", format!("tagseal trust init {repository} --trust-dir mallory"));
    let mut operations = vec![Operation::Init { root_key: None, snapshot_key_is_local: false }];
    for name in ["alice", "qa"] {
        let line =
            format!("tagseal trust signer add --key mallory.pub {name} {repository} --trust-dir mallory");
        step.types("mallory", line);
        operations.extend(signer_added(name, &key)?);
    }
    cast.stage.publish(&cast.mallory, &gun, &operations).await?;
    step.types("mallory", format!("tagseal trust sign {image} --trust-dir mallory"));
    cast.stage.sign(&cast.mallory, &image).await?;
    let admitted = cast.attempt(step, &image).await?;
    step.because(
        "Roles of the right names, all properly signed, on the right server, and none of it leads to the root key that the \
         policy pins. Docker's client would have trusted it: it believes the first root that it sees.",
    );
    step.must_be_refused(&admitted, Reason::RootMismatch, &[]);
    Ok(())
}

pub(super) async fn rolled_back(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (image, gun) = (cast.image(WEB, "1.4"), cast.gun(WEB)?);
    let old = cast.stage.server.checkpoint(&gun);
    let mended = cast.push(WEB, "1.4", &web_1_4_fixed());
    step.types("alice", format!("docker push {image}"));
    for name in ["alice", "qa"] {
        step.types(name, format!("tagseal trust sign {image} --trust-dir {name}"));
    }
    cast.both_sign(WEB, "1.4").await?;
    let new = cast.attempt(step, &image).await?;
    step.does("mallory", "restores yesterday's files on the trust server: properly signed, and not expired");
    let newest = cast.stage.server.checkpoint(&gun);
    restore(cast, &old)?;
    let admitted = cast.attempt(step, &image).await;
    restore(cast, &newest)?;
    cast.yesterday = Some(old);
    let admitted = admitted?;
    step.because(
        "The webhook has seen newer versions, and never goes back. A server that is at fault does not stop the cluster either: \
         what was verified before goes on serving, and the user is told.",
    );
    step.must_run(&new, mended);
    step.must_run(&admitted, mended);
    step.must_warn(&admitted, Reason::Rollback.as_str());
    Ok(())
}

pub(super) async fn restarted(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (image, gun) = (cast.image(WEB, "1.4"), cast.gun(WEB)?);
    let newest = cast.stage.server.checkpoint(&gun);
    step.does("mallory", "restores yesterday's files again, and waits for the webhook to forget");
    let old =
        cast.yesterday.take().ok_or_else(|| StageError::Story("nobody remembers yesterday".to_owned()))?;
    restore(cast, &old)?;
    step.types("admin", "kubectl rollout restart deployment/tagseal");
    cast.stage.restart_webhook();
    let admitted = cast.attempt(step, &image).await;
    restore(cast, &newest)?;
    let admitted = admitted?;
    step.because(
        "Memory is gone and there is no older data to serve, but the floors, the newest version of every role, survive \
         restarts. So it is refused, with the true reason, until the server shows what is current.",
    );
    step.must_be_refused(&admitted, Reason::Rollback, &[]);
    Ok(())
}

pub(super) async fn frozen(cast: &mut Cast<'_>, step: &mut Step) -> Result<(), StageError> {
    let (image, gun) = (cast.image(STOCK, "1.0"), cast.gun(STOCK)?);
    let signed = cast.signed_by_both(STOCK, "1.0", &plain("stock")).await?;
    let timestamp = cast.stage.server.checkpoint(&gun).current(&RoleName::timestamp());
    cast.push(STOCK, "1.0", &fixed("stock"));
    step.types("alice", format!("docker push {image}"));
    for name in ["alice", "qa"] {
        step.types(name, format!("tagseal trust sign {image} --trust-dir {name}"));
    }
    cast.both_sign(STOCK, "1.0").await?;
    step.does("mallory", "goes on serving the timestamp from before");
    cast.stage.server.overrule(&gun, "timestamp.json", timestamp);
    let early = cast.attempt(step, &image).await?;
    step.does("time", "passes: 15 days");
    cast.stage.clock.advance(PAST_THE_TIMESTAMP);
    let late = cast.attempt(step, &image).await;
    cast.stage.clock.advance(-PAST_THE_TIMESTAMP);
    cast.stage.server.lift_overrules(&gun);
    let late = late?;
    step.because(
        "Old and properly signed cannot be told from new before it expires: that is what timestamps are for, and why they live \
         only 14 days. Then nothing of it is believed any more. The policy's maxStaleness bounds in the same way how long a \
         silent server is put up with.",
    );
    step.must_run(&early, signed);
    step.must_be_refused(&late, Reason::Expired, &["timestamp"]);
    Ok(())
}

fn restore(cast: &Cast<'_>, checkpoint: &Checkpoint) -> Result<(), StageError> {
    cast.stage.server.restore(checkpoint).map_err(|error| StageError::Server(error.to_string()))
}
