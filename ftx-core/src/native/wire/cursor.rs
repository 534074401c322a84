//! The position in a stream of frames.

use super::{FrameHeader, HEADER_BYTES};

/// A position in a stream of frames that is written piece by piece: tells where one frame ends and the next
/// begins.
#[derive(Clone, Debug, Default)]
pub struct FrameCursor {
    /// Bytes of the present frame behind its header.
    left: u64,
    /// The header that has begun.
    header: [u8; HEADER_BYTES],
    header_len: usize,
}

impl FrameCursor {
    /// Whether no frame has begun.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.left == 0 && self.header_len == 0
    }

    /// Moves over bytes of the stream. An invalid header has no end: the position is never between two frames
    /// again.
    pub fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let payload = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.skip(payload as u64);
                bytes = bytes.split_at_checked(payload).unwrap_or_default().1;
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if let Some(next) = self.header.get_mut(self.header_len) {
                *next = *byte;
            }
            self.header_len += 1;
            if self.header_len == HEADER_BYTES {
                self.header_len = 0;
                let header = FrameHeader::decode(&self.header);
                self.left = header.map_or(u64::MAX, |header| header.len.into());
            }
        }
    }

    /// Moves over `len` bytes of the present frame's payload.
    pub fn skip(&mut self, len: u64) {
        // The end of an invalid frame is never reached.
        if self.left != u64::MAX {
            self.left = self.left.saturating_sub(len);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::FrameCursor;
    use crate::native::wire::{BlockHead, Request};

    /// Frames, and the positions between them.
    fn frames(lens: &[u64]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        for &len in lens {
            bytes.extend(Request::Ping { payload: len }.encode(7).unwrap());
            ends.push(bytes.len());
            bytes.extend(BlockHead { index: 1, len }.encode(1).unwrap());
            bytes.extend(vec![9; usize::try_from(len).unwrap() + 32]);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    proptest! {
        #[test]
        fn frames_end_where_they_end_however_they_are_cut(
            lens in prop::collection::vec(1_u64..100, 0..5),
            cuts in prop::collection::vec(1_usize..40, 1..50),
        ) {
            let (bytes, ends) = frames(&lens);
            let (mut cursor, mut at) = (FrameCursor::default(), 0);
            for cut in cuts.iter().cycle() {
                prop_assert_eq!(cursor.is_between_frames(), ends.contains(&at), "{}", at);
                if at == bytes.len() {
                    break;
                }
                let end = bytes.len().min(at + cut);
                cursor.advance(&bytes[at..end]);
                at = end;
            }
        }
    }

    #[test]
    fn bytes_that_are_no_frame_never_end() {
        let mut cursor = FrameCursor::default();
        cursor.advance(&[0xff; 4096]);
        cursor.skip(u64::MAX);
        assert!(!cursor.is_between_frames());
    }
}
