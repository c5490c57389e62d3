//! [`Note`]: what tagseal itself adds to a repository on disk: when it was vouched for, and who may read it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::source::{ImageName, PodIdentity, Requester, Who};
use crate::tuf::Gun;

const FORMAT: u32 = 1;

/// When the server last vouched for the set, and whose grants it honoured. Holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) vouched: Timestamp,
    pub(crate) grants: Vec<(Requester, Timestamp)>,
    /// Whether trust state that lasts had a record of the repository then. If there is none now, it was deleted.
    pub(crate) recorded: bool,
    /// Which record that was. If there is another one now, it was deleted likewise.
    pub(crate) record: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    vouched: Timestamp,
    grants: Vec<GrantEntry>,
    #[serde(default)]
    recorded: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantEntry {
    registry: String,
    /// Absent in what an older tagseal wrote, which looked for credentials by the name that the image was signed under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    token_realms: Vec<String>,
    at: Timestamp,
    #[serde(flatten)]
    who: WhoEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "who")]
enum WhoEntry {
    Anybody,
    Policy { namespace: String, name: String },
    Pod { namespace: String, service_account: String, pull_secrets: Vec<String> },
}

impl Note {
    /// `None` where it cannot be read: nobody knows how old the set is then.
    pub(super) fn read(bytes: &[u8], gun: &Gun) -> Option<Self> {
        let document: Document = serde_json::from_slice(bytes).ok()?;
        let grants = document.grants;
        let grants = grants.into_iter().map(|entry| {
            let who = match entry.who {
                WhoEntry::Anybody => Who::Anybody,
                WhoEntry::Policy { namespace, name } => Who::Policy { namespace, name },
                WhoEntry::Pod { namespace, service_account, pull_secrets } => {
                    Who::Pod(PodIdentity { namespace, service_account, pull_secrets })
                }
            };
            let repository = match (entry.repository, &who) {
                (Some(repository), _) => repository,
                (None, Who::Anybody) => String::new(),
                (None, _) => ImageName::of(gun).repository.to_owned(),
            };
            let GrantEntry { registry, token_realms, at, .. } = entry;
            (Requester { who, registry, repository, token_realms }, at)
        });
        let Document { format, vouched, recorded, record, .. } = document;
        (format == FORMAT).then(|| Self { vouched, grants: grants.collect(), recorded, record })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let grants = self.grants.iter().map(|(requester, at)| {
            let who = match requester.who.clone() {
                Who::Anybody => WhoEntry::Anybody,
                Who::Policy { namespace, name } => WhoEntry::Policy { namespace, name },
                Who::Pod(PodIdentity { namespace, service_account, pull_secrets }) => {
                    WhoEntry::Pod { namespace, service_account, pull_secrets }
                }
            };
            let (registry, token_realms) = (requester.registry.clone(), requester.token_realms.clone());
            GrantEntry {
                registry,
                repository: Some(requester.repository.clone()),
                token_realms,
                at: *at,
                who,
            }
        });
        let document = Document {
            format: FORMAT,
            vouched: self.vouched,
            grants: grants.collect(),
            recorded: self.recorded,
            record: self.record.clone(),
        };
        // Strings, integers and lists alone: it cannot fail.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}
