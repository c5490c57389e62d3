//! Random manifests, written as people and tools write them, each beside the text that it has to become.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// How an image is written.
#[derive(Debug, Clone, Copy)]
enum Written {
    Plain,
    NextLine,
    Single,
    Double,
    Escaped,
    Continued,
    Literal,
    Folded,
    Tagged,
    Anchored,
}

#[derive(Debug, Clone)]
struct Image {
    name: &'static str,
    tag: &'static str,
    pinned: bool,
    written: Written,
    comment: &'static str,
}

#[derive(Debug, Clone)]
struct Doc {
    kind: usize,
    images: Vec<Image>,
    /// In flow style, as JSON or as YAML.
    flow: Option<bool>,
    /// Blanks that lists are indented by.
    dash: usize,
    before: &'static str,
    /// Whether an init container takes an alias of the first image.
    aliased: bool,
}

#[derive(Debug, Clone)]
struct Text {
    docs: Vec<Doc>,
    crlf: bool,
    bom: bool,
    final_newline: bool,
    begins: bool,
}

fn image() -> impl Strategy<Value = Image> {
    let names =
        prop::sample::select(vec!["web", "shop/api", "host.test:5000/a/b", "other/x", "ghcr.io/o/n-1"]);
    let tags = prop::sample::select(vec!["", ":1.4", ":v2_x", ":0x1F", ":latest"]);
    let written = prop::sample::select(vec![
        Written::Plain,
        Written::Plain,
        Written::NextLine,
        Written::Single,
        Written::Double,
        Written::Escaped,
        Written::Continued,
        Written::Literal,
        Written::Folded,
        Written::Tagged,
        Written::Anchored,
    ]);
    let comments = prop::sample::select(vec!["", "", " # image: web:1", "   # ü {{ x }}", " #"]);
    (names, tags, any::<bool>(), written, comments).prop_map(|(name, tag, pinned, written, comment)| Image {
        name,
        tag,
        pinned,
        written,
        comment,
    })
}

fn doc() -> impl Strategy<Value = Doc> {
    let before =
        prop::sample::select(vec!["", "# a comment: \"x\"\n\n", "# image: web:1\n", "\n\n", "#\n# ü\n"]);
    let flow = prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (0..4_usize, vec(image(), 1..4), flow, 0..5_usize, before, any::<bool>()).prop_map(
        |(kind, images, flow, dash, before, aliased)| Doc { kind, images, flow, dash, before, aliased },
    )
}

fn text() -> impl Strategy<Value = Text> {
    (vec(doc(), 1..5), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(docs, crlf, bom, final_newline, begins)| Text { docs, crlf, bom, final_newline, begins })
}

impl Image {
    /// The digest that it needs; it is signed for none where no policy matches.
    fn wanted(&self) -> Option<String> {
        let bare = format!("{}{}", self.name, if self.tag.is_empty() { ":latest" } else { self.tag });
        (!self.name.starts_with("other")).then(|| digest(&bare))
    }

    /// What follows the tag or the name, before or after pinning with `--update`.
    fn suffix(&self, is_after: bool) -> String {
        let latest = if self.tag.is_empty() { ":latest" } else { "" };
        match (self.pinned, self.wanted().filter(|_| is_after)) {
            (true, Some(digest)) if !self.tag.is_empty() => format!("@{digest}"),
            (true, _) => format!("@{OLD}"),
            (false, Some(digest)) => format!("{latest}@{digest}"),
            (false, None) => String::new(),
        }
    }

    fn scalar(&self, is_after: bool, indent: usize, anchor: &str) -> String {
        let Self { name, tag, comment, .. } = self;
        let suffix = self.suffix(is_after);
        let image = format!("{name}{tag}{suffix}");
        let blanks = " ".repeat(indent);
        let written = if anchor.is_empty() { self.written } else { Written::Single };
        match written {
            Written::Plain => format!("{image}{comment}"),
            Written::NextLine => format!("{comment}\n{blanks}  {image}"),
            Written::Single => format!("{anchor}'{image}'{comment}"),
            Written::Double => format!("\"{image}\"{comment}"),
            Written::Escaped => {
                let bare = format!("{name}{tag}").replace(':', "\\x3a").replace('/', "\\u002F");
                format!("\"{bare}{suffix}\"{comment}")
            }
            // The reference ends before the line does.
            Written::Continued if tag.is_empty() => {
                format!("\"{image}\\\n{blanks}   \\\n{blanks}  \"{comment}")
            }
            Written::Continued => format!("\"{name}\\\n{blanks}   {tag}{suffix}\\\n{blanks}  \"{comment}"),
            Written::Literal => format!("|-{comment}\n{blanks}  {image}"),
            Written::Folded => format!(">-{comment}\n{blanks}    {image}\n"),
            Written::Tagged => format!("!!str {image}{comment}"),
            Written::Anchored => format!("&unused \"{image}\"{comment}"),
        }
    }

    fn flow(&self, is_after: bool, is_json: bool) -> String {
        let image = format!("{}{}{}", self.name, self.tag, self.suffix(is_after));
        match (is_json, self.written) {
            (true, Written::Escaped) => format!("\"{}\"", image.replace('/', "\\/")),
            (true, _) => format!("\"{image}\""),
            (false, Written::Single) => format!("'{image}'"),
            (false, Written::Tagged) => format!("!!str {image} "),
            (false, _) => image,
        }
    }
}

impl Doc {
    fn text(&self, is_after: bool) -> String {
        let (api, kind, path): (_, _, &[&str]) = [
            ("v1", "Pod", &["spec"][..]),
            ("apps/v1", "Deployment", &["spec", "template", "spec"]),
            ("batch/v1", "CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
            ("example.test/v1", "Pod", &["spec"]),
        ][self.kind];
        // Of another group: left alone, whatever it holds.
        let is_after = is_after && api != "example.test/v1";
        if let Some(is_json) = self.flow {
            return self.in_flow(api, kind, path, is_json, is_after);
        }
        let mut text = format!("{}apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: x # y\n", self.before);
        for (depth, field) in path.iter().enumerate() {
            text += &format!("{}{field}:\n", "  ".repeat(depth));
        }
        let base = " ".repeat(2 * path.len());
        let dash = " ".repeat(self.dash);
        let indent = base.len() + self.dash + 2;
        text += &format!("{base}containers:\n");
        for (index, image) in self.images.iter().enumerate() {
            let anchor = if self.aliased && index == 0 { "&first " } else { "" };
            text += &format!("{base}{dash}- name: c{index}\n\n");
            text += &format!("{base}{dash}  image: {}\n", image.scalar(is_after, indent, anchor));
            text += &format!("{base}{dash}  args: [\"image: web:1\", 'x']\n");
        }
        if self.aliased {
            text += &format!("{base}initContainers:\n{base}- {{name: i, image: *first}}\n");
        }
        text
    }

    fn in_flow(&self, api: &str, kind: &str, path: &[&str], is_json: bool, is_after: bool) -> String {
        let quoted = |word: &str| if is_json { format!("\"{word}\"") } else { word.to_owned() };
        let images: Vec<_> = self
            .images
            .iter()
            .map(|image| format!("{{{}: {}}}", quoted("image"), image.flow(is_after, is_json)))
            .collect();
        let mut text = format!("{{{}: [{}]}}", quoted("containers"), images.join(", "));
        for field in path.iter().rev() {
            text = format!("{{{}: {text}}}", quoted(field));
        }
        let rest = text.strip_prefix('{').unwrap();
        format!("{{{}: {}, {}: {}, {rest}\n", quoted("apiVersion"), quoted(api), quoted("kind"), quoted(kind))
    }
}

impl Text {
    fn text(&self, is_after: bool) -> String {
        let docs: Vec<_> = self.docs.iter().map(|doc| doc.text(is_after)).collect();
        let mut text = docs.join("---\n");
        if self.begins {
            text = format!("--- # the first\n{text}");
        }
        if !self.final_newline {
            text = text.trim_end_matches('\n').to_owned();
        }
        if self.crlf {
            text = text.replace('\n', "\r\n");
        }
        if self.bom { format!("\u{feff}{text}") } else { text }
    }
}

proptest! {
    #![proptest_config(crate::random::cases(256))]

    #[test]
    fn only_the_bytes_of_images_change_and_a_second_run_changes_nothing(text in text()) {
        let (before, after) = (text.text(false), text.text(true));
        let files = [source("f.yaml", &before)];
        let (scan, plan) = planned(&files, true);
        prop_assert!(!plan.is_refused(), "{before}\n{:?} {:?}", plan.problems, plan.refusals);
        let changed = plan.changes.first().map_or(&before, |change| &change.after);
        prop_assert_eq!(changed, &after, "{:?}", scan.sites);
        let (_, again) = planned(&[source("f.yaml", &after)], true);
        prop_assert!(again.changes.is_empty() && !again.is_refused(), "{after}\n{again:?}");
    }
}
