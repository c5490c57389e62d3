//! `NOTARY_AUTH`: credentials for a trust server, as the notary client reads them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::trust::{Access, CredentialError, Secret};

/// The variable.
const NAME: &str = "NOTARY_AUTH";

/// What it holds in this process; an empty one counts as none.
pub fn from_env() -> Option<Secret> {
    std::env::var(NAME).ok().filter(|value| !value.is_empty()).map(Secret::new)
}

/// Reads base64 of `USER:PASSWORD`. As for notary, blanks around the password, such as the line feed of `echo`, do not count.
///
/// # Errors
/// What is wrong with it, and never a part of it.
pub fn read(value: &Secret) -> Result<Access, CredentialError> {
    let wrong = |what: &str| CredentialError {
        message: format!(
            "{NAME} {what}: set it to base64 of USER:PASSWORD (`printf %s USER:PASSWORD | base64 -w0`), or unset it"
        ),
    };
    let decoded = STANDARD.decode(value.expose().trim()).map_err(|_| wrong("is not base64"))?;
    let text = String::from_utf8(decoded).map_err(|_| wrong("does not hold UTF-8"))?;
    match text.split_once(':') {
        None => Err(wrong("has no colon between user and password")),
        Some(("", _)) => Err(wrong("has no user")),
        Some((user, password)) => {
            Ok(Access::Basic { username: user.to_owned(), password: Secret::new(password.trim()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Access, String> {
        read(&Secret::new(STANDARD.encode(text))).map_err(|error| error.to_string())
    }

    #[test]
    fn a_user_and_a_password_are_read_as_notary_reads_them() {
        let access = |username: &str, password: &str| {
            Ok(Access::Basic { username: username.to_owned(), password: Secret::new(password) })
        };
        assert_eq!(of("robot:s3cret"), access("robot", "s3cret"));
        assert_eq!(of("robot:a:b \n"), access("robot", "a:b"));
        assert_eq!(of("robot:"), access("robot", ""));
    }

    #[test]
    fn what_is_wrong_with_it_is_told_without_it() {
        let told = |what: &str| {
            format!(
                "NOTARY_AUTH {what}: set it to base64 of USER:PASSWORD (`printf %s USER:PASSWORD | base64 -w0`), or unset it"
            )
        };
        assert_eq!(of("robot"), Err(told("has no colon between user and password")));
        assert_eq!(of(":s3cret"), Err(told("has no user")));
        let raw = |value: &str| read(&Secret::new(value)).unwrap_err().to_string();
        assert_eq!(raw("robot:s3cret"), told("is not base64"));
        assert_eq!(raw("/w=="), told("does not hold UTF-8"));
    }
}
