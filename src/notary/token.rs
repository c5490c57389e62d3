//! Meets a challenge: a password for the server, or a token from its realm (Docker Registry token authentication).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use url::{Position, Url, form_urlencoded};

use super::auth::{Asker, Authorization, Reader};
use super::challenge::Challenge;
use super::deadline::Deadline;
use super::endpoint::Call;
use super::endpoints::{address, host};
use super::fault::{Fault, Shown};
use super::{realm, retry};
use crate::clock::SharedClock;
use crate::trust::{Access, SourceError};

/// Tokens are a few kilobytes.
const MAX_ANSWER: u64 = 64 << 10;
/// What a token lives where its server does not say, in seconds (Docker Registry token authentication).
const DEFAULT_LIFETIME: u64 = 60;
/// What it is used for at most, in seconds, whatever its server says.
const MAX_LIFETIME: u64 = 3600;
/// So long before it expires it is not used any more, in seconds; half its life where that is less.
const MARGIN: u64 = 10;
/// How tagseal names itself to OAuth2 token servers.
const CLIENT_ID: &str = "tagseal";

/// What answers `challenge`.
pub(super) async fn answer(
    reader: &Reader<'_>,
    challenge: Challenge,
    deadline: Deadline,
    clock: &SharedClock,
) -> Result<Authorization, SourceError> {
    match &challenge {
        Challenge::Basic => password(reader, challenge).map_err(|fault| reader.told(fault)),
        Challenge::Bearer { realm, service, .. } => {
            let realm = realm::parse(realm, &reader.asker.server.url).map_err(|fault| reader.told(fault))?;
            let request = TokenRequest::new(reader, &realm, service.as_deref(), reader.actions(&challenge));
            let sent = request.send(reader, deadline, clock).await;
            let (token, until) = sent
                .map_err(|fault| fault.told_of_realm(reader.at, &address(&realm), reader.asker.audience))?;
            Ok(Authorization { challenge, header: token, until: Some(until), shown: request.shown })
        }
    }
}

/// A server without tokens: the password goes to the server itself, which is https or a loopback host.
fn password(reader: &Reader<'_>, challenge: Challenge) -> Result<Authorization, Fault> {
    match reader.asker.access {
        Access::Basic { username, password } => {
            let header = basic(username, password.expose())?;
            Ok(Authorization { challenge, header, until: None, shown: Shown::Credentials })
        }
        Access::Anonymous => Err(Fault::WantsPassword { configured: "and none is configured" }),
        Access::IdentityToken(_) => {
            Err(Fault::WantsPassword { configured: "and an identity token is configured" })
        }
    }
}

struct TokenRequest<'a> {
    realm: &'a Url,
    /// What is really shown: nothing to a realm that may not see credentials.
    access: &'a Access,
    shown: Shown,
    /// `service` and `scope`.
    pairs: Vec<(&'static str, String)>,
}

impl<'a> TokenRequest<'a> {
    fn new(reader: &Reader<'a>, realm: &'a Url, service: Option<&str>, actions: String) -> Self {
        let Asker { server, repository, access, registry, .. } = reader.asker;
        let mut pairs = Vec::new();
        if let Some(service) = service {
            pairs.push(("service", service.to_owned()));
        }
        pairs.push(("scope", format!("repository:{repository}:{actions}")));
        let (access, shown) = match access {
            Access::Anonymous => (&Access::Anonymous, Shown::Nothing),
            access if realm::may_see_credentials(realm, server, registry) => (access, Shown::Credentials),
            _ => (&Access::Anonymous, Shown::Withheld { realm: host(realm).unwrap_or_default() }),
        };
        Self { realm, access, shown, pairs }
    }

    async fn send(
        &self,
        reader: &Reader<'_>,
        deadline: Deadline,
        clock: &SharedClock,
    ) -> Result<(HeaderValue, Timestamp), Fault> {
        let endpoint = reader.endpoints.realm(self.realm, reader.asker.server).await?;
        let asked = clock.now();
        let reply = retry::call(&endpoint, &self.call(reader.asker.known)?, deadline, clock).await?;
        match reply.status {
            StatusCode::OK => token(&reply.body, asked),
            // 400 is what OAuth2 says to a refresh token that is over (RFC 6749, 5.2 "invalid_grant").
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Fault::Denied {
                    status: reply.status.as_u16(),
                    repository: reader.asker.repository.to_owned(),
                    right: reader.asker.right,
                    shown: self.shown.clone(),
                })
            }
            status => Err(Fault::NoToken { cause: format!("status {}", status.as_u16()) }),
        }
    }

    fn call(&self, known: bool) -> Result<Call, Fault> {
        let mut url = self.realm.clone();
        let mut headers = HeaderMap::new();
        let (mut method, mut body) = (Method::GET, Bytes::new());
        match self.access {
            Access::IdentityToken(token) => {
                method = Method::POST;
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
                let form = form_urlencoded::Serializer::new(String::new())
                    .append_pair("grant_type", "refresh_token")
                    .extend_pairs(&self.pairs)
                    .append_pair("client_id", CLIENT_ID)
                    .append_pair("refresh_token", token.expose())
                    .finish();
                body = form.into();
            }
            Access::Anonymous => drop(url.query_pairs_mut().extend_pairs(&self.pairs)),
            Access::Basic { username, password } => {
                url.query_pairs_mut().extend_pairs(&self.pairs).append_pair("account", username);
                headers.insert(AUTHORIZATION, basic(username, password.expose())?);
            }
        }
        let target = url[Position::BeforePath..Position::AfterQuery].to_owned();
        Ok(Call { method, target, headers, body, max_bytes: MAX_ANSWER, known, repeatable: true })
    }
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, Fault> {
    sensitive(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
}

fn sensitive(header: String) -> Result<HeaderValue, Fault> {
    let cause = || "it has characters that no header can hold".to_owned();
    let mut header = HeaderValue::try_from(header).map_err(|_| Fault::NoToken { cause: cause() })?;
    header.set_sensitive(true);
    Ok(header)
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<serde_json::Value>,
}

/// Reads a token server's answer: the header to send, and until when.
fn token(body: &[u8], asked: Timestamp) -> Result<(HeaderValue, Timestamp), Fault> {
    // Never serde's own message: it may quote the token.
    let answer: TokenAnswer =
        serde_json::from_slice(body).map_err(|_| Fault::NoToken { cause: "it is not JSON".to_owned() })?;
    let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty());
    let token = token.ok_or_else(|| Fault::NoToken { cause: "it has no token".to_owned() })?;
    let lifetime = answer.expires_in.and_then(|seconds| seconds.as_u64()).filter(|&seconds| seconds > 0);
    let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME).min(MAX_LIFETIME);
    let used = lifetime.saturating_sub(MARGIN).max(lifetime / 2);
    let until = asked.saturating_add(SignedDuration::from_secs(used.try_into().unwrap_or_default()));
    Ok((sensitive(format!("Bearer {token}"))?, until.unwrap_or(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires() {
        let asked: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let until = |body: &str| token(body.as_bytes(), asked).map(|(_, until)| until.to_string());
        assert_eq!(until(r#"{"token":"t"}"#).unwrap(), "2026-01-01T00:00:50Z");
        assert_eq!(until(r#"{"token":"t","expires_in":300}"#).unwrap(), "2026-01-01T00:04:50Z");
        assert_eq!(until(r#"{"token":"t","expires_in":8}"#).unwrap(), "2026-01-01T00:00:04Z");
        assert_eq!(until(r#"{"token":"t","expires_in":999999999999}"#).unwrap(), "2026-01-01T00:59:50Z");
        assert_eq!(until(r#"{"token":"t","expires_in":-1}"#).unwrap(), "2026-01-01T00:00:50Z");
    }

    #[test]
    fn either_name_of_the_token_will_do_and_nothing_prints_it() {
        for body in [r#"{"token":"s3cret"}"#, r#"{"token":"","access_token":"s3cret"}"#] {
            let (header, _) = token(body.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(header, "Bearer s3cret");
            assert!(!format!("{header:?}").contains("s3cret"));
        }
    }

    #[test]
    fn an_answer_without_a_token_is_said_so_without_quoting_it() {
        let cause = |body: &str| token(body.as_bytes(), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(cause("s3cret"), Fault::NoToken { cause: "it is not JSON".into() });
        assert_eq!(cause(r#"{"token":3}"#), Fault::NoToken { cause: "it is not JSON".into() });
        assert_eq!(cause("{}"), Fault::NoToken { cause: "it has no token".into() });
        let cause = cause(r#"{"token":"a\nb"}"#);
        assert_eq!(cause, Fault::NoToken { cause: "it has characters that no header can hold".into() });
    }
}
