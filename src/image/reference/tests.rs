//! Every spelling of one image is one image; what cannot be read is an error that says why.

use proptest::prelude::*;

use super::*;
use crate::digest::DigestError;

const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn normal(image: &str) -> String {
    ImageReference::parse(image).unwrap_or_else(|error| panic!("{image}: {error}")).to_string()
}

fn error(image: &str) -> ReferenceError {
    ImageReference::parse(image).map(|read| read.to_string()).expect_err(image)
}

#[test]
fn p1_spellings_of_one_registry_are_one_registry() {
    for (image, expected) in [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1", "docker.io/library/nginx:1"),
        ("library/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("Docker.IO/nginx", "docker.io/library/nginx:latest"),
        ("docker.io:443/nginx", "docker.io/library/nginx:latest"),
        ("docker.io./nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("registry-1.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("registry.hub.docker.com/library/nginx", "docker.io/library/nginx:latest"),
        ("INDEX.docker.io.:443/nginx", "docker.io/library/nginx:latest"),
        ("docker.io:5000/nginx", "docker.io:5000/nginx:latest"),
        ("shop/web", "docker.io/shop/web:latest"),
        ("a/b/c", "docker.io/a/b/c:latest"),
        ("Registry.Example.com/shop/web:1", "registry.example.com/shop/web:1"),
        ("registry.example.com:443/shop/web:1", "registry.example.com/shop/web:1"),
        ("registry.example.com:0443/shop/web:1", "registry.example.com/shop/web:1"),
        ("registry.example.com./shop/web:1", "registry.example.com/shop/web:1"),
        ("registry.example.com.:443/shop/web:1", "registry.example.com/shop/web:1"),
        ("registry.example.com:5000/web:1", "registry.example.com:5000/web:1"),
        ("localhost/web", "localhost/web:latest"),
        ("LOCALHOST./web", "localhost/web:latest"),
        ("localhost:5000/web", "localhost:5000/web:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("[::1]:5000/web:1", "[::1]:5000/web:1"),
        ("[0:0::0:1]:443/web:1", "[::1]/web:1"),
        ("[FD00::A]/web:1", "[fd00::a]/web:1"),
        ("Registry/web", "registry:443/web:latest"),
        ("registry:443/web", "registry:443/web:latest"),
        ("registry./web", "registry:443/web:latest"),
        ("a__b/c--d.e/f_g", "docker.io/a__b/c--d.e/f_g:latest"),
    ] {
        assert_eq!(normal(image), expected, "{image}");
        assert_eq!(normal(expected), expected);
    }
}

#[test]
fn parts_and_the_original_can_be_read() {
    let image = format!("Registry.example.com:5000/shop/web:1.4@sha256:{HEX}");
    let read = ImageReference::parse(&image).unwrap();
    assert_eq!(read.original(), image);
    assert_eq!(read.name(), "registry.example.com:5000/shop/web");
    assert_eq!((read.registry(), read.repository()), ("registry.example.com:5000", "shop/web"));
    assert_eq!(read.tag().map(Tag::as_str), Some("1.4"));
    assert_eq!(read.digest(), Digest::from_hex(HEX).ok());
}

#[test]
fn a_missing_tag_is_latest_unless_there_is_a_digest() {
    assert_eq!(normal("nginx"), "docker.io/library/nginx:latest");
    assert_eq!(normal(&format!("nginx@sha256:{HEX}")), format!("docker.io/library/nginx@sha256:{HEX}"));
}

#[test]
fn p2_what_cannot_be_read_says_why() {
    let upper = HEX.to_uppercase();
    let long_tag = "t".repeat(129);
    let long_repository = format!("r.io/{}", "a".repeat(256));
    for (image, expected) in [
        (String::new(), ReferenceError::Empty),
        (format!("repo:tag@sha512:{HEX}{HEX}"), DigestError::Algorithm("sha512".into()).into()),
        (format!("repo@sha256:{}", &HEX[1..]), DigestError::Hex.into()),
        (format!("repo@sha256:{HEX}0"), DigestError::Hex.into()),
        (format!("repo@sha256:{upper}"), DigestError::Hex.into()),
        ("repo@".into(), DigestError::Hex.into()),
        (format!("repo@sha256:{HEX}@sha256:{HEX}"), DigestError::Hex.into()),
        (format!("repo@sha256:{HEX}:tag"), DigestError::Hex.into()),
        ("repo:".into(), TagError::Empty.into()),
        (format!("repo:@sha256:{HEX}"), TagError::Empty.into()),
        (format!("repo:{long_tag}"), TagError::TooLong(129).into()),
        ("repo:-x".into(), TagError::Character("-x".into()).into()),
        ("repo:a:b".into(), TagError::Character("a:b".into()).into()),
        (HEX.into(), ReferenceError::ImageId),
        (upper.clone(), ReferenceError::ImageId),
        (format!("sha256:{HEX}"), ReferenceError::ImageId),
        ("sha256:ba78".into(), ReferenceError::ImageId),
        (" repo".into(), ReferenceError::Character { character: ' ', offset: 0 }),
        ("repo ".into(), ReferenceError::Character { character: ' ', offset: 4 }),
        ("re\u{0}po".into(), ReferenceError::Character { character: '\0', offset: 2 }),
        ("repo\n".into(), ReferenceError::Character { character: '\n', offset: 4 }),
        ("r\u{e9}po".into(), ReferenceError::Character { character: '\u{e9}', offset: 1 }),
        ("repo\u{ff0f}x".into(), ReferenceError::Character { character: '\u{ff0f}', offset: 4 }),
        ("a".repeat(10_240), ReferenceError::TooLong { len: 10_240, max: 1024 }),
        (long_repository, ReferenceError::RepositoryTooLong(256)),
        ("https://registry.example.com/x".into(), ReferenceError::Scheme),
        (format!("@sha256:{HEX}"), ReferenceError::NoName),
        (":tag".into(), ReferenceError::NoName),
        ("r.io/".into(), ReferenceError::EmptyPart(String::new())),
        ("r.io//x".into(), ReferenceError::EmptyPart("/x".into())),
        ("/x".into(), ReferenceError::EmptyPart("/x".into())),
        ("shop/Web".into(), ReferenceError::UpperCase("shop/Web".into())),
        ("Nginx".into(), ReferenceError::UpperCase("Nginx".into())),
        ("shop/../web".into(), ReferenceError::Repository("shop/../web".into())),
        ("shop/a___b".into(), ReferenceError::Repository("shop/a___b".into())),
        ("shop/-a".into(), ReferenceError::Repository("shop/-a".into())),
        ("shop/a%2fb".into(), ReferenceError::Repository("shop/a%2fb".into())),
        ("r_x.io/x".into(), ReferenceError::Registry("r_x.io".into())),
        ("-r.io/x".into(), ReferenceError::Registry("-r.io".into())),
        ("r..io/x".into(), ReferenceError::Registry("r..io".into())),
        ("./x".into(), ReferenceError::Registry(".".into())),
        ("[::1/x".into(), ReferenceError::Registry("[::1".into())),
        ("[::g]/x".into(), ReferenceError::Registry("[::g]".into())),
        ("[::1]x/x".into(), ReferenceError::Registry("[::1]x".into())),
        ("user@r.io/x".into(), DigestError::Hex.into()),
        ("r.io:/x".into(), ReferenceError::Port("r.io:".into())),
        ("r.io:0/x".into(), ReferenceError::Port("r.io:0".into())),
        ("r.io:65536/x".into(), ReferenceError::Port("r.io:65536".into())),
        ("r.io:+80/x".into(), ReferenceError::Port("r.io:+80".into())),
    ] {
        assert_eq!(error(&image), expected, "{image}");
        assert!(error(&image).to_string().len() < 600);
    }
}

#[test]
fn hex_names_that_no_runtime_takes_for_an_id_are_names() {
    assert_eq!(normal(&format!("{HEX}:1")), format!("docker.io/library/{HEX}:1"));
    assert_eq!(normal(&format!("r.io/{HEX}")), format!("r.io/{HEX}:latest"));
}

proptest! {
    #![proptest_config(crate::random::cases(256))]

    #[test]
    fn p2_no_string_panics(image in "\\PC{0,80}") {
        let _ = ImageReference::parse(&image);
    }

    #[test]
    fn p2_no_string_of_the_grammar_s_characters_panics_and_what_is_read_reads_as_itself(
        image in "[a-zA-Z0-9:./@_\\[\\]-]{1,40}|[A-Za-z.]{1,8}(:[0-9]{1,5})?/[a-z0-9/]{1,9}(:[a-z.]{1,3})?(@sha256:[0-9a-f]{64})?"
    ) {
        if let Ok(read) = ImageReference::parse(&image) {
            let again = ImageReference::parse(&read.to_string()).unwrap();
            prop_assert_eq!(again.name(), read.name());
            prop_assert_eq!(again.registry(), read.registry());
            prop_assert_eq!(again.to_string(), read.to_string());
        }
    }
}
