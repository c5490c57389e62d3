use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs::create_dir_all(folder.path(name).parent().unwrap()).unwrap();
            fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes (names, before, after).
    fn write(&self, files: &[(&[&str], &str, &str)]) -> Result<(), Vec<String>> {
        let paths: Vec<Vec<PathBuf>> =
            files.iter().map(|(names, ..)| names.iter().map(|name| self.path(name)).collect()).collect();
        let replacements: Vec<_> = files
            .iter()
            .zip(&paths)
            .map(|((names, before, after), paths)| Replacement { name: names[0], paths, before, after })
            .collect();
        write(&replacements).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    /// What each file holds, by name; names that begin with a dot too.
    fn holds(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_file())
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        all.sort();
        all
    }

    #[track_caller]
    fn is(&self, wanted: &[(&str, &str)]) {
        let holds = self.holds();
        let holds: Vec<_> = holds.iter().map(|(name, text)| (&**name, &**text)).collect();
        assert_eq!(holds, wanted);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn files_keep_their_mode_and_links_stay_links() {
    let folder = Folder::with(&[("a", "1"), ("sub/b", "1")]);
    folder.mode("a", 0o640);
    symlink("sub/b", folder.path("b")).unwrap();
    folder.write(&[(&["a"], "1", "2"), (&["b"], "1", "3")]).unwrap();
    folder.is(&[("a", "2"), ("b", "3")]);
    assert_eq!(fs::metadata(folder.path("a")).unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(folder.path("b")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path("sub")).unwrap().count(), 1);
}

#[test]
fn hard_links_that_were_named_stay_one_file() {
    let folder = Folder::with(&[("a", "1")]);
    fs::hard_link(folder.path("a"), folder.path("b")).unwrap();
    folder.write(&[(&["a", "b"], "1", "2")]).unwrap();
    folder.is(&[("a", "2"), ("b", "2")]);
    let ino = |name| fs::metadata(folder.path(name)).unwrap().ino();
    assert_eq!(ino("a"), ino("b"));
}

#[test]
fn a_file_that_changed_stops_all() {
    let folder = Folder::with(&[("a", "1"), ("b", "1"), ("c", "1")]);
    fs::write(folder.path("b"), "0").unwrap();
    fs::remove_file(folder.path("c")).unwrap();
    fs::create_dir(folder.path("c")).unwrap();
    let told = folder.write(&[(&["a"], "1", "2"), (&["b"], "1", "2")]).unwrap_err();
    assert_eq!(
        told,
        [
            "b: was changed by somebody else while images were judged; nothing was written; run the command again"
        ]
    );
    folder.is(&[("a", "1"), ("b", "0")]);
    let told = folder.write(&[(&["a"], "1", "2"), (&["c"], "1", "2"), (&["d"], "1", "2")]).unwrap_err();
    assert!(told[0].starts_with("c: is no regular file"), "{told:?}");
    assert!(told.len() == 2 && told[1].starts_with("d: is not there any more"), "{told:?}");
    let told = folder.write(&[(&["a"], "1", "2"), (&["c"], "1", "2")]).unwrap_err();
    assert!(told.len() == 1 && told[0].starts_with("c: is no regular file"), "{told:?}");
    folder.is(&[("a", "1"), ("b", "0")]);
}

#[test]
fn read_only_files_and_folders_are_named() {
    let folder = Folder::with(&[("a", "1"), ("b", "1"), ("sub/c", "1")]);
    folder.mode("b", 0o444);
    folder.mode("sub", 0o555);
    let told = folder.write(&[(&["a"], "1", "2"), (&["b"], "1", "2"), (&["sub/c"], "1", "2")]).unwrap_err();
    assert!(told.len() == 2 && told[0].starts_with("b: is read-only"), "{told:?}");
    assert!(told[1].starts_with("sub/c: its folder ") && told[1].contains("is read-only"), "{told:?}");
    folder.is(&[("a", "1"), ("b", "1")]);
    folder.mode("sub", 0o755);
}

#[test]
fn what_was_renamed_comes_back_where_a_later_rename_fails() {
    let folder = Folder::with(&[("a", "1"), ("b", "1")]);
    let paths = [folder.path("a"), folder.path("b")];
    let replacement =
        |index: usize, name| Replacement { name, paths: &paths[index..=index], before: "1", after: "2" };
    let staged = stage::all(targets(&[replacement(0, "a"), replacement(1, "b")]).unwrap()).unwrap();
    assert_eq!(folder.holds().len(), 6);
    // Nothing can be renamed onto a folder that is not empty.
    let mut staged = staged;
    fs::create_dir_all(folder.path("d/e")).unwrap();
    staged[1].target.path = folder.path("d");
    let told = rename_all(staged).unwrap_err();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].message.contains("cannot be replaced: ") && told[0].message.ends_with("no file was changed"),
        "{told:?}"
    );
    folder.is(&[("a", "1"), ("b", "1")]);
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let folder = Folder::with(&[
        ("a", "1"),
        (".tagseal-abcDEF123456.tmp", "x"),
        (".tagseal-notes.tmp", "y"),
        ("k.tmp", "z"),
    ]);
    folder.write(&[(&["a"], "1", "2")]).unwrap();
    folder.is(&[(".tagseal-notes.tmp", "y"), ("a", "2"), ("k.tmp", "z")]);
    fs::write(folder.path(".tagseal-abcDEF123456.tmp"), "x").unwrap();
    clean([&*folder.path("a")]);
    folder.is(&[(".tagseal-notes.tmp", "y"), ("a", "2"), ("k.tmp", "z")]);
}

/// An access control list as Linux keeps it: these bits for the owner, the user 1234, the group, the most of both, all others.
#[cfg(target_os = "linux")]
fn access_list(bits: [u16; 5]) -> Vec<u8> {
    let entries = [(0x01, u32::MAX), (0x02, 1234), (0x04, u32::MAX), (0x10, u32::MAX), (0x20, u32::MAX)];
    let entry = |((tag, id), bits): ((u16, u32), u16)| {
        [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let entries: Vec<u8> = entries.into_iter().zip(bits).flat_map(entry).collect();
    [&2u32.to_le_bytes()[..], &entries].concat()
}

#[cfg(target_os = "linux")]
#[test]
fn files_keep_their_attributes_and_access_control_lists() {
    const ACCESS: &str = "system.posix_acl_access";
    let folder = Folder::with(&[("a", "1"), ("b", "1")]);
    let ours = access_list([6, 4, 4, 4, 0]);
    xattr::set(folder.path("a"), "user.note", b"kept").unwrap();
    xattr::set(folder.path("a"), ACCESS, &ours).unwrap();
    folder.mode("b", 0o644);
    // What new files get here, and old ones do not.
    xattr::set(folder.path(""), "system.posix_acl_default", &access_list([7, 7, 7, 7, 7])).unwrap();
    folder.write(&[(&["a"], "1", "2"), (&["b"], "1", "2")]).unwrap();
    folder.is(&[("a", "2"), ("b", "2")]);
    let get = |file, name| xattr::get(folder.path(file), name).unwrap();
    assert_eq!(get("a", "user.note").as_deref(), Some(&b"kept"[..]));
    assert_eq!(get("a", ACCESS), Some(ours));
    assert_eq!(get("b", ACCESS), None);
    let mode = |file| fs::metadata(folder.path(file)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("a"), mode("b")), (0o640, 0o644));
}
