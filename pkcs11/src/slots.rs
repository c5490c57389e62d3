//! Notary's names for the places of a YubiKey: PIV slots, and the IDs that its PKCS#11 module knows them by.

/// The order in which notary looks for a free one.
pub const ORDER: [(u8, &str); 4] = [(2, "9c"), (1, "9e"), (3, "9d"), (0, "9a")];

/// The slot's name, of an object's ID.
pub fn name(id: &[u8]) -> Option<&'static str> {
    let [id] = id else { return None };
    ORDER.iter().find(|(known, _)| known == id).map(|(_, name)| *name)
}

/// The object's ID, of a slot's name.
pub fn id(name: &str) -> Option<u8> {
    ORDER.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
}
