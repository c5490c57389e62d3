//! [`Fault`]: what went wrong with a request, as data; and how an admin is told, with what to check.

use bytes::Bytes;

use super::audience::Audience;
use super::deadline::Span;
use super::peer::CertificateFault;
use super::right::Right;
use crate::digest::Digest;
use crate::foreign::plain;
use crate::trust::SourceError;

/// What went wrong. Its text is the problem alone; [`Fault::told`] adds whose it is and what to check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    // The address.
    #[error("plain http is for loopback hosts only")]
    PlainHttp,
    #[error("it is not the address of a server")]
    Address,
    #[error("TLS cannot be set up ({cause})")]
    Setup { cause: String },
    #[error("the CA bundle cannot be read ({cause})")]
    CaBundle { cause: String },
    #[error("the system has no roots to believe ({cause})")]
    NoSystemRoots { cause: String },

    // The way there.
    #[error("no address for {host} ({cause})")]
    Dns { host: String, cause: String },
    #[error("connection refused")]
    Refused,
    #[error("cannot connect ({cause})")]
    Connect { cause: String },
    #[error("no connection within {within}")]
    ConnectTimeout { within: Span },
    #[error("{variable} names a proxy of the kind {scheme}://, and only http:// ones can be used")]
    ProxyScheme { variable: &'static str, scheme: String },
    #[error("{variable} is not the address of a proxy ({proxy:?})")]
    ProxyUrl { variable: &'static str, proxy: String },
    #[error("the proxy {proxy} is not to be reached ({cause})")]
    Proxy { variable: &'static str, proxy: String, cause: String },
    #[error("the proxy {proxy} answered CONNECT with {status:?}")]
    ProxyRefused { variable: &'static str, proxy: String, status: String },

    // TLS.
    #[error("{0}")]
    Certificate(CertificateFault),
    #[error("it asks for a client certificate, and does not take what it was shown ({alert})")]
    ClientCertificate { alert: String },
    #[error("the client certificate in the secret {secret} cannot be shown: {cause}")]
    NamedCertificate { secret: String, cause: String },
    #[error("it does not answer in TLS")]
    NotTls,
    #[error("it closed the connection during the TLS handshake")]
    HandshakeClosed,
    #[error("the TLS handshake failed ({cause})")]
    Handshake { cause: String },
    #[error("the TLS handshake did not finish within {within}")]
    HandshakeTimeout { within: Span },

    // HTTP.
    #[error("{waiting} requests wait for it already, so this one was not made")]
    QueueFull { waiting: usize },
    #[error("the request waited {within} for its turn")]
    Busy { within: Span },
    #[error("no answer within {within}")]
    AnswerTimeout { within: Span },
    #[error("the answer did not arrive whole within {within} ({bytes} B came)")]
    BodyTimeout { within: Span, bytes: u64 },
    #[error("it closed the connection without an answer")]
    Closed,
    #[error("it closed the connection in the middle of the answer, after {bytes} B")]
    BodyCut { bytes: u64 },
    #[error("its answer is not plain http")]
    NotHttp,
    #[error("its answer is not HTTP/1.1 ({cause})")]
    Malformed { cause: String },
    #[error("it answered {status} and redirects to {location:?}, and redirects are not followed")]
    Redirect { status: u16, location: String },
    #[error("it answered {status} {times}")]
    Failing { status: u16, times: Times, body: Bytes },
    #[error("it answered {status} and asks to be left alone for {wait}")]
    RetryLater { status: u16, wait: Span },
    #[error("it answered {status}, which says nothing about the file")]
    Status { status: u16 },

    // What came.
    #[error("the answer is larger than the {max_bytes} bytes that it may have")]
    TooLarge { max_bytes: u64 },
    #[error("the answer is encoded as {encoding:?}, which was not asked for")]
    Encoded { encoding: String },

    #[error("the answer is no manifest ({media_type:?})")]
    NoManifest { media_type: String },
    #[error("the manifest that came has the digest {digest}, not {said:?}")]
    OtherDigest { said: String, digest: Digest },

    // Who may read.
    #[error("it answered {status} for {repository}{}; {shown}", lack(*right))]
    Denied { status: u16, repository: String, right: Right, shown: Shown },
    #[error("it answered 401 without a challenge that can be met")]
    NoChallenge,
    #[error("it asks for a user name and a password, {configured}")]
    WantsPassword { configured: &'static str },
    #[error("{0}")]
    Realm(RealmFault),
    #[error("its answer is not a token ({cause})")]
    NoToken { cause: String },
    #[error("no token came within {within}")]
    TokenTimeout { within: Span },
}

/// Why nothing is sent to a token realm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RealmFault {
    #[error("its token realm {realm:?} is not a URL that can be asked")]
    NotUrl { realm: String },
    #[error("its token realm {realm:?} is not https, so nothing was sent there")]
    Insecure { realm: String },
    #[error("its token realm {realm:?} is an address of this machine or link, so nothing was sent there")]
    Inside { realm: String },
}

/// What a server that refuses had been shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Shown {
    #[error("no credentials were shown")]
    Nothing,
    #[error("the credentials were shown")]
    Credentials,
    #[error(
        "the credentials were not sent, because its token realm is on {realm}, which is neither its own host nor \
         the registry's"
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
    /// The error that `trust` sees, about the server at `address`.
    pub(super) fn told(self, address: &str, audience: Audience<'_>) -> SourceError {
        let message = format!("{address}: {self}: {}", self.advice(audience.address(), audience));
        self.with(message)
    }

    /// The same, about the token realm that the server at `address` names.
    pub(super) fn told_of_realm(self, address: &str, realm: &str, audience: Audience<'_>) -> SourceError {
        let advice = self.advice(audience.realm(), audience);
        let message = format!("{address}: its token realm {realm}: {self}: {advice}");
        self.with(message)
    }

    fn with(self, message: String) -> SourceError {
        match self {
            Self::TooLarge { .. }
            | Self::Encoded { .. }
            | Self::NoManifest { .. }
            | Self::OtherDigest { .. } => SourceError::Invalid { message },
            Self::Denied { .. }
            | Self::NoChallenge
            | Self::WantsPassword { .. }
            | Self::NamedCertificate { .. }
            | Self::Realm(_) => SourceError::Unauthorized { message },
            Self::Redirect { .. } | Self::Status { .. } => SourceError::Elsewhere { message },
            _ => SourceError::Unreachable { message },
        }
    }

    /// In a word, for metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::PlainHttp
            | Self::Address
            | Self::Setup { .. }
            | Self::CaBundle { .. }
            | Self::NoSystemRoots { .. } => "setup",
            Self::Dns { .. } => "dns",
            Self::Refused | Self::Connect { .. } => "connect",
            Self::ConnectTimeout { .. }
            | Self::HandshakeTimeout { .. }
            | Self::AnswerTimeout { .. }
            | Self::BodyTimeout { .. } => "timeout",
            Self::ProxyScheme { .. }
            | Self::ProxyUrl { .. }
            | Self::Proxy { .. }
            | Self::ProxyRefused { .. } => "proxy",
            Self::Certificate(_)
            | Self::ClientCertificate { .. }
            | Self::NotTls
            | Self::HandshakeClosed
            | Self::Handshake { .. } => "tls",
            Self::QueueFull { .. } | Self::Busy { .. } => "overload",
            Self::Closed | Self::BodyCut { .. } => "closed",
            Self::Redirect { .. } => "redirect",
            Self::Failing { .. } | Self::RetryLater { .. } => "server_error",
            Self::Status { status } if (400..500).contains(status) => "client_error",
            Self::NotHttp
            | Self::Malformed { .. }
            | Self::Status { .. }
            | Self::TooLarge { .. }
            | Self::Encoded { .. }
            | Self::NoManifest { .. }
            | Self::OtherDigest { .. } => "invalid",
            Self::Denied { .. }
            | Self::NoChallenge
            | Self::WantsPassword { .. }
            | Self::NamedCertificate { .. }
            | Self::Realm(_) => "unauthorized",
            Self::NoToken { .. } | Self::TokenTimeout { .. } => "token",
        }
    }

    /// Whether it says that the connection went away before an answer came, as kept-alive ones do.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Whether it says that no connection came about, so that nothing was sent.
    pub(super) fn is_unconnected(&self) -> bool {
        matches!(
            self,
            Self::Dns { .. }
                | Self::Refused
                | Self::Connect { .. }
                | Self::ConnectTimeout { .. }
                | Self::HandshakeClosed
                | Self::HandshakeTimeout { .. }
        )
    }

    /// Whether it says that something else than TLS is spoken, or nothing at all.
    pub(super) fn is_not_tls(&self) -> bool {
        matches!(self, Self::NotTls | Self::HandshakeClosed | Self::HandshakeTimeout { .. } | Self::Refused)
    }

    /// Whether the request may have been done all the same.
    pub(super) fn is_undecided(&self) -> bool {
        match self {
            Self::Failing { status, .. } => *status >= 500,
            Self::AnswerTimeout { .. }
            | Self::BodyTimeout { .. }
            | Self::Closed
            | Self::BodyCut { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Encoded { .. } => true,
            _ => false,
        }
    }

    /// What to check or to change; `place` is where the address stands.
    fn advice(&self, place: &str, audience: Audience<'_>) -> String {
        match self {
            Self::PlainHttp => format!("write https:// in {place}"),
            Self::Address => format!("write https://HOST in {place}"),
            Self::Setup { .. } => "report this".to_owned(),
            Self::CaBundle { .. } => format!("write certificates in PEM in {}", audience.authorities()),
            Self::NoSystemRoots { .. } => {
                format!("install ca-certificates, or set {}", audience.authorities())
            }
            Self::Dns { .. } => format!("check the host in {place}, and the DNS"),
            Self::Refused => format!("check that the server runs, and the port in {place}"),
            Self::Connect { .. } => format!("check the way to the host in {place}"),
            Self::ConnectTimeout { .. } => format!(
                "check the host and port in {place}, and whether a firewall or NetworkPolicy drops the packets"
            ),
            Self::ProxyScheme { variable, .. } | Self::ProxyUrl { variable, .. } => {
                format!("write http://HOST:PORT in {variable}, or name the server's host in NO_PROXY")
            }
            Self::ProxyRefused { variable, status, .. } if status.starts_with("407") => {
                format!("write http://USER:PASSWORD@HOST:PORT in {variable}")
            }
            Self::Proxy { variable, .. } | Self::ProxyRefused { variable, .. } => {
                format!("check {variable} and NO_PROXY")
            }
            Self::Certificate(fault) => fault.advice(place, audience.authorities()),
            Self::ClientCertificate { .. } => audience.give_certificate().to_owned(),
            Self::NamedCertificate { .. } => {
                "spec.notary.clientCertificate names it, and wants a secret of the type kubernetes.io/tls"
                    .to_owned()
            }
            Self::NotTls => format!("it may speak plain http; check the port in {place}"),
            Self::HandshakeClosed | Self::HandshakeTimeout { .. } => {
                format!("check that the port in {place} is one for https")
            }
            Self::Handshake { .. } => "check which TLS versions and ciphers the server allows".to_owned(),
            Self::QueueFull { .. } | Self::Busy { .. } => {
                "check why it is slow, and who names many unknown repositories".to_owned()
            }
            Self::AnswerTimeout { .. } | Self::BodyTimeout { .. } => "check its load and its log".to_owned(),
            Self::Failing { status: 429, .. } => "ask it less often, or have its limits raised".to_owned(),
            Self::Closed | Self::BodyCut { .. } | Self::Failing { .. } => "check its log".to_owned(),
            Self::NotHttp => format!("it may want https; check {place}"),
            Self::Malformed { .. } => format!("check what listens at {place}"),
            Self::Redirect { .. } => format!("write the final address in {place}"),
            Self::RetryLater { .. } => audience.wait().to_owned(),
            Self::Status { .. } => format!("check {place}, and what stands before the server"),
            Self::TooLarge { .. } => format!("check that {place} is {}", audience.kind()),
            Self::Encoded { .. } => "check what stands before the server".to_owned(),
            Self::NoManifest { .. } => {
                "check that it is an image, not of docker's schema 1, and what stands before the registry"
                    .to_owned()
            }
            Self::OtherDigest { .. } => "check the registry, and what stands before it".to_owned(),
            Self::Denied { shown, right, .. } => shown.advice(*right, audience),
            Self::WantsPassword { .. } => audience.give_credentials(),
            Self::NoChallenge | Self::Realm(_) => format!("check {}'s auth configuration", audience.party()),
            Self::NoToken { .. } | Self::TokenTimeout { .. } => "check the token server".to_owned(),
        }
    }
}

impl Shown {
    fn advice(&self, right: Right, audience: Audience<'_>) -> String {
        let give = audience.give_credentials();
        match (self, audience) {
            (Self::Nothing, _) if right != Right::Pull => give,
            (Self::Nothing, _) => format!("{give} if it is private, or check its name"),
            (Self::Credentials, Audience::Policy) => {
                format!("check that they are right, and that they may {}", right.verb())
            }
            (Self::Credentials, _) => {
                format!("check that they may {}, or {give} as somebody who may", right.verb())
            }
            (Self::Withheld { realm }, audience) => audience.list_realm(realm),
        }
    }
}

fn lack(right: Right) -> String {
    match right {
        Right::Pull => String::new(),
        right => format!(", so there is no permission to {}", right.verb()),
    }
}

/// Text from a peer, fit for a message, and short.
pub(super) fn clean(text: &str) -> String {
    plain(text, 200).into_owned()
}
