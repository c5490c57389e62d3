//! Registry hosts: every spelling of one registry becomes one name (design §2 "Images and patterns").

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The registry of names that name none.
pub const DOCKER_HUB: &str = "docker.io";

/// Every host name of Docker Hub's registry: the one table of the whole program. The first is the normalised one.
pub const DOCKER_HUB_HOSTS: [&str; 4] =
    [DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// The longest host name (RFC 1035).
const MAX_HOST_LEN: usize = 253;

/// Why a string is not a registry host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostError {
    /// The host itself.
    Host,
    /// The port.
    Port,
}

/// Whether `host`, however it is spelt, is one of Docker Hub's.
pub fn is_docker_hub(host: &str) -> bool {
    normalise(host).is_ok_and(|name| name == DOCKER_HUB)
}

/// Whether the first component of a name is a registry: docker's rule. Anything else is a repository of Docker Hub.
pub fn is_registry(component: &str) -> bool {
    component == "localhost" || component.bytes().any(|b| matches!(b, b'.' | b':' | b'A'..=b'Z'))
}

/// The one name of a registry, borrowed where it is what was written or Docker Hub's: lower case, without trailing
/// dot, `:443` and leading zeros of its port, an IPv6 address in its shortest form, [`DOCKER_HUB_HOSTS`] as `docker.io`.
///
/// A host that without `:443` would read as a repository of Docker Hub (`Registry`, `registry:443`) keeps it.
///
/// # Errors
/// [`HostError`] for what distribution's reference grammar does not take as a host either.
pub fn normalise(registry: &str) -> Result<Cow<'_, str>, HostError> {
    let (host, port) = split_port(registry)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => ipv6(rest.strip_suffix(']').ok_or(HostError::Host)?)?,
        None => domain(host)?,
    };
    let port = port.map(parse_port).transpose()?.filter(|port| *port != 443);
    Ok(match port {
        None if DOCKER_HUB_HOSTS.contains(&&*host) => DOCKER_HUB.into(),
        None if !is_registry(&host) => format!("{host}:443").into(),
        None => host,
        Some(port) => format!("{host}:{port}").into(),
    })
}

fn split_port(registry: &str) -> Result<(&str, Option<&str>), HostError> {
    if let Some(end) = registry.strip_prefix('[').and_then(|rest| rest.find(']')) {
        let (host, rest) = registry.split_at(end + 2);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(HostError::Host),
        };
    }
    Ok(match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    })
}

fn parse_port(port: &str) -> Result<u16, HostError> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number != 0 => Ok(number),
        _ => Err(HostError::Port),
    }
}

fn ipv6(address: &str) -> Result<Cow<'static, str>, HostError> {
    let address: Ipv6Addr = address.parse().map_err(|_| HostError::Host)?;
    Ok(format!("[{address}]").into())
}

fn domain(host: &str) -> Result<Cow<'_, str>, HostError> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.len() > MAX_HOST_LEN || !has_labels(host) {
        return Err(HostError::Host);
    }
    match host.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Ok(host.to_ascii_lowercase().into()),
        false => Ok(host.into()),
    }
}

/// Whether the host is labels of letters, digits and inner hyphens, with dots between them. Looks at each byte once: every
/// admission comes by here.
fn has_labels(host: &str) -> bool {
    let last = host.bytes().try_fold(b'.', |before, byte| {
        let fits = match byte {
            b'.' => before.is_ascii_alphanumeric(),
            b'-' => before != b'.',
            _ => byte.is_ascii_alphanumeric(),
        };
        fits.then_some(byte)
    });
    last.is_some_and(|last| last.is_ascii_alphanumeric())
}
