//! Whom a token may be asked of, and who may see credentials (design §4 "Update", attack T22).
//!
//! The realm is named by the trust server, so it is data from outside: a lying server must neither get at a pull
//! secret nor make tagseal call what only tagseal can reach.
//!
//! - Asked at all is only https; plain http only where trust server and realm are both loopback hosts. Not asked is
//!   an address of this machine or link, unless the trust server is there too. Redirects are not followed.
//! - Credentials are shown to a realm on the trust server's host, on the registry's, or listed in `tokenRealms`.

use std::net::IpAddr;

use url::Url;

use super::endpoints::{host, ip, is_loopback};
use super::fault::{Fault, RealmFault, clean};
use crate::image::is_docker_hub;
use crate::trust::TrustServer;

/// Where Docker Hub gives out its tokens: no name of the registry itself.
const DOCKER_HUB_REALM: &str = "auth.docker.io";

/// Reads the realm that `server` names, if it may be asked.
pub(super) fn parse(realm: &str, server: &Url) -> Result<Url, Fault> {
    let told = clean(realm.split(['?', '#']).next().unwrap_or_default());
    let url = Url::parse(realm).ok().filter(|url| {
        url.has_host() && url.username().is_empty() && url.password().is_none() && url.port() != Some(0)
    });
    let Some(url) = url else { return Err(Fault::Realm(RealmFault::NotUrl { realm: told })) };
    let clear = match url.scheme() {
        "https" => false,
        "http" => true,
        _ => return Err(Fault::Realm(RealmFault::NotUrl { realm: told })),
    };
    let near = is_loopback(server);
    if clear && !(near && server.scheme() == "http" && is_loopback(&url)) {
        return Err(Fault::Realm(RealmFault::Insecure { realm: told }));
    }
    if !near && is_inside(&url) {
        return Err(Fault::Realm(RealmFault::Inside { realm: told }));
    }
    Ok(url)
}

fn is_inside(url: &Url) -> bool {
    let named = host(url).is_some_and(|host| host == "localhost" || host.ends_with(".localhost"));
    named
        || ip(url).is_some_and(|address| match address {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_unspecified() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
        })
}

/// Whether `realm` may see the credentials for `registry`.
pub(super) fn may_see_credentials(realm: &Url, server: &TrustServer, registry: &str) -> bool {
    let Some(asking) = host(realm) else { return false };
    let same_machine = is_loopback(realm) && is_loopback(&server.url);
    if same_machine || host(&server.url).is_some_and(|host| host == asking) {
        return true;
    }
    let registry = as_url(registry).and_then(|url| host(&url));
    if registry.is_some_and(|registry| registry == asking || is_hub(&registry) && is_hub(&asking)) {
        return true;
    }
    server.token_realms.iter().any(|listed| is_listed(realm, &asking, listed))
}

fn is_hub(host: &str) -> bool {
    host == DOCKER_HUB_REALM || is_docker_hub(host)
}

/// `HOST`, any port; or `HOST:PORT`.
fn is_listed(realm: &Url, asking: &str, listed: &str) -> bool {
    let Some(url) = as_url(listed) else { return false };
    let has_port = url.port().is_some() || listed.ends_with(":443");
    host(&url).is_some_and(|host| host == asking)
        && (!has_port || url.port_or_known_default() == realm.port_or_known_default())
}

fn as_url(authority: &str) -> Option<Url> {
    Url::parse(&format!("https://{authority}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str) -> Url {
        Url::parse(url).unwrap()
    }

    fn server(at: &str, token_realms: &[&str]) -> TrustServer {
        let token_realms = token_realms.iter().map(|&realm| realm.to_owned()).collect();
        TrustServer { token_realms, ..TrustServer::at(url(at)) }
    }

    fn asked(realm: &str, server: &str) -> Result<(), Fault> {
        parse(realm, &url(server)).map(drop)
    }

    #[test]
    fn t22_a_realm_is_asked_over_https_alone() {
        let notary = "https://notary.example.com";
        assert_eq!(asked("https://auth.example.com/token", notary), Ok(()));
        let insecure = |realm: &str| Err(Fault::Realm(RealmFault::Insecure { realm: realm.into() }));
        for realm in
            ["http://auth.example.com/token", "http://notary.example.com/token", "http://127.0.0.1/token"]
        {
            assert_eq!(asked(realm, notary), insecure(realm));
        }
        assert_eq!(asked("http://127.0.0.1/t", "https://127.0.0.1"), insecure("http://127.0.0.1/t"));
        assert_eq!(asked("http://auth.test/t", "http://127.0.0.1"), insecure("http://auth.test/t"));
        assert_eq!(asked("http://localhost:6500/t", "http://127.0.0.1:4443"), Ok(()));
        assert_eq!(asked("http://a.localhost/t", "http://127.0.0.1"), insecure("http://a.localhost/t"));
    }

    #[test]
    fn t22_a_realm_of_another_scheme_or_with_a_password_is_not_asked() {
        let not_url = |realm: &str| Err(Fault::Realm(RealmFault::NotUrl { realm: realm.into() }));
        for realm in
            ["file:///etc/passwd", "ftp://a/b", "token", "", "https://user:pass@auth.example.com/token"]
        {
            assert_eq!(asked(realm, "https://notary.example.com"), not_url(realm));
        }
    }

    #[test]
    fn t22_a_realm_on_this_machine_or_link_is_not_asked_for_a_server_elsewhere() {
        let inside = |realm: &str| Err(Fault::Realm(RealmFault::Inside { realm: realm.into() }));
        for realm in [
            "https://localhost/t",
            "https://127.1.2.3/t",
            "https://[::1]/t",
            "https://[::ffff:127.0.0.1]/t",
            "https://169.254.169.254/t",
            "https://[fe80::1]/t",
            "https://0.0.0.0/t",
            "https://a.localhost/t",
        ] {
            assert_eq!(asked(realm, "https://notary.example.com"), inside(realm));
        }
        assert_eq!(asked("https://10.0.0.7/t", "https://notary.example.com"), Ok(()));
    }

    #[test]
    fn t22_credentials_go_to_the_servers_host_the_registrys_or_a_listed_one() {
        let sees = |realm: &str, registry: &str, listed: &[&str]| {
            may_see_credentials(&url(realm), &server("https://notary.example.com", listed), registry)
        };
        assert!(sees("https://notary.example.com:5001/token", "registry.example.com", &[]));
        assert!(sees("https://registry.example.com/token", "registry.example.com:5000", &[]));
        assert!(!sees("https://auth.example.com/token", "registry.example.com", &[]));
        assert!(!sees("https://evil.notary.example.com/token", "registry.example.com", &[]));
        assert!(!sees("https://notary.example.com.evil.test/token", "registry.example.com", &[]));
        assert!(sees("https://auth.example.com/token", "registry.example.com", &["AUTH.example.com"]));
        assert!(sees("https://auth.example.com/token", "registry.example.com", &["auth.example.com:443"]));
        assert!(!sees(
            "https://auth.example.com:8443/token",
            "registry.example.com",
            &["auth.example.com:443"]
        ));
        assert!(!sees("https://auth.example.com/token", "registry.example.com", &["example.com", "*", ""]));
    }

    #[test]
    fn the_hosts_of_docker_hub_are_one_registry() {
        let sees = |realm: &str, registry: &str| {
            may_see_credentials(&url(realm), &server("https://notary.docker.io", &[]), registry)
        };
        assert!(sees("https://auth.docker.io/token", "docker.io"));
        assert!(sees("https://registry.hub.docker.com/token", "docker.io"));
        assert!(!sees("https://registry.hub.docker.com/token", "registry.example.com"));
        assert!(!sees("https://auth.docker.io/token", "registry.example.com"));
        assert!(!sees("https://auth.docker.io.evil.test/token", "docker.io"));
    }
}
