//! Lists the pods of a cluster that have not ended, and the objects that declare pods.

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use kube::api::ApiResource;

use super::after;
use crate::admission::sites::KINDS;
use crate::controller::{ClusterReader, Listed, NOT_ENDED, ReadError};
use crate::gitops::inventory::{Pod, Template, Workload};

/// Kinds are listed so many at once: each has a page of some megabytes in memory meanwhile.
const AT_ONCE: usize = 3;
/// The most objects of a kind that are read. A cluster that has more is an error: nothing is left out silently.
const MOST: usize = 100_000;

// Every row of the table is listed: pods, and eight kinds with a template.
const _: () = assert!(KINDS.len() == 9);

/// What there is.
pub struct Stock {
    pub pods: Vec<Pod>,
    pub templates: Vec<Template>,
    /// A line for each thing that was left out.
    pub left_out: Vec<String>,
}

/// Lists everything; at most `limit` pods.
///
/// # Errors
/// Each kind that could not be listed, and why.
pub async fn list(
    reader: &ClusterReader,
    namespace: Option<&str>,
    limit: u32,
) -> Result<Stock, Vec<ReadError>> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let pods = pods(reader, namespace, most);
    let (pods, templates) = tokio::join!(pods, templates(reader, namespace));
    match (pods, templates) {
        (Ok(pods), Ok(templates)) => {
            let last = pods.items.last().filter(|_| pods.is_cut);
            let left_out = last.map(|pod| after(pod.namespace(), pod.name(), limit));
            Ok(Stock { templates, left_out: left_out.into_iter().collect(), pods: pods.items })
        }
        (pods, templates) => {
            let mut errors: Vec<_> = pods.err().into_iter().collect();
            errors.extend(templates.err().into_iter().flatten());
            Err(errors)
        }
    }
}

async fn pods(
    reader: &ClusterReader,
    namespace: Option<&str>,
    most: usize,
) -> Result<Listed<Pod>, ReadError> {
    reader.list(&resource(0), namespace, Some(NOT_ENDED), most).await
}

async fn templates(reader: &ClusterReader, namespace: Option<&str>) -> Result<Vec<Template>, Vec<ReadError>> {
    type Listing<'a> = BoxFuture<'a, Result<Vec<Template>, ReadError>>;
    // Every row of the table but pods.
    let listings: [Listing<'_>; 8] = [
        of::<1>(reader, namespace).boxed(),
        of::<2>(reader, namespace).boxed(),
        of::<3>(reader, namespace).boxed(),
        of::<4>(reader, namespace).boxed(),
        of::<5>(reader, namespace).boxed(),
        of::<6>(reader, namespace).boxed(),
        of::<7>(reader, namespace).boxed(),
        of::<8>(reader, namespace).boxed(),
    ];
    let listed: Vec<_> = stream::iter(listings).buffered(AT_ONCE).collect().await;
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    for listed in listed {
        match listed {
            Ok(templates) => all.extend(templates),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

async fn of<const ROW: usize>(
    reader: &ClusterReader,
    namespace: Option<&str>,
) -> Result<Vec<Template>, ReadError> {
    let listed = reader.all::<Workload<ROW>>(resource(ROW), namespace, MOST).await?;
    Ok(listed.into_iter().map(Workload::template).collect())
}

/// How the API server names the kind of this row.
fn resource(row: usize) -> ApiResource {
    let (api_version, kind) = KINDS.get(row).map(|row| (row.api_version(), row.kind())).unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_ascii_lowercase()),
        api_version,
    }
}
