//! The authorities that docker has for a host: `HOST[:PORT]/*.crt` in a folder of its own.

use std::path::{Path, PathBuf};

use anyhow::bail;
use url::Url;

use super::repository::read;

/// `$DOCKER_CONFIG`, else `~/.docker`.
///
/// # Errors
/// When neither variable is set.
pub fn docker_directory() -> anyhow::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match (variable("DOCKER_CONFIG"), variable("HOME")) {
        (Some(directory), _) => Ok(directory),
        (None, Some(home)) => Ok(home.join(".docker")),
        (None, None) => {
            bail!("neither DOCKER_CONFIG nor HOME is set: name the trust directory with --trust-dir")
        }
    }
}

/// Where docker keeps what it knows of trust servers: `tls` in its configuration folder.
pub fn of_trust_servers() -> Option<PathBuf> {
    docker_directory().ok().map(|directory| directory.join("tls"))
}

/// `HOST[:PORT]` in a folder: what docker knows of a server.
pub fn host_folder(folder: &Path, server: &Url) -> Option<PathBuf> {
    let host = server.host_str()?;
    Some(folder.join(server.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))))
}

/// All of `HOST[:PORT]/*.crt` in a folder, as PEM.
///
/// # Errors
/// When one cannot be read.
pub fn of_host(folder: &Path, server: &Url) -> anyhow::Result<Option<String>> {
    let Some(folder) = host_folder(folder, server) else { return Ok(None) };
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(None) };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "crt"));
    files.sort();
    let pem: Vec<String> = files.iter().map(read).collect::<anyhow::Result<_>>()?;
    Ok((!pem.is_empty()).then(|| pem.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::of_host;

    #[test]
    fn all_certificates_of_a_host_and_port_count_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().join("notary.example.com:4443");
        std::fs::create_dir(&host).unwrap();
        for (name, text) in [("b.crt", "B"), ("a.crt", "A"), ("client.cert", "no"), ("client.key", "no")] {
            std::fs::write(host.join(name), text).unwrap();
        }
        let found = |url: &str| of_host(folder.path(), &url.parse().unwrap()).unwrap();
        assert_eq!(found("https://notary.example.com:4443/path").as_deref(), Some("A\nB"));
        assert_eq!(found("https://notary.example.com"), None);
    }
}
