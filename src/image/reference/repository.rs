//! The grammar of repository paths, as distribution has it.

use super::ReferenceError;

const MAX_LEN: usize = 255;

/// Checks a repository path: parts of `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`, between slashes.
pub fn check(repository: &str) -> Result<(), ReferenceError> {
    if repository.len() > MAX_LEN {
        return Err(ReferenceError::RepositoryTooLong(repository.len()));
    }
    for part in repository.split('/') {
        if part.is_empty() {
            return Err(ReferenceError::EmptyPart(repository.to_owned()));
        }
        if part.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ReferenceError::UpperCase(repository.to_owned()));
        }
        if !is_part(part) {
            return Err(ReferenceError::Repository(repository.to_owned()));
        }
    }
    Ok(())
}

fn is_part(part: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(is_alphanumeric)
        && part.ends_with(is_alphanumeric)
        && part.split(is_alphanumeric).all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}
