//! [`Cast`]: who plays, and what they have: people, repositories, images.

use crate::digest::Digest;
use crate::publish::key::{PrivateKey, PublicForm};
use crate::publish::operation::Operation;
use crate::publish::publisher::Published;
use crate::sandbox::registry::SampleImage;
use crate::sandbox::server::Checkpoint;
use crate::sandbox::stage::{Person, Stage, StageError, pod_review};
use crate::tuf::{Gun, KeyId, RoleName};

/// The shop's web front: two signers.
pub(super) const WEB: &str = "shop/web";
/// Where only one of two signers was added.
pub(super) const CART: &str = "shop/cart";
/// Where a signature is forged.
pub(super) const PAY: &str = "shop/pay";
/// Where Mallory has a root of her own.
pub(super) const GIFT: &str = "shop/gift";
/// Where the server is frozen.
pub(super) const STOCK: &str = "shop/stock";
/// Where one of two keys is stolen.
pub(super) const MAIL: &str = "shop/mail";
/// A tool: one signer.
pub(super) const BACKUP: &str = "tools/backup";

/// Who plays.
pub(super) struct Cast<'s> {
    pub(super) stage: &'s Stage,
    /// Has the root key and the repositories' keys.
    pub(super) owner: Person,
    pub(super) alice: Person,
    pub(super) qa: Person,
    pub(super) mallory: Person,
    /// The public keys of Alice and of QA.
    pub(super) signers: Vec<(&'static str, PublicForm)>,
    /// What the policy pins.
    pub(super) root: Option<KeyId>,
    /// What the trust server had for the web front before it was mended.
    pub(super) yesterday: Option<Checkpoint>,
}

impl<'s> Cast<'s> {
    pub(super) fn new(stage: &'s Stage) -> Result<Self, StageError> {
        Ok(Self {
            stage,
            owner: stage.person("owner")?,
            alice: stage.person("alice")?,
            qa: stage.person("qa")?,
            mallory: stage.person("mallory")?,
            signers: Vec::new(),
            root: None,
            yesterday: None,
        })
    }

    /// The full name of a repository.
    pub(super) fn repository(&self, name: &str) -> String {
        self.stage.repository(name)
    }

    /// The full name of an image.
    pub(super) fn image(&self, name: &str, tag: &str) -> String {
        format!("{}:{tag}", self.repository(name))
    }

    pub(super) fn gun(&self, name: &str) -> Result<Gun, StageError> {
        Gun::new(&self.repository(name)).map_err(|error| StageError::Story(error.to_string()))
    }

    /// Pushes an image; its digest.
    pub(super) fn push(&self, name: &str, tag: &str, image: &SampleImage) -> Digest {
        self.stage.registry.push(name, tag, image);
        image.digest()
    }

    /// `tagseal trust init`, and `tagseal trust signer add` for each of these.
    pub(super) async fn found(&self, name: &str, signers: &[&str]) -> Result<Vec<Published>, StageError> {
        let gun = self.gun(name)?;
        let init = Operation::Init { root_key: None, snapshot_key_is_local: false };
        let mut published = vec![self.stage.publish(&self.owner, &gun, &[init]).await?];
        for (signer, key) in self.signers.iter().filter(|(signer, _)| signers.contains(signer)) {
            let operations = signer_added(signer, key)?;
            published.push(self.stage.publish(&self.owner, &gun, &operations).await?);
        }
        Ok(published)
    }

    /// A repository with these signers, made in one publish: what is no news is not told.
    pub(super) async fn found_quietly(&self, name: &str, signers: &[&str]) -> Result<(), StageError> {
        let mut operations = vec![Operation::Init { root_key: None, snapshot_key_is_local: false }];
        for (signer, key) in self.signers.iter().filter(|(signer, _)| signers.contains(signer)) {
            operations.extend(signer_added(signer, key)?);
        }
        self.stage.publish(&self.owner, &self.gun(name)?, &operations).await?;
        Ok(())
    }

    /// A repository that both signed, with an image under a tag.
    pub(super) async fn signed_by_both(
        &self,
        name: &str,
        tag: &str,
        image: &SampleImage,
    ) -> Result<Digest, StageError> {
        self.found_quietly(name, &["alice", "qa"]).await?;
        let digest = self.push(name, tag, image);
        self.both_sign(name, tag).await?;
        Ok(digest)
    }

    /// Both sign what the tag names.
    pub(super) async fn both_sign(&self, name: &str, tag: &str) -> Result<(), StageError> {
        self.stage.sign(&self.alice, &self.image(name, tag)).await?;
        self.stage.sign(&self.qa, &self.image(name, tag)).await?;
        Ok(())
    }

    /// Puts right what attacks left, and hands the stage over to whoever wants to try something.
    pub(super) fn leave(&self) -> Result<(), StageError> {
        self.stage.clock.reset();
        self.stage.restart_webhook();
        let review = serde_json::to_string_pretty(&pod_review(&self.image(WEB, "1.4")))
            .map_err(|error| StageError::Story(error.to_string()))?;
        self.stage.write("review.json", &review)
    }
}

/// What `tagseal trust signer add` publishes: docker's two roles, for all tags.
pub(super) fn signer_added(signer: &str, key: &PublicForm) -> Result<Vec<Operation>, StageError> {
    let delegate = |name: &str| -> Result<Operation, StageError> {
        Ok(Operation::Delegate {
            role: role(name)?,
            keys: vec![key.clone()],
            threshold: None,
            paths: vec![String::new()],
        })
    };
    Ok(vec![delegate(signer)?, delegate("releases")?])
}

/// `targets/NAME`
pub(super) fn role(name: &str) -> Result<RoleName, StageError> {
    RoleName::parse(&format!("targets/{name}")).map_err(|error| StageError::Story(error.to_string()))
}

pub(super) fn public(key: &PrivateKey) -> PublicForm {
    key.public().clone()
}

/// `targets 2, targets/alice 1`
pub(super) fn versions(published: &[Published]) -> String {
    let roles = published.iter().flat_map(|published| &published.roles);
    roles.map(|(role, version)| format!("{role} {version}")).collect::<Vec<_>>().join(", ")
}

// The images. Their text is all that is in them, so their digests are the same in every sandbox.

pub(super) fn web_1_4() -> SampleImage {
    SampleImage::new("web 1.4\n")
}

pub(super) fn web_1_4_fixed() -> SampleImage {
    SampleImage::new("web 1.4, with the hole mended\n")
}

pub(super) fn web_1_5() -> SampleImage {
    SampleImage::new("web 1.5, which nobody signed yet\n")
}

pub(super) fn evil() -> SampleImage {
    SampleImage::new("something else, by Mallory\n")
}

pub(super) fn plain(name: &str) -> SampleImage {
    SampleImage::new(&format!("{name} 1.0\n"))
}

pub(super) fn fixed(name: &str) -> SampleImage {
    SampleImage::new(&format!("{name} 1.0, with the hole mended\n"))
}
