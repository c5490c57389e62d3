//! [`Exemption`]: images that policies do not judge. It loosens, so it holds only where all of it is sure.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::PolicyId;

/// A list of a pod spec that holds images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ImageSite {
    /// `initContainers`
    InitContainers,
    /// `containers`
    Containers,
    /// `ephemeralContainers`
    EphemeralContainers,
    /// `volumes`
    Volumes,
}

impl ImageSite {
    /// Every list.
    pub const ALL: [Self; 4] =
        [Self::InitContainers, Self::Containers, Self::EphemeralContainers, Self::Volumes];

    /// The list's field in a pod spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InitContainers => "initContainers",
            Self::Containers => "containers",
            Self::EphemeralContainers => "ephemeralContainers",
            Self::Volumes => "volumes",
        }
    }
}

/// What an exemption that works says, but for the images and namespaces that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// The name of the `TrustExemption`.
    pub name: String,
    /// Why it is there.
    pub reason: String,
    /// When it ends; `None` where it has no end.
    pub until: Option<Timestamp>,
    /// The lists of a pod spec in which it holds; `None`: all.
    pub sites: Option<BTreeSet<ImageSite>>,
    /// The policies that do not judge; `None`: all.
    pub policies: Option<BTreeSet<PolicyId>>,
}

impl Exemption {
    /// Whether it has not ended. At the very moment of `until` it has.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it holds for an image at `site`.
    pub fn is_for(&self, site: ImageSite) -> bool {
        self.sites.as_ref().is_none_or(|sites| sites.contains(&site))
    }

    /// Whether it exempts from the policy `id`.
    pub fn exempts_from(&self, id: &PolicyId) -> bool {
        self.policies.as_ref().is_none_or(|policies| policies.contains(id))
    }
}

/// As the log has it: `debug (until 2026-12-04T17:00:00Z): debug containers`.
impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(until) = self.until {
            write!(f, " (until {until})")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Exemptions in the order of their names.
pub type Exemptions = Vec<Arc<Exemption>>;
