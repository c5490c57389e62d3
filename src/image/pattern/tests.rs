//! A pattern matches what it names, and nothing that merely looks like it.

use proptest::prelude::*;

use super::*;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn pattern(text: &str) -> ImagePattern {
    ImagePattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn image(text: &str) -> ImageReference {
    ImageReference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn p1_a_pattern_is_anchored_at_both_ends() {
    let shop = pattern("registry.example.com/shop/**");
    for matching in [
        "registry.example.com/shop/web",
        "registry.example.com/shop/web/api:1",
        "registry.example.com/shop",
        "REGISTRY.example.com:443/shop/web",
        "registry.example.com./shop/web",
    ] {
        assert!(shop.includes(&image(matching)), "{matching}");
    }
    for other in [
        "registry.example.com/shop-evil/x",
        "evil.example.com/registry.example.com/shop/x",
        "registry.example.com/x/registry.example.com/shop/x",
        "registry.example.com.evil/shop/x",
        "registry.example.com.evil/x",
        "registry.example.com:5000/shop/x",
        "shop/web",
        "[::1]/shop/web",
        "registry.example.com/web/shop/x",
    ] {
        assert!(!shop.includes(&image(other)), "{other}");
    }
    assert!(!pattern("registry.example.com/shop").includes(&image("registry.example.com/shop-evil")));
    assert!(!pattern("registry.example.com/shop").includes(&image("registry.example.com/shop/web")));
}

#[test]
fn stars_match_within_a_segment_and_double_stars_whole_segments() {
    for (text, matching, other) in [
        ("r.io/*", vec!["r.io/a"], vec!["r.io/a/b"]),
        ("r.io/a*/b", vec!["r.io/a/b", "r.io/ax/b"], vec!["r.io/a/x/b", "r.io/b"]),
        ("r.io/**/web", vec!["r.io/web", "r.io/a/web", "r.io/a/b/web"], vec!["r.io/web/a", "r.io/aweb"]),
        ("r.io/**/a/**/b", vec!["r.io/a/b", "r.io/x/a/a/y/b"], vec!["r.io/b/a", "r.io/x/b"]),
        ("r.io/a/**/b/*", vec!["r.io/a/b/c", "r.io/a/b/b/c"], vec!["r.io/a/b", "r.io/a/c/d"]),
        ("docker.io/**", vec!["nginx", "shop/web"], vec!["r.io/nginx"]),
        ("docker.io/nginx", vec!["nginx", "library/nginx"], vec!["shop/nginx"]),
        ("docker.io/*", vec!["nginx"], vec!["shop/web"]),
        ("Index.Docker.io:443/shop/*", vec!["shop/web"], vec!["nginx"]),
        ("**", vec!["nginx", "r.io/a/b/c", "[::1]:5000/x"], vec![]),
        ("r.io:5000/**", vec!["r.io:5000/a"], vec!["r.io/a"]),
        ("[::1]:5000/a", vec!["[0::1]:5000/a"], vec!["[::1]/a"]),
        ("localhost/a", vec!["localhost/a"], vec!["a"]),
    ] {
        for name in matching {
            assert!(pattern(text).matches_name(&image(name)), "{text} {name}");
        }
        for name in other {
            assert!(!pattern(text).matches_name(&image(name)), "{text} {name}");
        }
    }
}

#[test]
fn p10_a_tagged_include_covers_every_digest_reference_and_a_tagged_exclude_none() {
    let prod = pattern("r.io/shop/web:prod-*");
    let dev = pattern("r.io/shop/web:dev");
    let (tagged, other, sealed, bare) = (
        image("r.io/shop/web:prod-1"),
        image("r.io/shop/web:dev"),
        image(&format!("r.io/shop/web:dev@{DIGEST}")),
        image(&format!("r.io/shop/web@{DIGEST}")),
    );
    let table =
        [&tagged, &other, &sealed, &bare].map(|i| (prod.includes(i), prod.covers_tag(i), dev.excludes(i)));
    assert_eq!(
        table,
        [(true, true, false), (false, false, true), (true, false, false), (true, false, false)]
    );
    assert!(pattern("r.io/shop/web").excludes(&sealed));
    assert!(pattern("r.io/shop/web").covers_tag(&sealed));
    assert!(!prod.includes(&image(&format!("r.io/shop/api@{DIGEST}"))));
    assert!(pattern("r.io/**:latest").includes(&image("r.io/a/b")));
}

#[test]
fn a_pattern_that_is_none_says_what_to_write() {
    let suggestion = |text: &str| PatternError::NoRegistry { suggestion: text.to_owned() };
    for (text, expected) in [
        ("nginx", suggestion("docker.io/library/nginx")),
        ("shop/**", suggestion("docker.io/shop/**")),
        ("registry.example.com", suggestion("registry.example.com/**")),
        ("**/web", PatternError::RegistryGlob("**".into())),
        ("*.example.com/**", PatternError::RegistryGlob("*.example.com".into())),
        ("r_x.io/**", PatternError::Registry("r_x.io".into())),
        ("r.io/a**", PatternError::DoubleStar("a**".into())),
        ("r.io/a:**", PatternError::DoubleStar("**".into())),
        ("r.io/A*", PatternError::Segment("A*".into())),
        ("r.io/Web", ReferenceErrorOf::upper("Web")),
        ("r.io/", ReferenceErrorOf::empty("")),
        ("r.io/a//b", ReferenceErrorOf::empty("")),
        ("r.io/a:", crate::image::TagError::Empty.into()),
        ("r.io/a:x*/", PatternError::Segment("a:x*".into())),
        ("r.io/a:x*!", PatternError::Tag("x*!".into())),
        ("r.io/a@sha256:ab", PatternError::Digest),
        ("r.io/ a", PatternError::Character(' ')),
    ] {
        assert_eq!(ImagePattern::parse(text), Err(expected), "{text}");
    }
    let long = format!("r.io/{}", "a".repeat(10_000));
    assert_eq!(ImagePattern::parse(&long), Err(PatternError::TooLong { len: 10_005, max: 512 }));
}

struct ReferenceErrorOf;

impl ReferenceErrorOf {
    fn upper(part: &str) -> PatternError {
        crate::image::ReferenceError::UpperCase(part.to_owned()).into()
    }

    fn empty(part: &str) -> PatternError {
        crate::image::ReferenceError::EmptyPart(part.to_owned()).into()
    }
}

#[test]
fn many_double_stars_cost_little() {
    let stars = pattern(&format!("r.io/{}b", "**/a/".repeat(90)));
    let name = image(&format!("r.io/{}c", "a/".repeat(120)));
    assert!(!stars.matches_name(&name));
}

proptest! {
    #![proptest_config(crate::random::cases(256))]

    #[test]
    fn p2_no_pattern_panics(text in "\\PC{0,60}") {
        let _ = ImagePattern::parse(&text);
    }

    #[test]
    fn what_is_read_reads_as_itself(text in "[a-zA-Z]{0,4}\\.?(:[0-9]{1,4})?(/[a-z0-9*._-]{1,4}){1,4}(:[a-z*]{0,3})?") {
        if let Ok(read) = ImagePattern::parse(&text) {
            prop_assert_eq!(ImagePattern::parse(&read.to_string()), Ok(read));
        }
    }

    #[test]
    fn an_image_s_own_name_is_a_pattern_that_matches_it(text in "[a-z]{1,3}\\.[a-z]{1,3}(/[a-z0-9]{1,4}){1,4}") {
        prop_assert!(pattern(&text).includes(&image(&text)));
        prop_assert!(ImagePattern::everything().includes(&image(&text)));
    }
}
