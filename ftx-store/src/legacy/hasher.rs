//! The digest of a growing prefix, in a form that survives the process.
//!
//! A staging must tell its MD5 the moment it is asked, after a crash too, and reading gigabytes
//! again for it would take longer than an old client waits. So the hasher's inner state goes into
//! the journal with every checkpoint, and hashing goes on from there.

use ftx_core::legacy::Md5Digest;
use md5::digest::common::hazmat::{DeserializeStateError, SerializableState, SerializedState};
use md5::{Digest as _, Md5};

use crate::HasherState;

/// MD5 over everything [`update`](Self::update) was given, plus how much that was.
#[derive(Clone, Default)]
pub struct PrefixHasher {
    md5: Md5,
    len: u64,
}

impl PrefixHasher {
    /// The hasher of no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The hasher of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Self::new();
        hasher.update(bytes);
        hasher
    }

    /// A hasher that goes on where `state` was saved.
    ///
    /// # Errors
    /// When `state` is not one that [`save`](Self::save) made.
    pub fn restore(state: &HasherState) -> Result<Self, BadHasherState> {
        let bytes = SerializedState::<Md5>::try_from(state.md5.as_slice())
            .map_err(|_| BadHasherState { source: DeserializeStateError })?;
        let md5 = Md5::deserialize(&bytes).map_err(|source| BadHasherState { source })?;
        Ok(Self { md5, len: state.len })
    }

    /// Takes in the bytes that follow those before.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        // usize is at most 64 bits wide wherever there are files.
        self.len += bytes.len() as u64;
    }

    /// How many bytes were taken in.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was taken in yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The digest of the bytes so far; more may follow.
    #[must_use]
    pub fn digest(&self) -> Md5Digest {
        Md5Digest(self.md5.clone().finalize().into())
    }

    /// The state to put away for [`restore`](Self::restore).
    #[must_use]
    pub fn save(&self) -> HasherState {
        HasherState { len: self.len, md5: self.md5.serialize().to_vec() }
    }
}

impl std::fmt::Debug for PrefixHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrefixHasher")
            .field("len", &self.len)
            .field("digest", &self.digest())
            .finish()
    }
}

/// Bytes that are no saved hasher, or one of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the saved hasher state is not usable; hash the data again")]
pub struct BadHasherState {
    source: DeserializeStateError,
}

#[cfg(test)]
mod tests {
    use super::PrefixHasher;
    use crate::HasherState;

    fn hashed(bytes: &[u8]) -> PrefixHasher {
        let mut hasher = PrefixHasher::new();
        hasher.update(bytes);
        hasher
    }

    #[test]
    fn digests_are_md5() {
        let empty = PrefixHasher::new().digest().to_string();
        assert_eq!(empty, "d41d8cd98f00b204e9800998ecf8427e");
        let digest = hashed(b"hello").digest().to_string();
        assert_eq!(digest, "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn saving_and_restoring_at_any_offset_changes_nothing() {
        let data: Vec<u8> = (0..=255).cycle().take(64 * 5).collect();
        let whole = hashed(&data).digest();
        for cut in 0..data.len() {
            let state = hashed(&data[..cut]).save();
            let bytes = ftx_core::codec::encode(&state).unwrap();
            let state: HasherState = ftx_core::codec::decode(&bytes).unwrap();
            let mut restored = PrefixHasher::restore(&state).unwrap();
            assert_eq!(restored.len(), cut as u64);
            assert_eq!(restored.digest(), hashed(&data[..cut]).digest());
            restored.update(&data[cut..]);
            assert_eq!((restored.len(), restored.digest()), (data.len() as u64, whole));
        }
    }

    /// The state is part of the journal's format: another hash implementation, or another version
    /// of this one, must write the same or the journal needs a new magic.
    #[test]
    fn the_saved_bytes_stay_the_same() {
        let state = hashed(&[b'a'; 70]).save();
        let hex: String = state.md5.iter().map(|byte| format!("{byte:02x}")).collect();
        #[rustfmt::skip]
        let golden = [
            "56ffd48962d95c1233deca6925e33300", // MD5 state
            "0100000000000000",                 // blocks
            "06", "616161616161", &"00".repeat(57), // 6 bytes of the next
        ];
        assert_eq!((state.len(), hex), (70, golden.concat()));
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = hashed(b"abc").save();
        for md5 in [Vec::new(), good.md5[1..].to_vec(), [&good.md5[..], &[0]].concat()] {
            assert!(PrefixHasher::restore(&HasherState { len: 3, md5 }).is_err());
        }
    }
}
