//! [`list`]: a list page by page, of which little is kept.

use std::pin::pin;
use std::time::Duration;

use futures::AsyncReadExt as _;
use kube::Client;
use kube::Resource as _;
use kube::api::{ApiResource, DynamicObject, ListParams, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::super::trouble::chain;
use super::error::{ReadError, Right};

/// The longest that one request takes.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// Objects in one page.
const PAGE: usize = 500;
/// The longest page, in bytes. An object has at most 1.5 MiB, so that 500 of the largest do not fit: most have kilobytes.
const LONGEST_PAGE: u64 = 64 * 1024 * 1024;
/// How often a list is begun whose next page the API server has no longer.
const BEGINNINGS: usize = 3;

/// What was listed.
#[derive(Debug)]
pub struct Listed<T> {
    /// The objects, in the API server's order: by namespace and name.
    pub items: Vec<T>,
    /// Whether there are more of them.
    pub is_cut: bool,
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMeta,
    // A list without items is null to Go.
    #[serde(default = "Option::default")]
    items: Option<Vec<T>>,
}

#[derive(Deserialize, Default)]
struct PageMeta {
    #[serde(rename = "continue", default)]
    continuation: Option<String>,
}

/// At most `most` objects. A list whose pages expire (410 Gone: compaction took the version that they are of) begins anew.
pub(super) async fn list<T: DeserializeOwned>(
    client: &Client,
    resource: &ApiResource,
    namespace: Option<&str>,
    fields: Option<&str>,
    most: usize,
) -> Result<Listed<T>, ReadError> {
    let rbac = match resource.group.as_str() {
        "" => resource.plural.clone(),
        group => format!("{}.{group}", resource.plural),
    };
    let right = Right { verb: "list", resource: rbac, namespace: namespace.map(str::to_owned), name: None };
    let request = Request::new(DynamicObject::url_path(resource, namespace));
    for _ in 0..BEGINNINGS {
        let mut listed = Listed { items: Vec::new(), is_cut: false };
        let mut after: Option<String> = None;
        loop {
            let limit = PAGE.min((most - listed.items.len()).max(1));
            let mut params =
                ListParams { field_selector: fields.map(str::to_owned), ..ListParams::default() };
            params = params.limit(u32::try_from(limit).unwrap_or(u32::MAX));
            params.continue_token = after.take();
            let is_first = params.continue_token.is_none();
            let page = match timeout(LIMIT, page::<T>(client, &request, &params, &right)).await {
                Ok(Ok(page)) => page,
                Ok(Err(Gone::Expired)) if !is_first => break,
                Ok(Err(Gone::Expired)) => return Err(ReadError::Expired(right.resource, 1)),
                Ok(Err(Gone::No(error))) => return Err(error),
                Err(_) => return Err(ReadError::silent(&right)),
            };
            after = page.metadata.continuation.filter(|token| !token.is_empty());
            listed.items.extend(page.items.into_iter().flatten());
            // A server that pays no heed to the limit is not believed to have shown all.
            if listed.items.len() > most || (listed.items.len() == most && after.is_some()) {
                listed.items.truncate(most);
                listed.is_cut = true;
                return Ok(listed);
            }
            if after.is_none() {
                return Ok(listed);
            }
        }
    }
    Err(ReadError::Expired(right.resource, BEGINNINGS))
}

/// Why there is no page.
enum Gone {
    Expired,
    No(ReadError),
}

async fn page<T: DeserializeOwned>(
    client: &Client,
    request: &Request,
    params: &ListParams,
    right: &Right,
) -> Result<Page<T>, Gone> {
    let failed = |message: String| Gone::No(ReadError::failed(right, message));
    let request = request.list(params).map_err(|error| failed(chain(&error)))?;
    let stream = client.request_stream(request).await.map_err(|error| match &error {
        kube::Error::Api(status) if status.code == 410 => Gone::Expired,
        error => Gone::No(ReadError::of(error, right.clone())),
    })?;
    let mut bytes = Vec::new();
    let read = pin!(stream.take(LONGEST_PAGE)).read_to_end(&mut bytes).await;
    read.map_err(|error| failed(chain(&error)))?;
    if bytes.len() as u64 == LONGEST_PAGE {
        return Err(failed(format!("a page has more than {} MiB", LONGEST_PAGE >> 20)));
    }
    serde_json::from_slice(&bytes).map_err(|error| failed(format!("no list: {error}")))
}
