//! The suite against real components: kube-apiserver, etcd, notary-server, kubectl.
