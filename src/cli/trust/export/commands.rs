//! Shell scripts that sign images with other tools.

use crate::cli::trust::accepted::Accepted;

/// Whose command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    Cosign,
    Notation,
}

impl Signer {
    fn heading(self) -> &'static str {
        match self {
            Self::Cosign => {
                ": \"${COSIGN_KEY:?set it to the key to sign with, a file or a key service's address}\"\n"
            }
            Self::Notation => "# Signs with notation's default key.\n",
        }
    }

    fn command(self, tag: &str, image: &str) -> String {
        let (tag, image) = (quoted(&format!("tag={tag}")), quoted(image));
        match self {
            Self::Cosign => format!("cosign sign --yes --key \"$COSIGN_KEY\" -a {tag} {image}\n"),
            Self::Notation => format!("notation sign --user-metadata {tag} {image}\n"),
        }
    }
}

/// A script that signs every accepted image by its digest, with the tag beside it.
pub(super) fn script(signer: Signer, found: &[Accepted]) -> String {
    let mut script = format!("#!/bin/sh\nset -eu\n{}", signer.heading());
    for one in found {
        let gun = one.repository.gun();
        let images = one.tags.iter();
        script.extend(images.map(|(tag, digest, _)| signer.command(tag, &format!("{gun}@{digest}"))));
    }
    script
}

/// As one word of a POSIX shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_tag_is_called_it_is_one_word_of_the_command() {
        for text in ["1.4", "it's", "$(touch x)", "`touch x`", "a b", "\"; rm x; \"", "a\nb", "\\", "-x", "'"]
        {
            let printed = std::process::Command::new("sh")
                .args(["-c", &format!("printf '%s|' {}", quoted(text))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(printed.stdout).unwrap(), format!("{text}|"));
        }
    }

    #[test]
    fn the_tag_is_an_annotation_of_the_digest() {
        assert_eq!(
            Signer::Cosign.command("1.4", "registry.test/web@sha256:00"),
            "cosign sign --yes --key \"$COSIGN_KEY\" -a 'tag=1.4' 'registry.test/web@sha256:00'\n"
        );
        assert_eq!(
            Signer::Notation.command("1.4", "registry.test/web@sha256:00"),
            "notation sign --user-metadata 'tag=1.4' 'registry.test/web@sha256:00'\n"
        );
    }
}
