//! [`Right`]: what is to be done to a repository, as token scopes and refusals have it.

/// A right to a repository (Notary v1, HTTP API "Actions needed").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// To read it.
    Pull,
    /// To read and change it.
    Push,
    /// To do to it whatever can be done: delete it, have the server make a new key.
    Admin,
}

impl Right {
    /// The actions in a token's scope.
    pub(super) fn actions(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push,pull",
            Self::Admin => "*",
        }
    }

    /// How it reads after "may".
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Pull => "pull it",
            Self::Push => "push to it",
            Self::Admin => "administer it (\"*\")",
        }
    }
}
