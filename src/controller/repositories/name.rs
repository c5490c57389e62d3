//! [`object_name`]: which `TrustedRepository` is about which repository.

use crate::digest::Digest;
use crate::trust::RepositoryKey;

/// So much of the repository's name is shown.
const READABLE: usize = 40;
/// So many hexadecimal digits of the hash tell repositories apart. A record of another one is not believed anyway.
const HASHED: usize = 20;

/// The name of a repository's object: the end of its name, for people, and a hash of (server, repository, anchors). Never
/// changes: a record under another name would be a repository without floors.
pub(super) fn object_name(key: &RepositoryKey) -> String {
    let parts = [key.server.as_bytes(), key.gun.as_str().as_bytes(), key.anchors.as_bytes()].join(&0);
    let hash = Digest::of(&parts).hex();
    let hash = hash.get(..HASHED).unwrap_or(&hash);
    match readable(key.gun.as_str()) {
        name if name.is_empty() => hash.to_owned(),
        name => format!("{name}-{hash}"),
    }
}

/// The end of a name without its registry, in letters that an object's name may have.
fn readable(gun: &str) -> String {
    let path = gun.split_once('/').map_or(gun, |(_, path)| path);
    let mut name = String::new();
    for byte in path.bytes() {
        match byte.to_ascii_lowercase() {
            byte @ (b'a'..=b'z' | b'0'..=b'9') => name.push(char::from(byte)),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    // ASCII alone: every byte is a boundary.
    let end = name.get(name.len().saturating_sub(READABLE)..).unwrap_or(&name);
    end.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::names::is_object_name;
    use super::*;
    use crate::tuf::Gun;

    fn key(server: &str, gun: &str, anchors: u8) -> RepositoryKey {
        let (server, gun) = (server.to_owned(), Gun::new(gun).unwrap());
        RepositoryKey { server, gun, anchors: Digest::from_bytes([anchors; 32]) }
    }

    #[test]
    fn a_name_never_changes() {
        let server = "https://notary.example.com/";
        let name = |gun: &str| object_name(&key(server, gun, 7));
        assert_eq!(name("registry.example.com/shop/web"), "shop-web-c3668aa4753190eb126f");
        assert_eq!(name("registry.example.com/a_b.c/D--e__"), "a-b-c-d-e-2874250d1641f16370ac");
        assert_eq!(name("plain"), "plain-f9c95277c59dbe14c18c");
        assert_eq!(name("registry.example.com/___"), "221666bfbb36dabe2fe2");
    }

    /// T30: one repository on two servers, or under two sets of anchors, has two records.
    #[test]
    fn t30_server_repository_and_anchors_each_make_another_name() {
        let names = [
            key("https://a.example.com/", "r/web", 1),
            key("https://b.example.com/", "r/web", 1),
            key("https://a.example.com/", "r/web", 2),
            key("https://a.example.com/", "s/web", 1),
        ]
        .map(|key| object_name(&key));
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }

    proptest! {
        #![proptest_config(crate::random::cases(256))]

        #[test]
        fn every_name_is_one_that_the_api_server_takes(gun in "[!-~]{1,300}", anchors in any::<u8>()) {
            let Ok(gun) = Gun::new(&gun) else { return Ok(()) };
            let key = RepositoryKey { gun, ..key("https://a.example.com/", "r", anchors) };
            let name = object_name(&key);
            prop_assert!(is_object_name(&name), "{name}");
            prop_assert!(name.split('.').all(|label| label.len() <= 63), "{name}");
        }
    }
}
