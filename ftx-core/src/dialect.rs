//! Which dialect a connection speaks, from its first bytes.
//!
//! Nothing is guessed: the bytes are one of the known beginnings, or a prefix of one, or the
//! connection is closed. The beginnings are
//!
//! ```text
//! 00 00 00 00 00 00 00 xx     legacy: a request id, big-endian, xx one of 64 65 67 c8 ca cb
//! 89 46 54 58 0d 0a 1a 0a     native: the magic
//! 16 03                       TLS: a handshake record of any 3.x version, native inside
//! ```
//!
//! The decision falls at the first byte that makes it certain, so no connection is kept waiting once
//! its bytes can match no dialect.

use crate::legacy::wire::MessageId;

/// The first bytes of every native connection, in both directions.
///
/// As in PNG's signature, the high bit and the line ends detect a channel that changes bytes. Read
/// as a legacy id, the magic is unknown to every original server. Such a server answers an unknown
/// id with the id itself, and so the client recognises it.
pub const MAGIC: [u8; 8] = *b"\x89FTX\r\n\x1a\n";

/// The first byte of a TLS handshake record and the major version that all of TLS shares.
const TLS: [u8; 2] = [0x16, 0x03];

/// A protocol that a connection can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The protocol of the Qt `FileServer`/`FileClient` system: [`crate::legacy`].
    Legacy,
    /// FTX/1, in plain text.
    Native,
    /// FTX/1 within TLS.
    Tls,
}

/// The verdict on the first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sniff {
    /// A prefix of a known beginning: read more.
    Incomplete,
    /// The dialect is certain. The bytes still belong to its first message.
    Is(Dialect),
    /// No dialect begins with these bytes.
    Unknown,
}

/// Determines the dialect from the first bytes of a connection; at most eight of them count.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let mut may_become = false;
    let mut is = |known: &[u8]| {
        may_become |= known.starts_with(first);
        first.starts_with(known)
    };
    if is(&MAGIC) {
        Sniff::Is(Dialect::Native)
    } else if is(&TLS) {
        Sniff::Is(Dialect::Tls)
    } else if MessageId::TABLE.iter().any(|id| is(&id.code().to_be_bytes())) {
        Sniff::Is(Dialect::Legacy)
    } else if may_become {
        Sniff::Incomplete
    } else {
        Sniff::Unknown
    }
}

/// Length in bytes of an original server's answer to bytes that it does not know.
const ORIGINAL_ANSWER_BYTES: usize = 12;

/// Whether `answer` begins with an original server's answer to bytes that begin with `sent`: eight bytes
/// of them, which the server took for the id of a message, or zeros if it had read fewer, and a status
/// of zero.
#[must_use]
pub fn is_original_answer(sent: &[u8], answer: &[u8]) -> bool {
    answer.len() >= ORIGINAL_ANSWER_BYTES && agrees_with_original_answer(sent, answer)
}

/// Whether `answer` is too short for [`is_original_answer`], and may become one.
#[must_use]
pub fn may_become_original_answer(sent: &[u8], answer: &[u8]) -> bool {
    answer.len() < ORIGINAL_ANSWER_BYTES && agrees_with_original_answer(sent, answer)
}

fn agrees_with_original_answer(sent: &[u8], answer: &[u8]) -> bool {
    let id = sent.iter().take(8);
    let echo = id.copied().chain([0; ORIGINAL_ANSWER_BYTES - 8]);
    let first = answer.iter().take(ORIGINAL_ANSWER_BYTES);
    first.clone().zip(echo).all(|(got, expected)| *got == expected)
        || first.clone().all(|got| *got == 0)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The decision falls with exactly the last of these bytes, and more change nothing.
    fn decides_at_the_end(known: &[u8], dialect: Dialect) {
        for len in 0..known.len() {
            assert_eq!(sniff(&known[..len]), Sniff::Incomplete, "{len} of {known:02x?}");
        }
        for more in [&[][..], &[0], &[0xff; 20]] {
            assert_eq!(sniff(&[known, more].concat()), Sniff::Is(dialect), "{known:02x?}");
        }
    }

    #[test]
    fn each_dialect_is_known_by_its_first_bytes() {
        for id in [0x64, 0x65, 0x67, 0xc8, 0xca, 0xcb] {
            decides_at_the_end(&[0, 0, 0, 0, 0, 0, 0, id], Dialect::Legacy);
        }
        let magic = [0x89, 0x46, 0x54, 0x58, 0x0d, 0x0a, 0x1a, 0x0a];
        assert_eq!(magic, MAGIC);
        decides_at_the_end(&magic, Dialect::Native);
        decides_at_the_end(&[0x16, 0x03], Dialect::Tls);
    }

    #[test]
    fn every_other_byte_at_every_place_is_unknown_at_once() {
        let legacy = [0, 0, 0, 0, 0, 0, 0, 0x64];
        let last_bytes_of_legacy = [0x64, 0x65, 0x67, 0xc8, 0xca, 0xcb];
        for (known, tls_first) in [(&legacy[..], false), (&MAGIC[..], false), (&[0x16, 3], true)] {
            for at in 0..known.len() {
                for byte in 0..=u8::MAX {
                    let fits = match (at, tls_first) {
                        (0, _) => [0, 0x89, 0x16].contains(&byte),
                        (7, false) if known[0] == 0 => last_bytes_of_legacy.contains(&byte),
                        _ => known[at] == byte,
                    };
                    let first = [&known[..at], &[byte]].concat();
                    assert_eq!(sniff(&first) == Sniff::Unknown, !fits, "{first:02x?}");
                }
            }
        }
    }

    #[test]
    fn an_original_server_is_known_by_its_answer() {
        let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
        let echo = [0x16, 3, 1, 2, 0, 1, 0, 1, 0, 0, 0, 0];
        for answer in [echo, [0; 12]] {
            for len in 0..12 {
                assert!(may_become_original_answer(&hello, &answer[..len]), "{len}");
                assert!(!is_original_answer(&hello, &answer[..len]), "{len}");
            }
            for answer in [&answer[..], &[answer, answer].concat()] {
                assert!(is_original_answer(&hello, answer));
                assert!(!may_become_original_answer(&hello, answer));
            }
            for at in 0..12 {
                let mut other = answer;
                other[at] ^= 1;
                assert!(!is_original_answer(&hello, &other), "{at}");
                assert!(!may_become_original_answer(&hello, &other[..=at]), "{at}");
            }
        }
        // A server hello, and an alert.
        for answer in [&[0x16, 3, 3][..], &[0x15, 3, 3, 0, 2, 2, 40]] {
            assert!(!may_become_original_answer(&hello, answer), "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn eight_bytes_always_decide(
            head in prop_oneof![Just(Vec::new()), Just(Vec::from(MAGIC)), Just(Vec::from([0; 7]))],
            cut in 0..8usize,
            tail in prop::collection::vec(any::<u8>(), 8..20),
        ) {
            let first = [&head[..cut.min(head.len())], &tail].concat();
            prop_assert_ne!(sniff(&first), Sniff::Incomplete);
        }

        #[test]
        fn a_decision_stays(first in prop::collection::vec(prop_oneof![
            Just(0), Just(0x16), Just(3), Just(0x64), any::<u8>()
        ], 0..12)) {
            let mut decided = Sniff::Incomplete;
            for len in 0..=first.len() {
                let now = sniff(&first[..len]);
                prop_assert!(decided == Sniff::Incomplete || decided == now);
                decided = now;
            }
        }
    }
}
