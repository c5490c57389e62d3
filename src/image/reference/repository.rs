//! The grammar of repository paths, as distribution has it.

use super::ReferenceError;

const MAX_LEN: usize = 255;

/// Checks a repository path: parts of `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`, between slashes.
pub fn check(repository: &str) -> Result<(), ReferenceError> {
    if repository.len() > MAX_LEN {
        return Err(ReferenceError::RepositoryTooLong(repository.len()));
    }
    match repository.split('/').find(|part| !is_part(part.as_bytes())) {
        None => Ok(()),
        Some("") => Err(ReferenceError::EmptyPart(repository.to_owned())),
        Some(part) if part.bytes().any(|b| b.is_ascii_uppercase()) => {
            Err(ReferenceError::UpperCase(repository.to_owned()))
        }
        Some(_) => Err(ReferenceError::Repository(repository.to_owned())),
    }
}

/// Looks at each byte once: every admission comes by here.
fn is_part(part: &[u8]) -> bool {
    // Where the last letter or digit was, and one on.
    let mut after = 0;
    for (at, byte) in part.iter().enumerate() {
        if matches!(byte, b'a'..=b'z' | b'0'..=b'9') {
            if at > after && (after == 0 || !is_separator(&part[after..at])) {
                return false;
            }
            after = at + 1;
        }
    }
    after > 0 && after == part.len()
}

fn is_separator(between: &[u8]) -> bool {
    matches!(between, b"." | b"_" | b"__") || between.iter().all(|byte| *byte == b'-')
}
