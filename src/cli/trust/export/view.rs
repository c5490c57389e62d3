//! What is exported, as JSON. The names are an interface: see `docs/cli.md`.

use serde::Serialize;

use crate::cli::trust::accepted::{Accepted, Listing};

/// One repository.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    repository: String,
    server: String,
    images: Vec<Image>,
    left_out: Vec<LeftOut>,
}

/// That a role lists a tag.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    tag: String,
    digest: String,
    length: u64,
    role: String,
    #[serde(rename = "keyIDs")]
    key_ids: Vec<String>,
    signed_by: Vec<String>,
    expires: String,
}

/// A tag that is signed and not accepted.
#[derive(Debug, Serialize)]
struct LeftOut {
    tag: String,
    message: String,
}

impl View {
    pub(super) fn of(found: &Accepted) -> Self {
        let left_out = |(tag, why): &(String, String)| LeftOut { tag: tag.clone(), message: why.clone() };
        Self {
            repository: found.repository.gun().to_string(),
            server: found.server.clone(),
            images: found.listings.iter().map(Image::of).collect(),
            left_out: found.refused.iter().map(left_out).collect(),
        }
    }
}

impl Image {
    fn of(listing: &Listing) -> Self {
        Self {
            tag: listing.tag.clone(),
            digest: listing.digest.to_string(),
            length: listing.length,
            role: listing.role.to_string(),
            key_ids: listing.key_ids.iter().map(ToString::to_string).collect(),
            signed_by: listing.signed_by.iter().map(ToString::to_string).collect(),
            expires: listing.expires.to_string(),
        }
    }
}
