//! References, patterns and rewrites: what is printed is read as the same, and a pattern matches as its text says.

use tagseal::digest::Digest;
use tagseal::image::{ImagePattern, ImageReference, Rewrite};

/// Lines: a reference, a pattern, and the `to` of a rewrite whose `from` the pattern is.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (reference, pattern, to) = (line(), line(), line());
    let image = ImageReference::parse(reference).ok();
    image.iter().for_each(check_reference);
    let Ok(matcher) = ImagePattern::parse(pattern) else { return };
    let again = ImagePattern::parse(matcher.as_str()).unwrap();
    assert_eq!(again, matcher);
    if let Some(image) = &image {
        check_match(&matcher, image);
        assert_eq!(again.includes(image), matcher.includes(image));
    }
    if let Ok(rewrite) = Rewrite::parse(pattern, to) {
        image.iter().for_each(|image| check_rewrite(&rewrite, &matcher, image));
    }
}

fn check_reference(image: &ImageReference) {
    let printed = image.to_string();
    let again = ImageReference::parse(&printed).unwrap();
    assert_eq!(again.to_string(), printed);
    assert_eq!((again.name(), again.tag(), again.digest()), (image.name(), image.tag(), image.digest()));
    assert_eq!(image.name(), format!("{}/{}", image.registry(), image.repository()));
    assert_eq!(image.segments().collect::<Vec<_>>().join("/"), image.name());
    assert!(image.tag().is_some() || image.digest().is_some());

    let digest = Digest::from_bytes([7; 32]);
    let sealed = image.with_digest(digest);
    if let Ok(sealed) = ImageReference::parse(&sealed) {
        assert_eq!((sealed.name(), sealed.tag()), (image.name(), image.tag()));
        assert_eq!(sealed.digest(), Some(digest));
        assert_eq!(sealed.with_digest(digest), sealed.original());
    } else {
        assert!(sealed.len() > ImageReference::MAX_LEN, "{sealed}");
    }
}

/// By the text alone, and by trying everything that a star may stand for.
fn check_match(pattern: &ImagePattern, image: &ImageReference) {
    let text = pattern.as_str();
    let (name, tag) = match text.rfind(['/', ':']) {
        Some(at) if text.as_bytes()[at] == b':' => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    };
    let segments: Vec<_> = name.split('/').collect();
    let parts: Vec<_> = image.segments().collect();
    // The number of ways to match grows fast with the number of stars.
    if segments.len() > 6 || text.matches('*').count() > 6 || parts.len() > 12 {
        return;
    }
    let name = covers(&segments, &parts);
    let tag = tag
        .is_none_or(|tag| image.tag().is_some_and(|found| glob(tag.as_bytes(), found.as_str().as_bytes())));
    let by_digest = image.digest().is_some();
    let is_tagged = pattern.tag().is_some();
    assert_eq!(pattern.matches_name(image), name);
    assert_eq!(pattern.covers_tag(image), name && tag);
    assert_eq!(pattern.includes(image), name && (tag || by_digest));
    assert_eq!(pattern.excludes(image), name && tag && !(is_tagged && by_digest));
}

fn covers(pattern: &[&str], name: &[&str]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((&"**", rest)) => (0..=name.len()).any(|taken| covers(rest, &name[taken..])),
        Some((segment, rest)) => name.split_first().is_some_and(|(first, others)| {
            glob(segment.as_bytes(), first.as_bytes()) && covers(rest, others)
        }),
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|taken| glob(rest, &text[taken..])),
        Some((byte, rest)) => {
            text.split_first().is_some_and(|(first, others)| first == byte && glob(rest, others))
        }
    }
}

fn check_rewrite(rewrite: &Rewrite, from: &ImagePattern, image: &ImageReference) {
    let rewritten = rewrite.apply(image);
    assert_eq!(rewritten.is_some(), from.matches_name(image));
    if let Some(Ok(name)) = rewritten {
        let (registry, repository) = name.split_once('/').unwrap();
        assert!(!registry.is_empty() && !repository.is_empty());
        ImageReference::parse(&name).unwrap();
        rewrite.origin(&name);
    }
}
