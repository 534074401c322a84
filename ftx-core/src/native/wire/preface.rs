//! The first 12 bytes each way.
//!
//! An original server answers the client's preface with the magic and a zero, and so the client
//! recognises it. A native server therefore never answers with the version zero.

use super::FrameError;
use crate::dialect::MAGIC;

/// The protocol version that `PROTOCOL.md` specifies.
pub const VERSION: u32 = 1;

/// All supported versions, the best first.
pub const VERSIONS: &[u32] = &[VERSION];

/// Length in bytes of a preface.
pub const PREFACE_BYTES: usize = 12;

/// The client's preface, sent in one write with its `Hello`: the magic and four zeros.
pub const CLIENT_PREFACE: [u8; PREFACE_BYTES] = preface(0);

const fn preface(number: u32) -> [u8; PREFACE_BYTES] {
    let [m0, m1, m2, m3, m4, m5, m6, m7] = MAGIC;
    let [n0, n1, n2, n3] = number.to_le_bytes();
    [m0, m1, m2, m3, m4, m5, m6, m7, n0, n1, n2, n3]
}

fn number(bytes: [u8; PREFACE_BYTES]) -> Result<u32, FrameError> {
    let [m0, m1, m2, m3, m4, m5, m6, m7, n0, n1, n2, n3] = bytes;
    if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
        return Err(FrameError::BadPreface { got: bytes });
    }
    Ok(u32::from_le_bytes([n0, n1, n2, n3]))
}

/// Checks a client's preface.
///
/// # Errors
/// [`FrameError::BadPreface`] for another magic, [`FrameError::Reserved`] for non-zero bytes behind it.
pub fn check_client_preface(bytes: [u8; PREFACE_BYTES]) -> Result<(), FrameError> {
    if number(bytes)? == 0 { Ok(()) } else { Err(FrameError::Reserved) }
}

/// Returns the server's preface: the magic and the version of the connection. Without a common version
/// that is [`VERSION`], and a `Goodbye` follows.
///
/// The version is never 0, which would be an original server's answer.
#[must_use]
pub const fn server_preface(version: u32) -> [u8; PREFACE_BYTES] {
    preface(if version == 0 { VERSION } else { version })
}

/// Returns the best version that both sides speak.
#[must_use]
pub fn common_version(theirs: &[u32]) -> Option<u32> {
    VERSIONS.iter().copied().find(|version| theirs.contains(version))
}

/// The meaning of a server's preface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerPreface {
    /// The server is an original. The connection can continue in the legacy dialect.
    Legacy,
    /// The server speaks FTX in this version.
    Native {
        /// The version, not 0.
        version: u32,
    },
}

impl ServerPreface {
    /// Decodes a server's preface.
    ///
    /// # Errors
    /// [`FrameError::BadPreface`] for another magic.
    pub fn decode(bytes: [u8; PREFACE_BYTES]) -> Result<Self, FrameError> {
        Ok(match number(bytes)? {
            0 => Self::Legacy,
            version => Self::Native { version },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        CLIENT_PREFACE, FrameError, ServerPreface, check_client_preface, common_version,
        server_preface,
    };

    #[test]
    fn prefaces_are_as_specified() {
        assert_eq!(CLIENT_PREFACE, *b"\x89FTX\r\n\x1a\n\0\0\0\0");
        assert_eq!(server_preface(1), *b"\x89FTX\r\n\x1a\n\x01\0\0\0");
        assert_eq!(server_preface(0), server_preface(1));
        assert_eq!(check_client_preface(CLIENT_PREFACE), Ok(()));
        assert_eq!(check_client_preface(server_preface(1)), Err(FrameError::Reserved));
        assert!(check_client_preface([0; 12]).is_err());
    }

    #[test]
    fn a_client_knows_its_server_by_the_number() {
        assert_eq!(ServerPreface::decode(CLIENT_PREFACE), Ok(ServerPreface::Legacy));
        let native = ServerPreface::decode(server_preface(0x0102_0304));
        assert_eq!(native, Ok(ServerPreface::Native { version: 0x0102_0304 }));
        let other = *b"HTTP/1.1 400";
        assert_eq!(ServerPreface::decode(other), Err(FrameError::BadPreface { got: other }));
    }

    #[test]
    fn the_best_common_version_is_taken() {
        assert_eq!(common_version(&[7, 1]), Some(1));
        assert_eq!((common_version(&[]), common_version(&[0, 2])), (None, None));
    }
}
