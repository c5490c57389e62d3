//! The closed lists of words that labels on the hot path hold: each is a place in an array.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As the label has it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// Which of the webhooks.
    Endpoint {
        /// The one that seals.
        Mutate = "mutate",
        /// The one that verifies.
        Validate = "validate",
        /// The one for the policies themselves.
        Policies = "policies",
    }
}

words! {
    /// What came of a request.
    Outcome {
        /// Its object may pass.
        Allowed = "allowed",
        /// Its object may not.
        Denied = "denied",
        /// It got an HTTP error: it was no review, or tagseal has a defect.
        Failed = "failed",
        /// The caller hung up.
        Abandoned = "abandoned",
    }
}

words! {
    /// What a policy said of an image.
    PolicyVerdict {
        /// It may run.
        Passed = "passed",
        /// It may not.
        Denied = "denied",
        /// It may not as it is; said at the mutating webhook, which leaves the denial to the validating one.
        Deferred = "deferred",
        /// It may, though a Deny policy would refuse it: the policy has Warn or Audit.
        Reported = "reported",
    }
}
