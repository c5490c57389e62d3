//! Docker's `config.json` and pull secrets: what is shown to whom, and that no error tells a secret.

use tagseal::trust::{Access, DockerAuths, DockerAuthsError};

/// A registry and a repository on the first line, docker's configuration on the others.
pub fn run(data: &[u8]) {
    let (line, json) = data
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or((data, &data[..0]), |end| (&data[..end], &data[end + 1..]));
    let Some((registry, repository)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' '))
    else {
        return;
    };
    for read in [DockerAuths::from_config, DockerAuths::from_legacy] {
        match read(json) {
            Ok(auths) => check(&auths, registry, repository),
            Err(error) => is_about(&error, json),
        }
    }
}

fn check(auths: &DockerAuths, registry: &str, repository: &str) {
    let mut entries = 0;
    let mut usable = 0;
    for entry in auths.entries_for(registry, repository) {
        entries += 1;
        match entry.access() {
            Ok(access) => usable += access.iter().map(holds_something).count(),
            Err(error) => assert!(matches!(error, DockerAuthsError::Auth { .. }), "{error}"),
        }
    }
    match auths.matching(registry, repository) {
        Ok(found) => assert_eq!(found.len(), usable),
        Err(error) => assert!(entries > 0 && usable == 0, "{error}"),
    }
}

/// Nothing is shown where there is nothing to show.
fn holds_something(access: &Access) {
    match access {
        Access::Anonymous => panic!("an entry says nothing"),
        Access::Basic { username, password: _ } => assert!(!username.is_empty()),
        Access::IdentityToken(token) => assert!(!token.expose().is_empty()),
    }
}

/// An error has a place within the text.
fn is_about(error: &DockerAuthsError, json: &[u8]) {
    let DockerAuthsError::Format { line, column } = error else { panic!("{error}") };
    let lines: Vec<_> = json.split(|byte| *byte == b'\n').collect();
    assert!(*line <= lines.len() && *column <= json.len() + 1, "{error}");
}
