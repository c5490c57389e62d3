//! Ports: those that were asked for, or the usual ones, or any.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::error::StageError;
use super::home::Ports;
use super::{Addresses, StageOptions, interface};

/// Which port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// This one, or any if it is taken.
    Preferably(u16),
    /// This one and no other; 0 is any.
    Exactly(u16),
}

/// Sockets that are taken. They are let go when this is dropped.
pub(super) struct Listeners {
    pub(super) notary: TcpListener,
    pub(super) registry: TcpListener,
    pub(super) webhook: TcpListener,
}

impl Listeners {
    /// Takes the ports. Those of an earlier sandbox in the same folder are part of the names of its images: no others will do.
    pub(super) fn open(options: &StageOptions, earlier: Option<Ports>) -> Result<Self, StageError> {
        let earlier = |of: fn(Ports) -> u16, asked| earlier.map_or(asked, |ports| Port::Exactly(of(ports)));
        let everywhere = options.advertised.is_some();
        let notary = earlier(|ports| ports.notary, options.notary);
        let registry = earlier(|ports| ports.registry, options.registry);
        let webhook = earlier(|ports| ports.webhook, options.webhook);
        Ok(Self {
            notary: listen(Wanted { what: "trust server", option: "--notary-port", port: notary }, false)?,
            registry: listen(Wanted { what: "registry", option: "--registry-port", port: registry }, false)?,
            webhook: listen(Wanted { what: "webhook", option: "--webhook-port", port: webhook }, everywhere)?,
        })
    }

    pub(super) fn addresses(&self) -> Result<Addresses, StageError> {
        let of = |listener: &TcpListener| {
            listener.local_addr().map_err(|error| StageError::Tls(error.to_string()))
        };
        Ok(Addresses {
            notary: of(&self.notary)?,
            registry: of(&self.registry)?,
            webhook: of(&self.webhook)?,
        })
    }
}

struct Wanted {
    what: &'static str,
    option: &'static str,
    port: Port,
}

fn listen(wanted: Wanted, everywhere: bool) -> Result<TcpListener, StageError> {
    let address = |port| SocketAddr::new(interface(everywhere), port);
    let port = match wanted.port {
        Port::Preferably(port) => match TcpListener::bind(address(port)) {
            Ok(listener) => return Ok(listener),
            Err(_) => 0,
        },
        Port::Exactly(port) => port,
    };
    let address = address(port);
    let Wanted { what, option, .. } = wanted;
    TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => StageError::PortInUse { what, address, option },
        _ => StageError::Port { what, address, option, message: error.to_string() },
    })
}

/// Hands a socket over to the runtime.
pub(super) fn bind(listener: TcpListener) -> Result<tokio::net::TcpListener, StageError> {
    listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener))
        .map_err(|error| StageError::Tls(error.to_string()))
}
