//! [`ReadError`]: why something could not be read from a cluster.

use std::fmt;

use super::super::trouble::chain;
use super::pages::LIMIT;

/// A right as RBAC grants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// `get` or `list`.
    pub verb: &'static str,
    /// As RBAC and kubectl name it: `trustpolicies.tagseal.dev`.
    pub resource: String,
    /// In which namespace; `None`: in the whole cluster.
    pub namespace: Option<String>,
    /// The one object that it is about; `None`: all.
    pub name: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, resource, namespace, name } = self;
        write!(f, "{verb} {resource}")?;
        if let Some(name) = name {
            write!(f, " {name}")?;
        }
        match namespace {
            Some(namespace) => write!(f, " in the namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The caller lacks a right.
    #[error("{said}")]
    Forbidden {
        /// Which one.
        right: Right,
        /// The API server's words.
        said: String,
    },
    /// The API server does not know who asks.
    #[error("{0}")]
    Unauthorized(String),
    /// The API server does not know the resource.
    #[error("the API server does not know {0}")]
    Unknown(String),
    /// There are more objects than are read.
    #[error("there are more than {most} {what}")]
    TooMany {
        /// Of what.
        what: String,
        /// The bound.
        most: usize,
    },
    /// Pages of a list kept expiring before the list was whole.
    #[error("the list of {0} expired before all of its pages were read, {1} times in a row")]
    Expired(String, usize),
    /// No object can have this name.
    #[error("{0:?} cannot be the name of a namespace")]
    NoName(String),
    /// There was no answer, or none that can be read.
    #[error("{right}: {message}")]
    Failed {
        /// What was asked for.
        right: String,
        /// What happened.
        message: String,
    },
}

impl ReadError {
    pub(super) fn of(error: &kube::Error, right: Right) -> Self {
        match error {
            kube::Error::Api(status) => match status.code {
                401 => Self::Unauthorized(status.message.trim().to_owned()),
                403 => Self::Forbidden { right, said: status.message.trim().to_owned() },
                404 => Self::Unknown(right.resource),
                code => Self::failed(&right, format!("{} ({code})", status.message.trim())),
            },
            error => Self::failed(&right, chain(error)),
        }
    }

    pub(super) fn silent(right: &Right) -> Self {
        Self::failed(right, format!("the API server did not answer within {} s", LIMIT.as_secs()))
    }

    pub(super) fn failed(right: &Right, message: String) -> Self {
        Self::Failed { right: right.to_string(), message }
    }
}
