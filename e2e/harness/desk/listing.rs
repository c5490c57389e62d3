//! What is signed, and which keys there are: both programs are asked, and must agree.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Desk, Said};
use crate::harness::process::output_of;
use crate::harness::publisher::digest_of;
use crate::harness::run::tagseal_binary;

/// A signed tag: role, tag, digest.
pub type Row = (String, String, String);

impl Desk {
    /// What `tagseal inspect -o json` tells somebody who believes the first root.
    #[track_caller]
    pub fn inspection(&self) -> Value {
        let mut inspect = self.command(tagseal_binary());
        inspect.args(["inspect", &self.gun, "--first-use", "-o", "json", "--server", &self.server]);
        if let Some(authority) = &self.authority {
            inspect.arg("--ca-bundle").arg(authority);
        }
        serde_json::from_str(&Said::of(&output_of(&mut inspect, b"")).passes()).expect("JSON")
    }

    /// What is signed, of which both programs say the same: `notary` from this trust directory, role by role, and
    /// `tagseal inspect` from the server alone.
    #[track_caller]
    pub fn lists(&self) -> BTreeSet<Row> {
        let inspection = self.inspection();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let rows = inspection["targets"].as_array().expect("rows").iter();
        let tagseal: BTreeSet<Row> =
            rows.map(|row| (text(&row["role"]), text(&row["name"]), text(&row["digest"]))).collect();

        let delegated = self.notary("delegation list WEB").passes();
        // A role with several keys has several lines.
        let roles = table(&delegated).filter(|row| row[0].starts_with("targets/"));
        let delegated: BTreeSet<_> = roles.map(|row| row[0].to_owned()).collect();
        let inspected = inspection["delegations"].as_array().expect("delegations").iter();
        assert_eq!(inspected.map(|role| text(&role["name"])).collect::<BTreeSet<_>>(), delegated);

        let mut notary = BTreeSet::new();
        for role in std::iter::once("targets").chain(delegated.iter().map(String::as_str)) {
            let listed = self.notary(&format!("list WEB --roles {role}")).passes();
            // A role's subtree is listed too, as far as the role itself does not list the tag.
            let rows = table(&listed).filter(|row| row[3] == role);
            notary.extend(rows.map(|row| (role.to_owned(), row[0].to_owned(), format!("sha256:{}", row[1]))));
        }
        assert_eq!(tagseal, notary, "tagseal and notary list the same");
        notary
    }

    /// That is signed, and nothing else: (role, tag), each with the digest that is named after the tag.
    #[track_caller]
    pub fn shows(&self, expected: &[(&str, &str)]) {
        assert_eq!(self.lists(), rows(expected));
    }

    /// The keys that `notary key list` shows, and `tagseal trust key list` too: role, repository, ID.
    #[track_caller]
    pub fn keys(&self) -> BTreeSet<(String, String, String)> {
        let shown = self.notary("key list").passes();
        // A key of no repository has nothing in its second column.
        let row = |row: Vec<&str>| match row.as_slice() {
            [role, id, _] => (role.to_string(), String::new(), id.to_string()),
            [role, gun, id, _] => (role.to_string(), gun.to_string(), id.to_string()),
            row => panic!("notary key list: {row:?}"),
        };
        let notary: BTreeSet<_> = table(&shown).map(row).collect();
        let listed: Value = serde_json::from_str(&self.tagseal("key list -o json").passes()).expect("JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = listed.as_array().expect("keys").iter();
        let tagseal: BTreeSet<_> =
            listed.map(|key| (text(&key["role"]), text(&key["repository"]), text(&key["keyID"]))).collect();
        // notary's column is 25 characters wide.
        let shortened = |gun: &str| match gun.len() {
            ..=25 => gun.to_owned(),
            length => format!("...{}", &gun[length - 22..]),
        };
        let as_shown: BTreeSet<_> =
            tagseal.iter().map(|(role, gun, id)| (role.clone(), shortened(gun), id.clone())).collect();
        assert_eq!(as_shown, notary);
        tagseal
    }

    /// The keys of a role, or of a signer.
    #[track_caller]
    pub fn keys_of(&self, role: &str) -> Vec<String> {
        self.keys().into_iter().filter(|(of, _, _)| of == role).map(|(_, _, id)| id).collect()
    }
}

/// Rows as [`Desk::lists`] has them: each tag with the digest that is named after it.
pub fn rows(expected: &[(&str, &str)]) -> BTreeSet<Row> {
    let row = |&(role, tag): &(&str, &str)| (role.to_owned(), tag.to_owned(), digest_of(tag));
    expected.iter().map(row).collect()
}

/// The tags of what `notary list` printed.
pub fn tags(listed: &str) -> Vec<String> {
    table(listed).map(|row| row[0].to_owned()).collect()
}

/// The rows of one of `notary`'s tables.
fn table(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().skip_while(|line| !line.starts_with("---")).skip(1);
    rows.map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| !row.is_empty())
}
