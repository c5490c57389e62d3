//! [`Place`]: what a key of `auths` is for, as kubelet reads it (Kubernetes, `pkg/credentialprovider/keyring.go`).
//!
//! A key is `[scheme://]host[:port][/path]`. In the host, `*` stands for any characters between two dots. The port has to
//! be the same. The path leads to the repository; stricter than kubelet, it ends where one of its segments ends.

use std::borrow::Cow;

use crate::image::{Glob, normalise_registry};

/// A host with its port, and a path below it (empty: all of it).
///
/// Ordered as kubelet orders keys; it tries the greatest first. Of those that cover one image, that is a host before a
/// glob, and on one host the longest path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    host: String,
    path: String,
}

impl Place {
    /// Reads a key. Docker's API paths `/v1/` and `/v2/` are no part of the path.
    pub fn read(key: &str) -> Self {
        let key = key.split_once("://").map_or(key, |(_, rest)| rest);
        let (host, path) = key.split_once('/').unwrap_or((key, ""));
        let path = path.trim_end_matches('/');
        let path = match path.split_once('/').unwrap_or((path, "")) {
            ("v1" | "v2", rest) => rest,
            _ => path,
        };
        Self { host: host_of(host), path: path.to_owned() }
    }

    /// Whether it is for this repository of this registry.
    pub fn covers(&self, registry: &str, repository: &str) -> bool {
        self.leads_to(repository) && matches_host(&self.host, &host_of(registry))
    }

    /// Whether the path is the repository or leads to it, whole segments only.
    fn leads_to(&self, repository: &str) -> bool {
        match repository.strip_prefix(self.path.as_str()) {
            Some(rest) => self.path.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

/// The one name of a registry, as image references have it. What is no host has globs, or matches nothing.
fn host_of(host: &str) -> String {
    normalise_registry(host).map_or_else(|_| host.to_ascii_lowercase(), Cow::into_owned)
}

/// Whether `pattern` is `host`, or its globs match it: as many parts, each by itself, and the same port.
fn matches_host(pattern: &str, host: &str) -> bool {
    if pattern == host {
        return true;
    }
    let ((globs, port), (parts, other_port)) = (split_port(pattern), split_port(host));
    port == other_port
        && globs.split('.').count() == parts.split('.').count()
        && globs.split('.').zip(parts.split('.')).all(|(glob, part)| Glob::new(glob).matches(part))
}

/// The host and its port, unless that is the one of https; an IPv6 address is one part.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, "443")) => (name, None),
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn covers(key: &str, registry: &str, repository: &str) -> bool {
        Place::read(key).covers(registry, repository)
    }

    #[test]
    fn a_star_stands_for_what_is_between_two_dots_as_for_kubelet() {
        for (key, matching, other) in [
            (
                "*.example.com",
                &["reg.example.com", "a.example.com"][..],
                &["example.com", "a.reg.example.com", "reg.example.org", "reg.example.com:5000"][..],
            ),
            ("*.*.example.com", &["a.reg.example.com"], &["reg.example.com", "a.b.reg.example.com"]),
            (
                "reg-*.example.com:5000",
                &["reg-1.example.com:5000", "reg-.example.com:5000"],
                &["reg-1.example.com", "reg-1.example.com:5001", "reg.example.com:5000"],
            ),
            ("*.example.com:443", &["reg.example.com"], &["reg.example.com:5000"]),
            ("https://*.Example.com/v2/", &["reg.example.com"], &[]),
            ("re*g.*.com", &["reg.example.com", "re-x-g.a.com"], &["reg.example.org", "re.example.com"]),
            ("*", &["localhost"], &["reg.example.com", "localhost:5000"]),
            ("*:5000", &["localhost:5000"], &["localhost"]),
            ("*:443", &["registry:443", "localhost"], &["localhost:5000"]),
            ("*.docker.io", &[], &["docker.io"]),
            ("reg.example.com:*", &[], &["reg.example.com:5000", "reg.example.com"]),
            ("**.example.com", &["reg.example.com"], &["a.reg.example.com"]),
            ("[::1]:5000", &["[::1]:5000"], &["[::1]", "[::2]:5000"]),
            ("[::1]", &["[::1]"], &["[::1]:5000"]),
            ("", &[], &["reg.example.com", "localhost"]),
        ] {
            for registry in matching {
                assert!(covers(key, registry, "shop/web"), "{key} for {registry}");
            }
            for registry in other {
                assert!(!covers(key, registry, "shop/web"), "{key} for {registry}");
            }
        }
    }

    #[test]
    fn a_glob_may_have_a_path_and_a_path_has_no_globs() {
        assert!(covers("*.example.com/shop", "reg.example.com", "shop/web"));
        assert!(!covers("*.example.com/shop", "reg.example.com", "shop-evil/web"));
        assert!(!covers("reg.example.com/*", "reg.example.com", "shop/web"));
    }

    #[test]
    fn the_api_paths_of_docker_and_slashes_at_the_end_are_no_part_of_the_path() {
        for key in [
            "reg.example.com",
            "reg.example.com/",
            "https://reg.example.com/v1/",
            "http://reg.example.com/v2",
        ] {
            assert!(covers(key, "reg.example.com", "shop/web"), "{key}");
        }
        for key in ["reg.example.com/shop/", "https://reg.example.com/v2/shop/", "reg.example.com/v1/shop"] {
            assert!(covers(key, "reg.example.com", "shop/web"), "{key}");
            assert!(!covers(key, "reg.example.com", "other/web"), "{key}");
        }
    }

    #[test]
    fn a_host_is_known_by_any_of_its_spellings() {
        for key in
            ["REG.example.com", "reg.example.com:443", "reg.example.com.", "https://Reg.Example.Com:443/"]
        {
            assert!(covers(key, "reg.example.com", "shop/web"), "{key}");
        }
        for key in [
            "https://index.docker.io/v1/",
            "docker.io",
            "registry-1.docker.io",
            "registry.hub.docker.com",
            "https://Registry-1.docker.io/v2/",
        ] {
            assert!(covers(key, "docker.io", "library/nginx"), "{key}");
        }
        assert!(covers("index.docker.io/shop", "docker.io", "shop/web"));
        assert!(!covers("index.docker.io/shop", "docker.io", "library/nginx"));
    }
}
