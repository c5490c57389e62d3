//! [`keep`]: extended attributes, access control lists among them, outlive the exchange of a file.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;

use xattr::FileExt as _;

/// Where Linux keeps a file's access control list.
const ACCESS: &str = "system.posix_acl_access";

/// Gives `new` the attributes of the file at `old`, and takes from it the access control list that its folder gave it, where `old` has
/// none.
///
/// # Errors
/// When an attribute of the user or an access control list is not to be kept. Others are the system's: most of them only it may set.
pub(super) fn keep(old: &Path, new: &File) -> io::Result<()> {
    let names = match xattr::list(old) {
        Ok(names) => names.collect::<Vec<OsString>>(),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
        Err(error) => return Err(error),
    };
    if !names.iter().any(|name| name == ACCESS) && new.list_xattr()?.any(|name| name == ACCESS) {
        new.remove_xattr(ACCESS)?;
    }
    for name in names.iter().filter(|name| !is_of_the_content(name)) {
        let copied = xattr::get(old, name).and_then(|value| match value {
            Some(value) => new.set_xattr(name, &value),
            None => Ok(()),
        });
        if must_be_kept(name) {
            copied?;
        }
    }
    Ok(())
}

/// Whether the kernel computes it from what the file holds.
fn is_of_the_content(name: &OsStr) -> bool {
    name == "security.ima" || name == "security.evm"
}

fn must_be_kept(name: &OsStr) -> bool {
    name == ACCESS || name.as_encoded_bytes().starts_with(b"user.")
}
