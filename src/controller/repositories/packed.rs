//! [`Packed`]: JSON, deflated. What thousands of objects say lies in memory for as long as the process runs, and is read
//! seldom.

use std::io::{Read as _, Write as _};
use std::marker::PhantomData;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value, deflated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed<T>(Box<[u8]>, PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned> Packed<T> {
    /// `None`: it has no JSON, which none of our types is without.
    pub(super) fn new(value: &T) -> Option<Self> {
        let json = serde_json::to_vec(value).ok()?;
        let mut encoder = DeflateEncoder::new(Vec::with_capacity(json.len() / 2), Compression::fast());
        encoder.write_all(&json).ok()?;
        // A copy of its own size: an allocator may leave a block that is made smaller as large as it was.
        Some(Self(encoder.finish().ok()?.as_slice().into(), PhantomData))
    }

    /// The value.
    pub(super) fn open(&self) -> Option<T> {
        let mut json = Vec::new();
        DeflateDecoder::new(&*self.0).read_to_end(&mut json).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_and_is_smaller_meanwhile() {
        let value: Vec<String> = (0..100).map(|number| format!("{number:064x}")).collect();
        let packed = Packed::new(&value).unwrap();
        assert!(packed.0.len() < 2000, "{}", packed.0.len());
        assert_eq!(packed.open(), Some(value));
    }
}
