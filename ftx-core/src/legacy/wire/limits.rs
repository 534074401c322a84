//! Limits of a message, and the errors of invalid messages.

/// Limits of the decoder. The defaults leave room for every valid name several times over; the
/// dialect's own messages have 12 to about 700 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Length in bytes of one message.
    pub message_bytes: usize,
    /// Number of entries of one message.
    pub entries: usize,
    /// Length in bytes of one key, text or byte array; a text has two bytes for each UTF-16 code unit.
    pub string_bytes: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { message_bytes: 16 * 1024, entries: 64, string_bytes: 8704 }
    }
}

/// Why bytes cannot be completed to a message of this dialect. Without framing no later message can be
/// found, so the connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message cannot end within [`DecodeLimits::message_bytes`].
    #[error("the message is longer than {limit} bytes; raise the limit or close the connection")]
    MessageTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// A text has half a code unit.
    #[error(
        "a text has {len} bytes, which is not a whole number of utf-16 units; close the connection"
    )]
    OddString {
        /// The length in bytes.
        len: usize,
    },
    /// A key, text or byte array is longer than [`DecodeLimits::string_bytes`].
    #[error("a text has {len} bytes, more than {limit}; raise the limit or close the connection")]
    StringTooLong {
        /// The announced length in bytes.
        len: u32,
        /// The limit in bytes.
        limit: usize,
    },
    /// There are more entries than [`DecodeLimits::entries`].
    #[error(
        "the message has {count} entries, more than {limit}; raise the limit or close the connection"
    )]
    TooManyEntries {
        /// The announced count.
        count: u32,
        /// The limit.
        limit: usize,
    },
    /// A value has an unknown kind, and so an unknown length.
    #[error(
        "a value has the unknown kind {kind}, so its end cannot be found; close the connection"
    )]
    UnknownKind {
        /// The type id of `QVariant`.
        kind: u32,
    },
}
