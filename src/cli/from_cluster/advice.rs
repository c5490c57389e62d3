//! What could not be read from a cluster, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};

use crate::controller::{ReadError, Right};
use crate::foreign::plain;

/// How much of the API server's message is shown, in characters.
const SAID: usize = 400;

/// All of it, with the commands that give the rights that are missing.
pub fn error(errors: &[ReadError]) -> anyhow::Error {
    let mut all = vec!["the cluster does not show what verdicts depend on".to_owned()];
    all.extend(lines(errors));
    anyhow::anyhow!(all.join("\n"))
}

/// The same without the headline.
pub fn lines(errors: &[ReadError]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut told = BTreeSet::new();
    for error in errors {
        let line = line(error);
        if told.insert(line.clone()) {
            lines.push(line);
        }
    }
    let rights: Vec<&Right> = errors.iter().filter_map(right).collect();
    if !rights.is_empty() {
        let user = errors.iter().find_map(user);
        lines.push("who may give rights in this cluster can give these:".to_owned());
        lines.extend(commands(&rights, user.as_deref()));
    }
    lines
}

fn line(error: &ReadError) -> String {
    match error {
        ReadError::Forbidden { said, .. } => plain(said, SAID).into_owned(),
        ReadError::Unauthorized(said) => format!(
            "the API server does not accept your credentials ({}): log in again, or choose another --context",
            plain(said, SAID)
        ),
        ReadError::Unknown(resource) => format!(
            "the API server does not know {resource}: tagseal is not installed in this cluster, or --context is another one"
        ),
        ReadError::Failed { .. }
        | ReadError::TooMany { .. }
        | ReadError::Expired(..)
        | ReadError::NoName(_) => plain(&error.to_string(), SAID).into_owned(),
    }
}

fn right(error: &ReadError) -> Option<&Right> {
    match error {
        ReadError::Forbidden { right, .. } => Some(right),
        _ => None,
    }
}

/// The name of the user in the API server's message: `… is forbidden: User "jane" cannot list …`.
fn user(error: &ReadError) -> Option<String> {
    let ReadError::Forbidden { said, .. } = error else { return None };
    let (_, rest) = said.split_once("User \"")?;
    let (user, _) = rest.split_once('"')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || ".:@/_-".contains(c);
    (!user.is_empty() && user.len() <= 253 && user.chars().all(fits)).then(|| user.to_owned())
}

/// kubectl commands that give these rights, one role for each verb and namespace.
fn commands(rights: &[&Right], user: Option<&str>) -> Vec<String> {
    type Place<'a> = (Option<&'a str>, &'static str, &'a str);
    let mut roles: BTreeMap<Place<'_>, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for right in rights {
        // Names are of one resource: a role for each that has some.
        let apart = if right.name.is_some() { right.resource.as_str() } else { "" };
        let (resources, names) = roles.entry((right.namespace.as_deref(), right.verb, apart)).or_default();
        resources.insert(&right.resource);
        names.extend(right.name.as_deref());
    }
    let user = user.unwrap_or("YOUR-NAME");
    let mut lines = Vec::new();
    for ((namespace, verb, apart), (resources, names)) in roles {
        let name = ["tagseal-reader", verb, apart].into_iter().filter(|part| !part.is_empty());
        let name = name.collect::<Vec<_>>().join("-");
        let (role, inside) = match namespace {
            Some(namespace) => ("role", format!(" --namespace={namespace}")),
            None => ("clusterrole", String::new()),
        };
        let resources = resources.into_iter().collect::<Vec<_>>().join(",");
        let names: String = names.into_iter().map(|name| format!(" --resource-name={name}")).collect();
        lines.push(format!(
            "  kubectl create {role} {name}{inside} --verb={verb} --resource={resources}{names}"
        ));
        lines.push(format!("  kubectl create {role}binding {name}{inside} --{role}={name} --user={user}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(
        verb: &'static str,
        resource: &str,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> ReadError {
        let right = Right {
            verb,
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
        };
        let said = format!("{resource} is forbidden: User \"jane\" cannot {verb} resource \"{resource}\"");
        ReadError::Forbidden { right, said }
    }

    #[test]
    fn every_missing_right_is_told_with_the_commands_that_give_it() {
        let errors = [
            forbidden("list", "trustpolicies.tagseal.dev", None, None),
            forbidden("list", "namespaces", None, None),
            forbidden("get", "configmaps", Some("tagseal-system"), Some("ca")),
        ];
        let told = error(&errors).to_string();
        let lines: Vec<_> = told.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "who may give rights in this cluster can give these:",
                "  kubectl create clusterrole tagseal-reader-list --verb=list --resource=namespaces,trustpolicies.tagseal.dev",
                "  kubectl create clusterrolebinding tagseal-reader-list --clusterrole=tagseal-reader-list --user=jane",
                "  kubectl create role tagseal-reader-get-configmaps --namespace=tagseal-system --verb=get --resource=configmaps --resource-name=ca",
                "  kubectl create rolebinding tagseal-reader-get-configmaps --namespace=tagseal-system --role=tagseal-reader-get-configmaps --user=jane",
            ],
            "{told}"
        );
    }

    #[test]
    fn a_name_that_a_shell_reads_otherwise_is_not_put_into_a_command() {
        for user in ["a b", "$(x)", "a;b", "", "a\u{202e}b"] {
            let right = Right { verb: "list", resource: "namespaces".into(), namespace: None, name: None };
            let said = format!("namespaces is forbidden: User \"{user}\" cannot list");
            let told = error(&[ReadError::Forbidden { right, said }]).to_string();
            assert!(told.ends_with("--user=YOUR-NAME"), "{told}");
        }
    }
}
