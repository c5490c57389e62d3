//! For people: what is said of one image, and of the images in files.

use super::{ExemptBy, ImageReport, Report, SiteReport, Word};
use crate::foreign::{Foreign, one_line};

/// Before the second line of an image, and those after it.
const INDENT: &str = "            ";

/// What is said of an image, in lines.
pub fn image(image: &ImageReport) -> String {
    let mut lines = match image.verdict {
        Word::Sealed => vec![format!("sealed      {}", sealed(image))],
        word => {
            let mut lines =
                vec![format!("{:<11} {}", word.to_string().to_ascii_lowercase(), Foreign(&image.image))];
            lines.extend(image.message.iter().map(|message| one_line(message, usize::MAX).into_owned()));
            lines
        }
    };
    lines.extend(besides(image));
    if !image.ends.is_empty() {
        let ends = image.ends.iter().map(|end| format!("{} {}", end.role, end.expires));
        lines.push(format!("ends: {}", ends.collect::<Vec<_>>().join(", ")));
    }
    lines.join(&format!("\n{INDENT}"))
}

/// What is said of the images in files: a line begins with the place, or is indented and belongs to the one before it.
pub(super) fn report(report: &Report<'_>) -> String {
    report.sites.iter().map(site).collect::<Vec<_>>().join("\n")
}

/// `web.yaml:9:16: denied registry.example.com/shop/web:1.4 (Deployment shop/web, spec.containers[0].image): …`
fn site(site: &SiteReport) -> String {
    let image = &site.image;
    let shown = match image.verdict {
        Word::Sealed => sealed(image),
        _ => Foreign(&image.image).to_string(),
    };
    let word = image.verdict.to_string().to_ascii_lowercase();
    let mut first = format!("{}: {word} {shown} {}", site.place(), site.stands_at());
    if let Some(message) = &image.message {
        first.push_str(": ");
        first.push_str(message);
    }
    let mut lines = vec![one_line(&first, usize::MAX).into_owned()];
    lines.extend(besides(image));
    lines.join(&format!("\n{INDENT}"))
}

fn sealed(image: &ImageReport) -> String {
    Foreign(image.sealed.as_deref().unwrap_or(&image.image)).to_string()
}

/// `TrustExemption NAME until TIME: reason`, of one that is in force.
pub(super) fn exemption(exemption: &ExemptBy) -> String {
    let until = exemption.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
    let reason = one_line(&exemption.reason, usize::MAX);
    format!("exempt by TrustExemption {}{until}: {reason}", Foreign(&exemption.name))
}

/// The lines below the verdict: digest, signers, exemptions, warnings.
fn besides(image: &ImageReport) -> Vec<String> {
    let digest = image.digest.iter().filter(|_| image.verdict != Word::Sealed);
    let mut lines: Vec<_> = digest.map(|digest| format!("{digest}, which no policy writes")).collect();
    lines.extend(image.signed_by.iter().map(|signer| {
        let keys: Vec<_> = signer.key_ids.iter().map(|id| id.get(..12).unwrap_or(id)).collect();
        format!("signed in {} by {}", signer.role, keys.join(", "))
    }));
    lines.extend(image.exemptions.iter().map(exemption));
    let warnings = image.warnings.iter();
    lines.extend(warnings.map(|warning| format!("warning: {}", one_line(&warning.text, usize::MAX))));
    lines
}
