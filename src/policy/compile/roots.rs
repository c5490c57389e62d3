//! What repositories must be rooted in.

use super::super::requirement::{PinnedRoot, Roots};
use super::Errors;
use crate::api::{FirstUse, Root, RootRotation};
use crate::image::ImagePattern;
use crate::tuf::{self, Anchor, CaBundle, KeyId, PublicKey};

/// Compiles the roots of a policy.
pub fn compile(roots: &[Root], rotation: RootRotation, first_use: FirstUse, errors: &mut Errors) -> Roots {
    let first_use = first_use == FirstUse::Trust;
    if roots.is_empty() && !first_use {
        errors.push(
            "spec.roots",
            "name at least one root, or set spec.firstUse of a ClusterTrustPolicy to Trust",
        );
    }
    let mut pinned = Vec::with_capacity(roots.len());
    for (index, root) in roots.iter().enumerate() {
        let field = format!("spec.roots[{index}]");
        let images = images(root, &field, errors);
        if let Some(anchor) = anchor(root, &field, errors) {
            pinned.push(PinnedRoot { anchor, images });
        }
    }
    let rotation = match rotation {
        RootRotation::Follow => tuf::RootRotation::Follow,
        RootRotation::Deny => tuf::RootRotation::Deny,
    };
    Roots::new(pinned, rotation, first_use)
}

fn images(root: &Root, field: &str, errors: &mut Errors) -> Option<Vec<ImagePattern>> {
    let images = root.images.as_ref()?;
    let mut patterns = Vec::with_capacity(images.len());
    for (index, text) in images.iter().enumerate() {
        let field = format!("{field}.images[{index}]");
        match errors.keep(field.clone(), ImagePattern::parse(text)) {
            Some(pattern) if pattern.tag().is_some() => {
                errors.push(field, "a root vouches for repositories, not for tags: leave the tag out");
            }
            Some(pattern) => patterns.push(pattern),
            None => {}
        }
    }
    Some(patterns)
}

fn anchor(root: &Root, field: &str, errors: &mut Errors) -> Option<Anchor> {
    match (&root.key_id, &root.public_key, &root.certificate, &root.ca) {
        (Some(id), None, None, None) => {
            errors.keep(format!("{field}.keyID"), KeyId::from_hex(id)).map(Anchor::KeyId)
        }
        (None, Some(pem), None, None) => {
            let field = format!("{field}.publicKey");
            let key = errors.keep(field.clone(), PublicKey::from_pem(pem))?;
            if key.certificate().is_some() {
                errors.push(field, "this is a certificate, not a public key: write it under certificate");
            }
            Some(Anchor::PublicKey(key))
        }
        (None, None, Some(pem), None) => {
            let field = format!("{field}.certificate");
            let key = errors.keep(field.clone(), PublicKey::from_pem(pem))?;
            if key.certificate().is_none() {
                errors.push(field, "this is a public key, not a certificate: write it under publicKey");
            }
            Some(Anchor::PublicKey(key))
        }
        (None, None, None, Some(pem)) => {
            errors.keep(format!("{field}.ca"), CaBundle::from_pem(pem)).map(Anchor::Ca)
        }
        _ => {
            errors.push(field, "write exactly one of keyID, publicKey, certificate and ca");
            None
        }
    }
}
