//! Watches the cluster: policies, namespaces, secrets and config maps.
