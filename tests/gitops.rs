//! Images in files, as users of GitOps ask about them.

mod cases;
mod corpus;
mod examples;
