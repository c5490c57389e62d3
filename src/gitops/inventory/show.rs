//! The inventory for people: a line a row, and a summary.

use std::collections::BTreeSet;

use super::answer::Answer;
use super::row::{Row, Standing};
use crate::foreign::{Foreign, cut, one_line};
use crate::gitops::report::Word;

/// The columns.
pub const HEADING: [&str; 8] = ["NAMESPACE", "OWNER", "SITE", "IMAGE", "PODS", "NOW", "ANEW", "WHY"];

/// How much of a reason the table shows, in characters. JSON has all of it.
const WHY: usize = 240;
/// How much of a digest the table shows, in characters.
const DIGEST: usize = 12;

/// A row's cells.
pub fn cells(row: &Row) -> Vec<String> {
    let now = match row.pods {
        0 => "-".to_owned(),
        _ => word(row.now.as_ref()),
    };
    vec![
        Foreign(&row.namespace).to_string(),
        format!("{}/{}", Foreign(&row.owner.kind), Foreign(&row.owner.name)),
        format!("{} {}", singular(row.site.list), Foreign(&row.site.name)),
        Foreign(&shortened(&row.image)).to_string(),
        row.pods.to_string(),
        now,
        word(row.anew.as_ref()),
        why(row),
    ]
}

fn word(answer: Option<&Answer>) -> String {
    let Some(answer) = answer else { return "-".to_owned() };
    match (answer.word(), answer.report.reason) {
        // The reason says it all.
        (Word::Denied, Some(reason)) => reason.to_string(),
        (word, Some(reason)) => format!("{word} {reason}"),
        (word, None) => word.to_string(),
    }
}

fn singular(list: &str) -> &str {
    match list {
        "initContainers" => "init",
        "ephemeralContainers" => "ephemeral",
        "volumes" => "volume",
        _ => "container",
    }
}

/// The image with the beginning of its digest: nobody compares 64 digits by eye.
fn shortened(image: &str) -> String {
    match image.split_once("@sha256:") {
        Some((name, hex)) if hex.len() > DIGEST && hex.is_ascii() => {
            format!("{name}@sha256:{}", hex.get(..DIGEST).unwrap_or(hex))
        }
        _ => image.to_owned(),
    }
}

fn why(row: &Row) -> String {
    let message = |answer: &Option<Answer>| answer.as_ref().and_then(|answer| answer.report.message.clone());
    let text = match row.standing {
        Standing::Refused => message(&row.now),
        Standing::RefusedAnew => message(&row.anew).map(|why| format!("anew: {why}")),
        Standing::Undecided => message(&row.now).or_else(|| message(&row.anew)),
        Standing::Ending => row.ends.as_ref().map(|ends| format!("{}: {}", ends.at, ends.what)),
        Standing::Changing => {
            let digest = row.anew.as_ref().and_then(|anew| anew.report.digest.as_deref());
            digest.map(|digest| format!("anew it would be {}", cut(digest, "sha256:".len() + DIGEST + 3)))
        }
        Standing::Observed => {
            let warnings =
                [&row.now, &row.anew].into_iter().flatten().flat_map(|answer| &answer.report.warnings);
            warnings.into_iter().find(|warning| warning.reason.is_some()).map(|warning| warning.text.clone())
        }
        Standing::Unmatched => Some("no policy matches".to_owned()),
        Standing::Excluded => Some("the webhooks are not asked about this namespace".to_owned()),
        Standing::Exempt => Some("a TrustExemption takes it out".to_owned()),
        Standing::Good => row.ends.as_ref().map(|ends| format!("until {}", ends.at)),
    };
    one_line(&text.unwrap_or_default(), WHY).into_owned()
}

/// How many images stand how, in one line.
pub fn summary(rows: &[Row]) -> String {
    let namespaces: BTreeSet<_> = rows.iter().map(|row| &row.namespace).collect();
    let mut parts = Vec::new();
    for standing in Standing::ALL {
        let count = rows.iter().filter(|row| row.standing == standing).count();
        let what = match standing {
            Standing::Refused => "run and would be refused",
            Standing::RefusedAnew => "would be refused if created anew",
            Standing::Undecided => "could not be decided",
            Standing::Ending => "pass for less than 30 days, or superseded",
            Standing::Changing => "would change when created anew",
            Standing::Observed => "only have warnings",
            Standing::Unmatched => "match no policy",
            Standing::Excluded => "are in excluded namespaces",
            Standing::Exempt => "are exempt",
            Standing::Good => "are good",
        };
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let counted = match (rows.len(), namespaces.len()) {
        (0, _) => return "no images".to_owned(),
        (1, _) => "1 image".to_owned(),
        (images, 1) => format!("{images} images in 1 namespace"),
        (images, namespaces) => format!("{images} images in {namespaces} namespaces"),
    };
    format!("{counted}: {}", parts.join(", "))
}
