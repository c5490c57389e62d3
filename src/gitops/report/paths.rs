//! [`Paths`]: files as a pipeline's tools look for them, from the working directory.

use std::path::{Component, Path, PathBuf};

use crate::gitops::Origin;

/// Standard input, as files are named.
pub const STANDARD_INPUT: &str = "-";

/// Names files from the working directory.
#[derive(Debug, Clone)]
pub struct Paths {
    working_dir: PathBuf,
}

impl Paths {
    /// `working_dir` is absolute.
    pub fn new(working_dir: PathBuf) -> Self {
        Self { working_dir }
    }

    /// The way from the working directory to `file`, without `.` and with `..` at its beginning alone. Standard input stays as it is.
    pub fn relative(&self, file: &str) -> String {
        if file == STANDARD_INPUT {
            return file.to_owned();
        }
        let path = normal(&self.working_dir.join(file));
        let inside = path.strip_prefix(&self.working_dir).map(Path::to_owned).ok();
        // The working directory is told without symbolic links; an absolute path may go through some.
        let inside = inside.or_else(|| Some(real(&path)?.strip_prefix(&self.working_dir).ok()?.to_owned()));
        inside.unwrap_or_else(|| across(&self.working_dir, &path)).to_string_lossy().into_owned()
    }

    /// The file that an object was rendered from, where it is one inside the working directory.
    pub fn source(&self, origin: &Origin) -> Option<String> {
        let path = Path::new(&origin.path);
        let is_inside =
            path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let is_there = origin.repository.is_none() && is_inside && self.working_dir.join(path).is_file();
        is_there.then(|| self.relative(&origin.path))
    }
}

/// Without `.` and `..`, by the names alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// With the real name of the folder; the file itself may be a link.
fn real(path: &Path) -> Option<PathBuf> {
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}

/// The way from one folder to a file outside it.
fn across(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

/// A path as a relative URI reference (RFC 3986): everything but unreserved characters and slashes is percent-encoded, colons too,
/// before which a first segment would be a scheme.
pub fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_from_the_working_directory() {
        let paths = Paths::new("/srv/repo".into());
        for (file, relative) in [
            ("web.yaml", "web.yaml"),
            ("./deploy//web.yaml", "deploy/web.yaml"),
            ("deploy/../web.yaml", "web.yaml"),
            ("/srv/repo/deploy/web.yaml", "deploy/web.yaml"),
            ("/srv/repo/./deploy/../web.yaml", "web.yaml"),
            ("../other/web.yaml", "../other/web.yaml"),
            ("/srv/other/web.yaml", "../other/web.yaml"),
            ("/web.yaml", "../../web.yaml"),
            ("/srv/repository/web.yaml", "../repository/web.yaml"),
            ("./-", "-"),
            ("-", "-"),
        ] {
            assert_eq!(paths.relative(file), relative, "{file}");
        }
    }

    #[test]
    fn a_link_to_the_working_directory_leads_inside_it_and_a_file_that_is_a_link_stays_one() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, root.path().join("link")).unwrap();
        std::fs::write(root.path().join("outside.yaml"), "").unwrap();
        std::os::unix::fs::symlink(root.path().join("outside.yaml"), real.join("web.yaml")).unwrap();
        let paths = Paths::new(real);
        let through = root.path().join("link/web.yaml");
        assert_eq!(paths.relative(through.to_str().unwrap()), "web.yaml");
    }

    #[test]
    fn a_source_is_a_file_inside_the_working_directory() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().canonicalize().unwrap().join("work");
        std::fs::create_dir_all(work.join("chart/templates")).unwrap();
        std::fs::write(work.join("chart/templates/web.yaml"), "").unwrap();
        std::fs::write(dir.path().join("outside.yaml"), "").unwrap();
        let paths = Paths::new(work);
        let source = |path: &str, repository: Option<&str>| {
            paths.source(&Origin { path: path.to_owned(), repository: repository.map(str::to_owned) })
        };
        assert_eq!(source("./chart/templates/web.yaml", None).as_deref(), Some("chart/templates/web.yaml"));
        assert_eq!(source("chart/templates", None), None);
        assert_eq!(source("chart/templates/db.yaml", None), None);
        assert_eq!(source("../outside.yaml", None), None);
        assert_eq!(source(dir.path().join("outside.yaml").to_str().unwrap(), None), None);
        assert_eq!(source("chart/templates/web.yaml", Some("https://git.example.com/base")), None);
    }

    #[test]
    fn a_uri_has_nothing_that_a_path_alone_means() {
        assert_eq!(uri("deploy/a b#1%?.yaml"), "deploy/a%20b%231%25%3F.yaml");
        assert_eq!(uri("a:b/ü\\.yaml"), "a%3Ab/%C3%BC%5C.yaml");
        assert_eq!(uri("../~x_1-2.yaml"), "../~x_1-2.yaml");
    }
}
