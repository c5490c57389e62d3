//! Policies: from raw objects to what an image must satisfy. No I/O.
//!
//! [`compile`] turns one raw object into a [`CompiledPolicy`], broken ones included; [`PolicySet`] is all of them, and
//! [`PolicySet::select`] says what they ask of one image. Files come in through [`load`].

mod compile;
mod demand;
mod duration;
mod exemption;
mod finding;
mod live;
mod load;
mod namespace;
mod objects;
mod pull_rights;
mod reason;
mod requirement;
mod selector;
mod set;
mod weight;

pub use compile::{
    CompileContext, CompiledExemption, CompiledPolicy, EXEMPTION, PolicyError, PolicyKind, ServerUrlError,
    UnknownFields, compile, compile_beyond, compile_exemption, is_exemption, server_url, token_realm,
};
pub use demand::{
    Action, Actions, CredentialsSource, Demand, DigestReferences, Freshness, Mutation, PolicyId,
    RequiredDelegation, RequiredDelegations, SecretRef, TrustServer,
};
pub use exemption::{Exemption, Exemptions, ImageSite};
pub use finding::{Finding, first_finding, sort_findings};
pub use live::{
    Entries, EntriesFuture, LacksFuture, ListFuture, LiveError, LiveObjects, Running, RunningImages,
};
pub use load::{
    Document, ExemptionDocument, LoadError, LoadedFile, Place, PolicyDocument, documents, load, load_within,
};
pub use namespace::{Labels, LabelsError, LabelsFuture, NamespaceLabels, NamespaceView};
pub use objects::{
    Either, FileObjects, LookupError, NoObjects, ObjectKind, ObjectRef, ReadObjects, ReferencedObjects,
    text_of,
};
pub use pull_rights::PullRights;
pub use reason::Reason;
pub use selector::{Narrowing, Selector};
pub use set::{
    Chosen, Matched, Objection, Observed, PolicySet, PolicySnapshot, Selection, SetOptions, UnmatchedImages,
    beyond_bounds,
};
