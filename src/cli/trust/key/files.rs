//! Files that key commands read and write outside the trust directory.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};

/// Writes a file that is not there yet. `private` files are for their owner alone (0600), from the first byte on.
///
/// # Errors
/// When there is a file already, or it cannot be written.
pub(super) fn create(path: &Path, text: &str, private: bool) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if private { 0o600 } else { 0o644 });
    }
    let mut file = match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already, and nothing is overwritten: name another file", path.display())
        }
        file => file.with_context(|| format!("cannot write {}", path.display()))?,
    };
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a key is worse than none.
        let _ = std::fs::remove_file(path);
        return Err(error).with_context(|| format!("cannot write {}", path.display()));
    }
    Ok(())
}

/// Refuses a private key that others may read, as docker does.
///
/// # Errors
/// When the file is readable or writable by others, with the command that helps.
pub(in crate::cli) fn check_private(path: &Path) -> anyhow::Result<()> {
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o077 != 0 {
            bail!("others may read the private key {0}: run `chmod 600 {0}` first", path.display());
        }
    }
    let _ = metadata;
    Ok(())
}
