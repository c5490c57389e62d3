//! What tagseal promises, shown through kubectl.

mod harness;
