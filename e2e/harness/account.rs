//! Who tagseal is to the API server: the ServiceAccount that is installed with it, by a token of that account, with
//! exactly the rights that are installed with it.

use std::fs;

use super::control_plane::ControlPlane;

/// tagseal's own namespace.
pub const SYSTEM_NAMESPACE: &str = "tagseal-system";
/// The name of its ServiceAccount, and of most else that is installed with it.
pub const TAGSEAL: &str = "tagseal";
/// The user that a token of the ServiceAccount stands for.
pub const TAGSEAL_USER: &str = "system:serviceaccount:tagseal-system:tagseal";

/// What the API server granted, kept in the control plane's folder for [`super::rights`].
pub const GRANTS: &str = "grants.json";

/// Longer than any run of the suite. In a pod, kubelet renews the token.
const LIFETIME: &str = "--duration=6h";

/// Asks for a token of the ServiceAccount and writes its kubeconfig. What the account may do is recorded.
pub fn logs_in(control_plane: &ControlPlane) {
    let cluster = control_plane.cluster().in_namespace(SYSTEM_NAMESPACE);
    let token = cluster.does(&["create", "token", TAGSEAL, LIFETIME]);
    let kinds = "clusterroles,clusterrolebindings,roles,rolebindings";
    let grants = cluster.does(&["get", kinds, "--all-namespaces", "-o", "json"]);
    fs::write(control_plane.folder().join(GRANTS), grants).expect("the grants");
    control_plane.gives_kubeconfig(TAGSEAL, token.trim());
}
