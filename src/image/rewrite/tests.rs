//! What a mirror's name becomes.

use super::*;

fn apply(from: &str, to: &str, image: &str) -> Option<Result<String, RewriteError>> {
    Rewrite::parse(from, to)
        .unwrap_or_else(|error| panic!("{from} {to}: {error}"))
        .apply(&ImageReference::parse(image).unwrap())
}

#[test]
fn stars_take_what_their_twins_took() {
    for (from, to, image, expected) in [
        ("mirror.io/hub/**", "docker.io/**", "mirror.io/hub/library/nginx:1", "docker.io/library/nginx"),
        ("mirror.io/hub/**", "docker.io/**", "mirror.io/hub/nginx", "docker.io/library/nginx"),
        ("mirror.io/hub/**", "docker.io/**", "mirror.io/hub/a/b/c", "docker.io/a/b/c"),
        ("r.io/**", "r.io:443/**", "r.io/shop/web", "r.io:443/shop/web"),
        ("mirror.io/**", "**", "mirror.io/ghcr.io/shop/web", "ghcr.io/shop/web"),
        ("**", "mirror.io/**", "nginx", "mirror.io/docker.io/library/nginx"),
        ("m.io/*/x-*/web", "r.io/*/*/w", "m.io/a/x-b/web", "r.io/a/b/w"),
        ("m.io/a/**/web", "r.io/b/**/api", "m.io/a/web", "r.io/b/api"),
        ("m.io/a", "r.io/b", "m.io/a", "r.io/b"),
    ] {
        assert_eq!(apply(from, to, image), Some(Ok(expected.to_owned())), "{from} {to} {image}");
    }
}

#[test]
fn the_name_before_is_told_from_the_name_after() {
    for (from, to, rewritten, expected) in [
        ("mirror.io/hub/**", "docker.io/**", "docker.io/library/nginx", Some("mirror.io/hub/library/nginx")),
        ("mirror.io/**", "**", "ghcr.io/shop/web", Some("mirror.io/ghcr.io/shop/web")),
        ("**", "mirror.io/**", "mirror.io/docker.io/library/nginx", Some("docker.io/library/nginx")),
        ("m.io/*/x-*/web", "r.io/*/*/w", "r.io/a/b/w", Some("m.io/a/x-b/web")),
        ("m.io/a/**/web", "r.io/b/**/api", "r.io/b/api", Some("m.io/a/web")),
        ("r.io/**", "r.io:443/**", "r.io:443/shop/web", Some("r.io/shop/web")),
        ("m.io/a", "r.io/b", "r.io/b", Some("m.io/a")),
        ("m.io/a", "r.io/b", "r.io/c", None),
        ("m.io/*/*", "r.io/*-*", "r.io/a-b-c", None),
        ("m.io/**", "r.io/x/**", "r.io/y/web", None),
    ] {
        let rule = Rewrite::parse(from, to).unwrap();
        let origin = rule.origin(rewritten);
        assert_eq!(origin.as_deref(), expected, "{from} {to} {rewritten}");
        if let Some(origin) = origin {
            assert_eq!(apply(from, to, &origin), Some(Ok(rewritten.to_owned())), "{from} {to} {origin}");
        }
    }
}

#[test]
fn a_rule_is_about_nothing_else() {
    for image in ["mirror.io/hub-evil/x", "mirror.io/x", "nginx", "mirror.io/x/hub/y"] {
        assert_eq!(apply("mirror.io/hub/**", "docker.io/**", image), None, "{image}");
    }
    assert_eq!(apply("m.io/*", "r.io/*", "m.io/a/b"), None);
}

#[test]
fn an_outcome_that_is_no_repository_is_an_error() {
    let outcome = |name: &str, rewritten: &str, error| RewriteError::Result {
        name: name.to_owned(),
        rewritten: rewritten.to_owned(),
        error,
    };
    assert_eq!(
        apply("mirror.io/hub/**", "docker.io/**", "mirror.io/hub"),
        Some(Err(outcome("mirror.io/hub", "docker.io", ReferenceError::EmptyPart(String::new()))))
    );
    assert_eq!(
        apply("mirror.io/**", "**", "mirror.io/shop/web"),
        Some(Err(outcome("mirror.io/shop/web", "shop/web", ReferenceError::Registry("shop".into()))))
    );
}

#[test]
fn rules_that_cannot_be_followed_are_refused() {
    for (from, to, expected) in [
        ("m.io/**:1", "r.io/**", RewriteError::Tag),
        ("m.io/**/a/**", "r.io/**/**", RewriteError::Ambiguous),
        ("m.io/a*b*c", "r.io/*/*", RewriteError::Ambiguous),
        ("m.io/**", "shop/**", RewriteError::To("shop/**".into())),
        ("m.io/**", "r.io/** ", RewriteError::ToCharacter("r.io/** ".into())),
        ("m.io/**", "r.io/x", RewriteError::Stars { from: vec!["**"], to: vec![] }),
        ("m.io/*/**", "r.io/**/*", RewriteError::Stars { from: vec!["*", "**"], to: vec!["**", "*"] }),
        ("m.io", "r.io/x", PatternError::NoRegistry { suggestion: "m.io/**".into() }.into()),
    ] {
        assert_eq!(Rewrite::parse(from, to), Err(expected), "{from} {to}");
    }
}
