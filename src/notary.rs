//! The HTTP adapter to a Notary v1 trust server: implements `trust::MetadataSource`.
