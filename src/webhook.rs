//! The webhook server: router, TLS with reload, health.
