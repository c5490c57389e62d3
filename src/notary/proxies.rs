//! [`Proxies`]: by which proxy a server is reached, as `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
//!
//! Plain http is for this machine alone, so `HTTP_PROXY` says nothing here.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::endpoints::{host, ip, is_loopback};
use super::fault::{Fault, clean};
use crate::trust::Secret;

/// Where a proxy is named: the first that is not empty counts.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// Where hosts are named that are reached directly.
const EXEMPTING: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// What an http proxy listens on, if nothing else is said.
const PORT: u16 = 80;

/// The proxies of a process.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// A proxy that cannot be used is told where it would be needed: what is exempt needs none.
    proxy: Option<Result<Proxy, Fault>>,
    exempt: Vec<Exempt>,
}

/// A proxy that opens tunnels (CONNECT), spoken to in plain http.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// The variable that names it.
    pub(super) variable: &'static str,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(super) authorization: Option<Secret>,
}

impl Proxy {
    /// How it is named in messages: without user and password.
    pub(super) fn name(&self) -> String {
        match self.host.contains(':') {
            true => format!("http://[{}]:{}", self.host, self.port),
            false => format!("http://{}:{}", self.host, self.port),
        }
    }
}

impl Proxies {
    /// Those of the environment.
    pub fn from_env() -> Self {
        let value = |name: &'static str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let named = VARIABLES.into_iter().find_map(|name| Some((name, value(name)?)));
        let exempt = EXEMPTING.into_iter().find_map(value).unwrap_or_default();
        match named {
            Some((variable, proxy)) => Self::of(variable, &proxy, &exempt),
            None => Self::default(),
        }
    }

    /// As if `variable` named `proxy`, and `NO_PROXY` these hosts.
    pub fn of(variable: &'static str, proxy: &str, no_proxy: &str) -> Self {
        let entries =
            no_proxy.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        Self { proxy: Some(read(variable, proxy.trim())), exempt: entries.map(Exempt::read).collect() }
    }

    /// The proxy on the way to `url`. This machine is always reached directly.
    pub(super) fn to(&self, url: &Url) -> Result<Option<Proxy>, Fault> {
        let is_exempt = is_loopback(url) || self.exempt.iter().any(|exempt| exempt.covers(url));
        self.proxy.as_ref().filter(|_| !is_exempt).cloned().transpose()
    }
}

/// Reads `[http://][USER[:PASSWORD]@]HOST[:PORT]`.
fn read(variable: &'static str, text: &str) -> Result<Proxy, Fault> {
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    // Never the user and the password.
    let shown = || clean(text.rsplit('@').next().unwrap_or_default());
    let url = Url::parse(&with_scheme).ok().filter(Url::has_host);
    let Some(url) = url else { return Err(Fault::ProxyUrl { variable, proxy: shown() }) };
    if url.scheme() != "http" {
        let scheme = url.scheme().to_owned();
        return Err(Fault::ProxyScheme { variable, scheme });
    }
    let Some(host) = host(&url) else { return Err(Fault::ProxyUrl { variable, proxy: shown() }) };
    let authorization = (!url.username().is_empty() || url.password().is_some()).then(|| {
        let pair = format!("{}:{}", url.username(), url.password().unwrap_or_default());
        let pair: Vec<u8> = percent_decode_str(&pair).collect();
        Secret::new(format!("Basic {}", STANDARD.encode(pair)))
    });
    Ok(Proxy { variable, host, port: url.port().unwrap_or(PORT), authorization })
}

/// An entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exempt {
    /// `*`
    All,
    /// An address, or a network of addresses: `10.0.0.7`, `10.0.0.0/8`; with a port, that one alone.
    Network { address: IpAddr, bits: u32, port: Option<u16> },
    /// `example.com` and `.example.com`: the name and all below it; `*.example.com`: what is below it.
    Domain { name: String, has_itself: bool, port: Option<u16> },
}

impl Exempt {
    fn read(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        if let Some(network) = network(entry, None) {
            return network;
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
            _ => (entry, None),
        };
        if let Some(network) = network(name.trim_matches(['[', ']']), port) {
            return network;
        }
        let below = name.strip_prefix("*.");
        let name = below.unwrap_or(name.strip_prefix('.').unwrap_or(name));
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Self::Domain { name, has_itself: below.is_none(), port }
    }

    fn covers(&self, url: &Url) -> bool {
        let is_port = |port: &Option<u16>| port.is_none() || *port == url.port_or_known_default();
        match self {
            Self::All => true,
            Self::Network { address, bits, port } => {
                is_port(port)
                    && ip(url).is_some_and(|ip| first_bits(ip, *bits) == first_bits(*address, *bits))
            }
            Self::Domain { name, has_itself, port } => {
                let Some(asked) = host(url).filter(|_| matches!(url.host(), Some(Host::Domain(_)))) else {
                    return false;
                };
                let is_below = asked.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                is_port(port) && (is_below || *has_itself && asked == *name)
            }
        }
    }
}

fn network(text: &str, port: Option<u16>) -> Option<Exempt> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(all);
    (bits <= all).then_some(Exempt::Network { address, bits, port })
}

/// The first bits of an address, and of which kind it is.
fn first_bits(address: IpAddr, bits: u32) -> (bool, u128) {
    match address {
        IpAddr::V4(v4) => (true, u128::from(u32::from(v4).checked_shr(32 - bits).unwrap_or_default())),
        IpAddr::V6(v6) => (false, u128::from(v6).checked_shr(128 - bits).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn is_direct(no_proxy: &str, to: &str) -> bool {
        Proxies::of("HTTPS_PROXY", "http://proxy.test:3128", no_proxy).to(&url(to)).unwrap().is_none()
    }

    #[test]
    fn no_proxy_names_hosts_as_people_write_them() {
        for (entry, direct, by_proxy) in [
            (
                "example.com",
                &["https://example.com", "https://a.b.example.com:8443"][..],
                &["https://badexample.com"][..],
            ),
            (".example.com", &["https://example.com", "https://a.example.com"], &["https://badexample.com"]),
            (
                "*.example.com",
                &["https://a.example.com", "https://a.b.example.com"],
                &["https://example.com"],
            ),
            ("EXAMPLE.com.", &["https://Example.com"], &["https://example.com.evil.test"]),
            (
                "example.com:8443",
                &["https://a.example.com:8443"],
                &["https://example.com", "https://example.com:4443"],
            ),
            ("example.com:443", &["https://example.com"], &["https://example.com:8443"]),
            (
                "10.1.2.3",
                &["https://10.1.2.3", "https://10.1.2.3:8443"],
                &["https://10.1.2.4", "https://a.test"],
            ),
            ("10.1.2.3:8443", &["https://10.1.2.3:8443"], &["https://10.1.2.3"]),
            ("10.1.0.0/16", &["https://10.1.255.255"], &["https://10.2.0.0", "https://[::1:2]"]),
            ("0.0.0.0/0", &["https://192.0.2.1"], &["https://[2001:db8::1]", "https://a.test"]),
            ("2001:db8::1", &["https://[2001:db8::1]"], &["https://[2001:db8::2]"]),
            (
                "2001:db8::/32",
                &["https://[2001:db8:ffff::2]"],
                &["https://[2001:db9::2]", "https://32.1.13.184"],
            ),
            ("[2001:db8::1]:8443", &["https://[2001:db8::1]:8443"], &["https://[2001:db8::1]"]),
            ("*", &["https://a.test", "https://10.0.0.1"], &[]),
            (
                "a.test, b.test c.test,,",
                &["https://a.test", "https://b.test", "https://c.test"],
                &["https://d.test"],
            ),
            ("10.0.0.0/33, /8, :443, .", &[], &["https://10.0.0.1", "https://a.test"]),
        ] {
            for to in direct {
                assert!(is_direct(entry, to), "{entry}: {to}");
            }
            for to in by_proxy {
                assert!(!is_direct(entry, to), "{entry}: {to}");
            }
        }
    }

    #[test]
    fn this_machine_is_reached_directly() {
        for to in ["https://localhost:4443", "http://127.0.0.1", "https://[::1]"] {
            assert!(is_direct("", to), "{to}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_with_or_without_a_scheme_and_a_password() {
        let proxy =
            |text: &str| Proxies::of("https_proxy", text, "").to(&url("https://a.test")).unwrap().unwrap();
        assert_eq!(proxy("proxy.test:3128").name(), "http://proxy.test:3128");
        assert_eq!(proxy(" http://proxy.test/ ").name(), "http://proxy.test:80");
        assert_eq!(proxy("http://[2001:db8::1]:3128").name(), "http://[2001:db8::1]:3128");
        assert_eq!(proxy("proxy.test").authorization, None);
        // `alice@corp`, `p:w%`
        let with_password = proxy("http://alice%40corp:p%3Aw%25@proxy.test:3128");
        assert_eq!(with_password.name(), "http://proxy.test:3128");
        assert_eq!(with_password.authorization.clone().unwrap().expose(), "Basic YWxpY2VAY29ycDpwOncl");
        assert!(!format!("{with_password:?}").contains("YWxp"));
        assert_eq!(proxy("alice@proxy.test").authorization.unwrap().expose(), "Basic YWxpY2U6");
    }

    #[test]
    fn a_proxy_of_another_kind_is_told_where_it_would_be_needed() {
        let fault = |text: &str, to: &str| Proxies::of("ALL_PROXY", text, "direct.test").to(&url(to));
        for scheme in ["https", "socks5", "socks5h", "ftp"] {
            let expected = Fault::ProxyScheme { variable: "ALL_PROXY", scheme: scheme.to_owned() };
            assert_eq!(fault(&format!("{scheme}://user:pw@proxy.test"), "https://a.test"), Err(expected));
        }
        let expected = Fault::ProxyUrl { variable: "ALL_PROXY", proxy: "proxy.test:port".to_owned() };
        assert_eq!(fault("http://user:pw@proxy.test:port", "https://a.test"), Err(expected));
        assert_eq!(fault("socks5://proxy.test", "https://direct.test"), Ok(None));
        assert_eq!(fault("socks5://proxy.test", "https://localhost"), Ok(None));
    }
}
