//! [`Audience`]: for whom a message is, and so where they wrote what it is about.

use crate::image::DOCKER_HUB;

/// Who is told what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience<'a> {
    /// An admin, about the trust server of a policy.
    Policy,
    /// Who named a trust server at a command line.
    CommandLine {
        /// Whose credentials are shown.
        registry: &'a str,
    },
    /// A publisher at a command line, about a registry.
    Puller {
        /// Which.
        registry: &'a str,
    },
}

impl Audience<'_> {
    /// Where the address stands.
    pub(super) fn address(self) -> &'static str {
        match self {
            Self::Policy => "spec.notary.server",
            Self::CommandLine { .. } => "--server",
            Self::Puller { .. } => "the image's name",
        }
    }

    /// Where the authorities stand that may vouch for a connection.
    pub(super) fn authorities(self) -> &'static str {
        match self {
            Self::Policy => "spec.notary.caBundle",
            Self::CommandLine { .. } | Self::Puller { .. } => "--ca-bundle",
        }
    }

    /// Where the address of a token realm stands.
    pub(super) fn realm(self) -> &'static str {
        match self {
            Self::Policy | Self::CommandLine { .. } => "the realm in the trust server's auth configuration",
            Self::Puller { .. } => "the realm in the registry's auth configuration",
        }
    }

    /// What the address is one of.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Policy | Self::CommandLine { .. } => "a Notary server",
            Self::Puller { .. } => "a registry",
        }
    }

    /// Whose authentication is meant.
    pub(super) fn party(self) -> &'static str {
        match self {
            Self::Policy | Self::CommandLine { .. } => "the trust server",
            Self::Puller { .. } => "the registry",
        }
    }

    /// How credentials are given.
    pub(super) fn give_credentials(self) -> String {
        match self {
            Self::Policy => "set spec.notary.credentials".to_owned(),
            // Docker Hub is what docker takes where no registry is named.
            Self::CommandLine { registry: DOCKER_HUB } | Self::Puller { registry: DOCKER_HUB } => {
                "run `docker login`".to_owned()
            }
            Self::CommandLine { registry } | Self::Puller { registry } => {
                format!("run `docker login {registry}`")
            }
        }
    }

    /// What helps where a server wants to be left alone for longer than there is time.
    pub(super) fn wait(self) -> &'static str {
        match self {
            Self::Policy => "check its limits",
            Self::CommandLine { .. } | Self::Puller { .. } => {
                "run the command again then, wait for longer with --timeout, or have its limits raised"
            }
        }
    }

    /// How a client certificate is given.
    pub(super) fn give_certificate(self) -> &'static str {
        match self {
            Self::Policy => "name a secret with one that it takes in spec.notary.clientCertificate",
            Self::CommandLine { .. } => {
                "name one that it takes with --client-cert and --client-key, or put it where docker has it \
                 (tls/HOST/client.cert and client.key in its configuration folder)"
            }
            Self::Puller { .. } => {
                "put one that it takes where docker has it (/etc/docker/certs.d/HOST/client.cert and client.key)"
            }
        }
    }

    /// How a token realm on `host` is allowed to see them.
    pub(super) fn list_realm(self, host: &str) -> String {
        match self {
            Self::Policy => format!("add {host} to spec.notary.tokenRealms if it may see them"),
            Self::CommandLine { .. } | Self::Puller { .. } => {
                format!("name it with --token-realm {host} if it may see them")
            }
        }
    }
}
