//! [`SignerName`]: the name of a signer, as docker takes it.

use std::fmt;
use std::str::FromStr;

use crate::tuf::RoleName;

/// Key files say by these names which base role a key is for.
const BASE_ROLES: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

/// A signer's name: what follows `targets/` in the name of its role, and what its keys are filed under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignerName {
    name: String,
    role: RoleName,
}

impl SignerName {
    /// The name.
    pub(super) fn as_str(&self) -> &str {
        &self.name
    }

    /// The name of a signer that is there, whatever it is called.
    ///
    /// # Errors
    /// When it is none that docker takes.
    pub(super) fn existing(name: &str) -> Result<Self, String> {
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = name.starts_with(first) && name.chars().all(|c| first(c) || matches!(c, '-' | '_'));
        if !fits {
            return Err(
                "a signer's name has lower-case letters, digits, - and _, and begins with a letter or a digit"
                    .to_owned(),
            );
        }
        if name == "releases" {
            return Err("releases is the role that docker pulls from, and no signer's name: choose another"
                .to_owned());
        }
        let role = RoleName::parse(&format!("targets/{name}")).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), role })
    }

    /// What a key of the role is filed under: the signer's name, but never that of a base role, whose key it would pass for.
    pub(super) fn of_key(role: &RoleName) -> &str {
        let name = role.as_str().rsplit('/').next().unwrap_or_default();
        if BASE_ROLES.contains(&name) { role.as_str() } else { name }
    }

    /// `targets/NAME`.
    pub(super) fn role(&self) -> &RoleName {
        &self.role
    }

    /// The delegation that docker pulls from, `targets/releases`.
    ///
    /// # Errors
    /// None: it is a role name.
    pub(super) fn releases() -> anyhow::Result<RoleName> {
        Ok(RoleName::parse("targets/releases")?)
    }
}

impl FromStr for SignerName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if BASE_ROLES.contains(&name) {
            return Err(format!(
                "{name} is a base role, for whose key a signer's would pass: choose another name"
            ));
        }
        Self::existing(name)
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::SignerName;
    use crate::tuf::RoleName;

    #[test]
    fn names_are_dockers() {
        for good in ["jeff", "7", "qa-team_2"] {
            assert_eq!(good.parse::<SignerName>().unwrap().role().as_str(), format!("targets/{good}"));
        }
        for bad in [
            "",
            "Jeff",
            "-a",
            "_a",
            "a/b",
            "a.b",
            "é",
            "releases",
            "root",
            "targets",
            "snapshot",
            "timestamp",
        ] {
            assert!(bad.parse::<SignerName>().is_err(), "{bad}");
        }
        assert_eq!(SignerName::existing("root").unwrap().role().as_str(), "targets/root");
        let filed = |role: &str| SignerName::of_key(&RoleName::parse(role).unwrap()).to_owned();
        assert_eq!((filed("targets/jeff"), filed("targets/root")), ("jeff".into(), "targets/root".into()));
    }
}
