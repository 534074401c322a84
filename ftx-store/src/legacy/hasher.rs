//! The MD5 of a growing prefix, with a state that survives the process.
//!
//! A staging must report its MD5 at any moment, even after a crash, and reading gigabytes again for
//! it would take longer than an old client waits. So every checkpoint in the journal contains the
//! hasher's inner state, and hashing resumes from there.

use ftx_core::legacy::Md5Digest;
use md5::digest::common::hazmat::{DeserializeStateError, SerializableState, SerializedState};
use md5::{Digest as _, Md5};

use crate::HasherState;

/// The MD5 of all bytes passed to [`update`](Self::update), and their number.
#[derive(Clone, Default)]
pub struct PrefixHasher {
    md5: Md5,
    len: u64,
}

impl PrefixHasher {
    /// Creates the hasher of no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the hasher of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Self::new();
        hasher.update(bytes);
        hasher
    }

    /// Creates a hasher that resumes from `state`.
    ///
    /// # Errors
    /// `state` was not made by [`save`](Self::save).
    pub fn restore(state: &HasherState) -> Result<Self, BadHasherState> {
        let bytes = SerializedState::<Md5>::try_from(state.md5.as_slice())
            .map_err(|_| BadHasherState { source: DeserializeStateError })?;
        let md5 = Md5::deserialize(&bytes).map_err(|source| BadHasherState { source })?;
        Ok(Self { md5, len: state.len })
    }

    /// Hashes the following bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        // usize is at most 64 bits wide on every system with files.
        self.len += bytes.len() as u64;
    }

    /// Returns the number of bytes hashed.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no byte was hashed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the digest of the bytes so far; more may follow.
    #[must_use]
    pub fn digest(&self) -> Md5Digest {
        Md5Digest(self.md5.clone().finalize().into())
    }

    /// Returns the state for [`restore`](Self::restore).
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

/// A state that was not saved by this version of the hasher.
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

    /// The state is part of the journal's format: if another hash implementation writes other
    /// bytes, the journal needs a new magic.
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
