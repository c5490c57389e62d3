//! Manifests as people write them, by chance: kinds, styles of values, comments, anchors, line endings, several documents.

use std::fmt::Write as _;

/// Images that [`World`](super::awkward::World) signs.
const IMAGES: [&str; 7] = [
    "registry.test/shop/web:1.4",
    "registry.test/shop/web:v2",
    "registry.test/shop/web",
    "registry.test/shop/api:2.0",
    "registry.test:5000/shop/web:1.4",
    "nginx:1.27",
    "nginx",
];

const KINDS: [(&str, &str, &[&str]); 5] = [
    ("v1", "Pod", &["spec"]),
    ("apps/v1", "Deployment", &["spec", "template", "spec"]),
    ("apps/v1", "StatefulSet", &["spec", "template", "spec"]),
    ("batch/v1", "Job", &["spec", "template", "spec"]),
    ("batch/v1", "CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
];

/// A file. `below` is chance: a number below its argument.
pub fn manifest(below: &mut dyn FnMut(u64) -> u64) -> String {
    let mut text = String::new();
    for document in 0..=below(3) {
        if document > 0 || below(3) == 0 {
            text.push_str(["---\n", "--- # next\n", "---\n\n"][pick(below, 3)]);
        }
        object(&mut text, document, below);
        if below(4) == 0 {
            text.push_str("---\n# nothing here\n");
        }
    }
    if below(6) == 0 {
        text.truncate(text.trim_end().len());
    }
    if below(5) == 0 {
        text = text.replace('\n', "\r\n");
    }
    if below(8) == 0 {
        text.insert(0, '\u{feff}');
    }
    text
}

fn pick(below: &mut dyn FnMut(u64) -> u64, end: usize) -> usize {
    usize::try_from(below(end as u64)).unwrap_or_default()
}

fn object(text: &mut String, number: u64, below: &mut dyn FnMut(u64) -> u64) {
    let (version, kind, path) = KINDS[pick(below, KINDS.len())];
    let _ =
        write!(text, "apiVersion: {version}\nkind:   {kind} # a {kind}\nmetadata:\n  name: web-{number}\n");
    if below(3) == 0 {
        text.push_str("  annotations:\n    image: 'registry.test/shop/web:1.4'\n    note: |\n      image: nginx\n\n      more\n");
    }
    let mut indent = 0;
    for field in path {
        let _ = writeln!(text, "{:indent$}{field}:", "");
        indent += 2;
    }
    // Sequences may stand as far to the left as their key.
    let dash = indent + if below(2) == 0 { 2 } else { 0 };
    let mut anchors = 0;
    for list in ["initContainers", "containers"] {
        if list == "initContainers" && below(2) == 0 {
            continue;
        }
        let _ = writeln!(text, "{:indent$}{list}:", "");
        for container in 0..=below(3) {
            if below(4) == 0 {
                let _ = writeln!(text, "{:dash$}# container {container}", "");
            }
            let image = image(dash + 2, number, &mut anchors, below);
            let name = format!("{}-{container}", list.to_lowercase());
            match below(3) {
                0 => drop(write!(text, "{:dash$}- image: {image}\n{:dash$}  name: {name}\n", "", "")),
                1 => drop(write!(text, "{:dash$}- name: {name}\n{:dash$}  \"image\": {image}\n", "", "")),
                _ => drop(write!(text, "{:dash$}-   name: {name}\n\n{:dash$}    image: {image}\n", "", "")),
            }
        }
    }
    if below(3) == 0 {
        let _ = writeln!(
            text,
            "{:indent$}volumes: [{{name: data, image: {{reference: {}}}}}]",
            "",
            IMAGES[pick(below, 7)]
        );
    }
}

/// The value of an `image`, in any style, to stand behind `image: `.
fn image(column: usize, number: u64, anchors: &mut u64, below: &mut dyn FnMut(u64) -> u64) -> String {
    let image = IMAGES[pick(below, IMAGES.len())];
    let deep = column + 4;
    match below(10) {
        0 => format!("'{image}'"),
        1 => format!("\"{image}\"   # quoted"),
        2 => format!("\"{}\"", image.replacen('n', "\\x6e", 1)),
        3 => format!("\"{}\\\n{:deep$}{}\"", &image[..4], "", &image[4..]),
        4 => format!("|-\n{:deep$}{image}", ""),
        5 => format!(">-\n{:deep$}{image}", ""),
        6 => format!("\n{:deep$}{image} # on its own line", ""),
        7 => {
            *anchors += 1;
            format!("&image-{number}-{anchors} {image}")
        }
        8 if *anchors > 0 => format!("*image-{number}-{anchors}"),
        _ => format!("{image} # image: {image}"),
    }
}
