//! The legacy wire format: a `qint64` and a `QMap<QString, QVariant>` as written by `QDataStream`.
//!
//! There is no framing: a message ends where its last entry ends, so its end is found by reading all of
//! it. The original programs take the bytes of one read for one message; here a message may arrive in
//! any pieces, and several may arrive in one.
//!
//! # Layout
//! Everything is big-endian.
//!
//! ```text
//! i64   id
//! u32   number of entries, each:
//!         key      u32 byte length, then UTF-16 code units; ffffffff is the null string
//!         kind     u32, see Value
//!         null     u8, QVariant::isNull(); 0 in everything the original programs send
//!         value    depends on the kind
//! ```
//!
//! A reply to 100 as Qt 5 writes it, "no such file here":
//!
//! ```text
//! 0000000000000064                                        id 100
//! 00000003                                                three entries
//! 00000018 007200650070006c0079005f007300740061007400750073  "reply_status"
//! 00000004 00 0000000000000000                            LongLong, not null, 0
//! 00000010 00660069006c0065005f0070006f0073               "file_pos"
//! 00000004 00 0000000000000000                            LongLong, not null, 0
//! 00000010 00660069006c0065005f006d00640035               "file_md5"
//! 0000000a 00 ffffffff                                    QString, not null, the null string
//! ```
//!
//! # Order and missing entries
//! Qt 5 writes the entries by descending key, Qt 6 by ascending key, and both read any order. The
//! encoder writes exactly the bytes of Qt 5, and the decoder accepts any order. As in the original,
//! unknown keys are ignored, a missing number is 0, a missing text is the null string, and of a
//! repeated key the last one counts.
//!
//! # Layers
//! `primitive` reads and writes Qt's basic types, `variant` a `Variant`, `raw` a `RawMessage`.
//! `message` defines the typed messages, and `typed` converts them to raw ones and back. `decoder`
//! finds the end of a message within the [`DecodeLimits`] of `limits`.

mod decoder;
mod limits;
mod message;
mod primitive;
mod qstring;
mod raw;
mod typed;
mod variant;

#[cfg(test)]
mod tests;

pub use decoder::{decode_reply, decode_request};
pub use limits::{DecodeError, DecodeLimits};
pub(crate) use message::MessageId;
pub use message::{LegacyReply, LegacyRequest};
pub use qstring::QString;
