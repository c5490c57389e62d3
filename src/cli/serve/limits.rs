//! [`Limits`]: the options of `tagseal serve` for a cluster that outgrows the defaults.

use std::ops::RangeInclusive;

use crate::cli::sizes::Size;
use crate::limits::Bounds;

/// Bounds that are more than the defaults, or less.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// Verified metadata in memory. Beyond, the least recently used goes, and is fetched again when it is asked for.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Bounds::default().metadata_memory), value_parser = |text: &str| size(text, Bounds::METADATA_MEMORY))]
    metadata_memory: Size,
    /// Of this, that of repositories to which only policies of one namespace lead.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Bounds::default().metadata_memory_per_namespace), value_parser = |text: &str| size(text, Bounds::METADATA_MEMORY_PER_NAMESPACE))]
    metadata_memory_per_namespace: Size,
    /// Repositories in memory that verified.
    #[arg(long, value_name = "COUNT", default_value_t = Bounds::default().repositories_in_memory, value_parser = |text: &str| count(text, Bounds::REPOSITORIES_IN_MEMORY))]
    repositories_in_memory: usize,
    /// Repositories to which only policies of one namespace may lead: each costs memory, a TrustedRepository and requests.
    #[arg(long, value_name = "COUNT", default_value_t = Bounds::default().repositories_per_namespace, value_parser = |text: &str| count(text, Bounds::REPOSITORIES_PER_NAMESPACE))]
    repositories_per_namespace: usize,
    /// TrustPolicies of one namespace that are in force. Those beyond are InvalidPolicy.
    #[arg(long, value_name = "COUNT", default_value_t = Bounds::default().policies_per_namespace, value_parser = |text: &str| count(text, Bounds::POLICIES_PER_NAMESPACE))]
    policies_per_namespace: usize,
    /// Different images in one object. An object with more is UnsupportedObject.
    #[arg(long, value_name = "COUNT", default_value_t = Bounds::default().images_per_object, value_parser = |text: &str| count(text, Bounds::IMAGES_PER_OBJECT))]
    images_per_object: usize,
    /// Reviews in flight. Beyond, a request waits for a second and gets HTTP 503.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Bounds::default().review_bytes), value_parser = |text: &str| size(text, Bounds::REVIEW_BYTES))]
    review_bytes: Size,
}

impl Limits {
    /// As those take them who keep to them.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            metadata_memory: self.metadata_memory.0,
            metadata_memory_per_namespace: self.metadata_memory_per_namespace.0,
            repositories_in_memory: self.repositories_in_memory,
            repositories_per_namespace: self.repositories_per_namespace,
            policies_per_namespace: self.policies_per_namespace,
            images_per_object: self.images_per_object,
            review_bytes: self.review_bytes.0,
        }
    }
}

fn size(text: &str, range: RangeInclusive<usize>) -> Result<Size, String> {
    let (least, most) = (Size(*range.start()), Size(*range.end()));
    let size = Size::parse(text).filter(|size| range.contains(&size.0));
    size.ok_or_else(|| format!("expected a size from {least} to {most}, like {least}"))
}

fn count(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let (least, most) = (*range.start(), *range.end());
    let count = text.parse().ok().filter(|count| range.contains(count));
    count.ok_or_else(|| format!("expected a number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        limits: Limits,
    }

    fn parse(arguments: &[&str]) -> Result<Bounds, String> {
        let command = Command::try_parse_from([&["serve"], arguments].concat());
        command.map(|command| command.limits.bounds()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_option_sets_its_bound() {
        assert_eq!(parse(&[]), Ok(Bounds::default()));
        let arguments = [
            "--metadata-memory=1Gi",
            "--metadata-memory-per-namespace=2Mi",
            "--repositories-in-memory=3000",
            "--repositories-per-namespace=4",
            "--policies-per-namespace=5",
            "--images-per-object=60",
            "--review-bytes=70Mi",
        ];
        let bounds = Bounds {
            metadata_memory: 1 << 30,
            metadata_memory_per_namespace: 2 << 20,
            repositories_in_memory: 3000,
            repositories_per_namespace: 4,
            policies_per_namespace: 5,
            images_per_object: 60,
            review_bytes: 70 << 20,
        };
        assert_eq!(parse(&arguments), Ok(bounds));
    }

    #[test]
    fn what_is_too_little_or_too_much_is_refused_with_what_may_be() {
        for (argument, expected) in [
            ("--metadata-memory=63Mi", "expected a size from 64Mi to 64Gi, like 64Mi"),
            ("--metadata-memory=65Gi", "expected a size from 64Mi to 64Gi, like 64Mi"),
            ("--metadata-memory=1000000000", "expected a size from 64Mi to 64Gi, like 64Mi"),
            ("--metadata-memory-per-namespace=1023Ki", "expected a size from 1Mi to 64Gi, like 1Mi"),
            ("--repositories-in-memory=99", "expected a number from 100 to 1000000"),
            ("--repositories-per-namespace=0", "expected a number from 1 to 100000"),
            ("--policies-per-namespace=1001", "expected a number from 1 to 1000"),
            ("--images-per-object=15", "expected a number from 16 to 10000"),
            ("--review-bytes=8Mi", "expected a size from 9Mi to 1Gi, like 9Mi"),
        ] {
            let message = parse(&[argument]).unwrap_err();
            let (option, value) = argument.split_once('=').unwrap();
            assert!(
                message.starts_with(&format!("error: invalid value '{value}' for '{option} <")),
                "{message}"
            );
            assert!(message.contains(&format!(": {expected}\n")), "{message}");
        }
    }
}
