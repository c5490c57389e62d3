//! [`Fault`]: what went wrong with a request, as data; its text ends with what to check.

use super::deadline::Span;
use super::peer::CertificateFault;
use crate::trust::SourceError;

/// What went wrong. Shown after the address of the server that it went wrong with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    // The address.
    #[error("plain http is for loopback hosts only: write https:// in spec.notary.server")]
    PlainHttp,
    #[error("not the address of a server: write https://HOST in spec.notary.server")]
    Address,
    #[error("TLS cannot be set up ({cause})")]
    Setup { cause: String },
    #[error("spec.notary.caBundle cannot be read ({cause}): it must be certificates in PEM")]
    CaBundle { cause: String },
    #[error(
        "the system has no roots to believe ({cause}): install ca-certificates, or set spec.notary.caBundle"
    )]
    NoSystemRoots { cause: String },

    // The way there.
    #[error("no address for {host} ({cause}): check the host in spec.notary.server, and the DNS")]
    Dns { host: String, cause: String },
    #[error("connection refused: check that the server runs, and the port in spec.notary.server")]
    Refused,
    #[error("cannot connect ({cause}): check the route to the host in spec.notary.server")]
    Connect { cause: String },
    #[error(
        "no connection within {within}: check the host and port in spec.notary.server, and whether a firewall \
         or NetworkPolicy drops the packets"
    )]
    ConnectTimeout { within: Span },
    #[error("the proxy {proxy} cannot be used: only http:// proxies can; check HTTPS_PROXY")]
    ProxyScheme { proxy: String },
    #[error("the proxy {proxy} is not to be reached ({cause}): check HTTPS_PROXY and NO_PROXY")]
    Proxy { proxy: String, cause: String },
    #[error("the proxy {proxy} answered CONNECT with {status}: check HTTPS_PROXY, its rules, and NO_PROXY")]
    ProxyRefused { proxy: String, status: String },

    // TLS.
    #[error("{0}")]
    Certificate(CertificateFault),
    #[error("it does not answer in TLS: it may speak plain http on that port; check spec.notary.server")]
    NotTls,
    #[error(
        "it closed the connection during the TLS handshake: check that the port in spec.notary.server is its https port"
    )]
    HandshakeClosed,
    #[error("the TLS handshake failed ({cause}): check the TLS versions and ciphers that the server allows")]
    Handshake { cause: String },
    #[error(
        "the TLS handshake did not finish within {within}: check that the port in spec.notary.server is its https port"
    )]
    HandshakeTimeout { within: Span },

    // HTTP.
    #[error(
        "too many requests wait for it ({waiting}), so this one was not made: check why it is slow, and who \
         names so many unknown repositories"
    )]
    QueueFull { waiting: usize },
    #[error(
        "the request waited {within} for its turn: check why the server is slow, and who names so many unknown repositories"
    )]
    Busy { within: Span },
    #[error("no answer within {within}: check the server's load and log")]
    AnswerTimeout { within: Span },
    #[error(
        "the answer did not arrive whole within {within} ({bytes} bytes came): check the server's load and the network"
    )]
    BodyTimeout { within: Span, bytes: u64 },
    #[error("it closed the connection without an answer: check its log")]
    Closed,
    #[error("it closed the connection in the middle of the answer, after {bytes} bytes: check its log")]
    BodyCut { bytes: u64 },
    #[error("its answer is not HTTP: it may want https; check spec.notary.server")]
    NotHttp,
    #[error("its answer is not HTTP/1.1 ({cause}): check what listens there")]
    Malformed { cause: String },
    #[error(
        "it answered {status} and redirects to {location:?}, and redirects are not followed: write the final \
         address in spec.notary.server"
    )]
    Redirect { status: u16, location: String },
    #[error("it answered {status} {times}: check its log")]
    Failing { status: u16, times: Times },
    #[error("it answered {status} and asks to be left alone for {wait}: check its limits")]
    RetryLater { status: u16, wait: Span },
    #[error(
        "it answered {status}, which says nothing about the file: check spec.notary.server, and what stands before it"
    )]
    Status { status: u16 },

    // What came.
    #[error("the answer is larger than the {max_bytes} bytes that it may have")]
    TooLarge { max_bytes: u64 },
    #[error(
        "the answer is encoded ({encoding:?}), which was not asked for: check what stands before the server"
    )]
    Encoded { encoding: String },

    // Who may read.
    #[error("it answered {status} for {gun}; {shown}")]
    Denied { status: u16, gun: String, shown: Shown },
    #[error("it answered 401 without a challenge that can be met: check its auth configuration")]
    NoChallenge,
    #[error("it asks for a user name and a password, {shown}: set spec.notary.credentials")]
    WantsPassword { shown: &'static str },
    #[error("{0}")]
    Realm(RealmFault),
    #[error("its answer is not a token ({cause}): check the token server")]
    NoToken { cause: String },
    #[error("no token came within {within}: check the token server")]
    TokenTimeout { within: Span },
}

/// Why nothing is sent to a token realm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RealmFault {
    #[error(
        "its token realm {realm:?} is not a URL that can be asked: check the server's auth configuration"
    )]
    NotUrl { realm: String },
    #[error(
        "its token realm {realm:?} is not https, so it was not asked: check the server's auth configuration"
    )]
    Insecure { realm: String },
    #[error(
        "its token realm {realm:?} is an address of this machine or link, so it was not asked: check the server's \
         auth configuration"
    )]
    Inside { realm: String },
}

/// What a server that refuses had been shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Shown {
    #[error(
        "no credentials were shown: set spec.notary.credentials if the repository is private, or check its name"
    )]
    Nothing,
    #[error("the credentials were shown: check that they are right and may pull the repository")]
    Credentials,
    #[error(
        "the credentials were not sent, because the token realm is on {realm}, neither the server's host nor the \
         registry's: add {realm} to spec.notary.tokenRealms if it may see them"
    )]
    Withheld { realm: String },
}

/// How often something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times(pub(super) u32);

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            1 => f.write_str("once"),
            2 => f.write_str("twice"),
            n => write!(f, "{n} times"),
        }
    }
}

impl Fault {
    /// The error that `trust` sees; `at` is the address that the fault is about.
    pub(super) fn told(self, at: &str) -> SourceError {
        let message = format!("{at}: {self}");
        match self {
            Self::TooLarge { .. } | Self::Encoded { .. } => SourceError::Invalid { message },
            Self::Denied { .. } | Self::NoChallenge | Self::WantsPassword { .. } | Self::Realm(_) => {
                SourceError::Unauthorized { message }
            }
            _ => SourceError::Unreachable { message },
        }
    }

    /// Whether it says that the connection went away before an answer came, as kept-alive ones do.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

/// Text from a peer, fit for a message: printable, and at most 200 characters.
pub(super) fn clean(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut cleaned: String = text.chars().take(200).map(printable).collect();
    if text.chars().nth(200).is_some() {
        cleaned.push('…');
    }
    cleaned
}
