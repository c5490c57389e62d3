//! [`ClusterPods`]: the images of the cluster's pods, listed page by page when a policy's change may leave some uncovered.
//!
//! Listed and not watched: that happens seldom, and tens of thousands of pods would be held in memory for it. A page is
//! asked for with a limit, so not out of the API server's watch cache (`resourceVersion=0` has it ignore the limit, and
//! answer with every pod at once).

use std::borrow::Cow;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Request};
use kube::{Client, Resource as _};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::trouble::chain;
use crate::policy::{ListFuture, LiveError, Running, RunningImages};

/// Pods in one page: a few megabytes of JSON, of which little is kept.
const PAGE: u32 = 250;
/// The longest page, in bytes; one that is longer is not read to its end.
const LONGEST_PAGE: u64 = 32 * 1024 * 1024;
/// Selects pods that have not ended: others run nothing.
pub const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Lists the pods of the cluster.
#[derive(Clone)]
pub struct ClusterPods {
    client: Client,
    /// One list at a time, for the sake of memory. Whoever waits does so within its own time.
    turn: Arc<Mutex<()>>,
}

impl fmt::Debug for ClusterPods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterPods")
    }
}

impl ClusterPods {
    /// Lists through `client`.
    pub fn new(client: Client) -> Self {
        Self { client, turn: Arc::default() }
    }

    async fn page(&self, request: &Request, after: Option<&str>) -> Result<Vec<u8>, LiveError> {
        let mut params = ListParams::default().fields(NOT_ENDED).limit(PAGE);
        params.continue_token = after.map(str::to_owned);
        let request = request.list(&params).map_err(|error| trouble(&chain(&error)))?;
        let stream = self.client.request_stream(request).await.map_err(|error| failure(&error))?;
        let mut page = Vec::new();
        let read = pin!(stream.take(LONGEST_PAGE)).read_to_end(&mut page).await;
        read.map_err(|error| trouble(&chain(&error)))?;
        Ok(page)
    }
}

impl RunningImages for ClusterPods {
    fn list<'a>(&'a self, namespace: Option<&'a str>, found: &'a mut Running) -> ListFuture<'a> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let request = Request::new(Pod::url_path(&(), namespace));
            let mut after: Option<String> = None;
            loop {
                let page = self.page(&request, after.as_deref()).await?;
                let list: PodList<'_> = serde_json::from_slice(&page)
                    .map_err(|error| trouble(&format!("no list of pods: {error}")))?;
                list.add_to(found);
                after = list.metadata.continuation.filter(|token| !token.is_empty());
                if after.is_none() || found.is_cut() {
                    return Ok(());
                }
            }
        })
    }
}

fn failure(error: &kube::Error) -> LiveError {
    match error {
        kube::Error::Api(status) if status.code == 403 => LiveError {
            message: format!("{}; let tagseal's ServiceAccount list pods", status.message),
            is_answer: true,
        },
        kube::Error::Api(status) => trouble(&format!("{} ({})", status.message, status.code)),
        error => trouble(&chain(error)),
    }
}

fn trouble(message: &str) -> LiveError {
    LiveError { message: message.to_owned(), is_answer: false }
}

/// Of a list of pods, the fields that hold images (design §3); everything else is skipped.
#[derive(Debug, Deserialize)]
struct PodList<'a> {
    metadata: ListMeta,
    #[serde(borrow, default)]
    items: Option<Vec<PodImages<'a>>>,
}

#[derive(Debug, Deserialize)]
struct ListMeta {
    #[serde(rename = "continue", default)]
    continuation: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PodImages<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Spec<'a>,
}

#[derive(Debug, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    namespace: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow, default)]
    init_containers: Option<Vec<Container<'a>>>,
    #[serde(borrow, default)]
    containers: Option<Vec<Container<'a>>>,
    #[serde(borrow, default)]
    ephemeral_containers: Option<Vec<Container<'a>>>,
    #[serde(borrow, default)]
    volumes: Option<Vec<Volume<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Container<'a> {
    #[serde(borrow, default)]
    image: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct Volume<'a> {
    #[serde(borrow, default)]
    image: Option<ImageVolume<'a>>,
}

#[derive(Debug, Deserialize)]
struct ImageVolume<'a> {
    #[serde(borrow, default)]
    reference: Cow<'a, str>,
}

impl PodList<'_> {
    fn add_to(&self, found: &mut Running) {
        for PodImages { metadata, spec } in self.items.iter().flatten() {
            let containers = [&spec.init_containers, &spec.containers, &spec.ephemeral_containers];
            let of_containers = containers.into_iter().flatten().flatten().map(|container| &container.image);
            let of_volumes =
                spec.volumes.iter().flatten().filter_map(|volume| Some(&volume.image.as_ref()?.reference));
            for image in of_containers.chain(of_volumes) {
                found.add(&metadata.namespace, image);
            }
        }
    }
}
