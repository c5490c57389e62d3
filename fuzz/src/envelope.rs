//! A metadata file as a whole: it is believed only where its signatures cover what it says.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::repository::{GENUINE, update, with};
use tagseal::tuf::canonical;

/// What the timestamp key signed, in canonical form.
static SIGNED: LazyLock<BTreeSet<Vec<u8>>> =
    LazyLock::new(|| BTreeSet::from([signed(&GENUINE["timestamp"])]));

/// Takes the bytes as a server's `timestamp.json`, over which no hash stands.
pub fn run(data: &[u8]) {
    let file = data.to_vec().into();
    if let Ok(updated) = update(&with("timestamp", file)) {
        assert!(SIGNED.contains(&signed(data)), "this was never signed");
        assert!(updated.fell_back.is_none());
        let files = updated.files.iter().find(|(role, _)| role.as_str() == "timestamp");
        assert_eq!(files.map(|(_, file)| file.as_ref()), Some(data));
    }
}

fn signed(file: &[u8]) -> Vec<u8> {
    canonical::parse(file).unwrap().get("signed").unwrap().canonical().unwrap()
}
