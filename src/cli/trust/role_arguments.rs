//! Roles and a repository among positional arguments, in tagseal's order or in notary's.

use anyhow::{Context as _, bail};

use crate::cli::repository::Repository;
use crate::tuf::RoleName;

/// Splits `ROLE… REPOSITORY` (or notary's `REPOSITORY ROLE…`): the repository stands last, or first.
///
/// # Errors
/// When neither end is a repository, or another argument is no role.
pub(super) fn split(arguments: &[String]) -> anyhow::Result<(Vec<RoleName>, Repository)> {
    let role = |text: &String| {
        RoleName::parse(text).with_context(|| {
            format!(
                "{text:?} is not a role: they are called root, targets, snapshot, timestamp and targets/NAME"
            )
        })
    };
    let is_role = |text: &String| RoleName::parse(text).is_ok();
    let (roles, repository) = match arguments {
        [first, .., last] if is_role(last) && !is_role(first) => (&arguments[1..], first),
        [first @ .., last] => (first, last),
        [] => bail!("name a role and a repository"),
    };
    if roles.is_empty() {
        bail!("name a role and a repository");
    }
    Ok((roles.iter().map(role).collect::<anyhow::Result<_>>()?, Repository::whole(repository)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_stands_last_or_first() {
        let split = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            let (roles, repository) = split(&arguments).unwrap();
            (
                roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                repository.gun().to_string(),
            )
        };
        let expected = ("targets targets/qa".to_owned(), "r.example.com/web".to_owned());
        assert_eq!(split(&["targets", "targets/qa", "r.example.com/web"]), expected);
        assert_eq!(split(&["r.example.com/web", "targets", "targets/qa"]), expected);
        // A repository of Docker Hub may be called as a role is: then it stands last.
        assert_eq!(split(&["targets", "targets/web"]), ("targets".into(), "docker.io/targets/web".into()));
    }

    #[test]
    fn what_is_no_role_is_named() {
        let error = split(&["Targets".to_owned(), "r.example.com/web".to_owned()]).unwrap_err();
        assert!(error.to_string().starts_with("\"Targets\" is not a role"), "{error:#}");
    }
}
