//! Bytes on a link. A block is one byte many times over, so megabytes cost nothing.

use std::collections::VecDeque;

/// Some bytes in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Plain(Vec<u8>),
    /// One byte, `len` times.
    Run {
        byte: u8,
        len: u64,
    },
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Plain(bytes) => bytes.len() as u64,
            Self::Run { len, .. } => *len,
        }
    }

    /// Splits off the first `len` bytes.
    fn split(self, len: u64) -> (Self, Self) {
        match self {
            Self::Plain(mut bytes) => {
                let rest = bytes.split_off(len as usize);
                (Self::Plain(bytes), Self::Plain(rest))
            }
            Self::Run { byte, len: all } => {
                (Self::Run { byte, len }, Self::Run { byte, len: all - len })
            }
        }
    }
}

/// A queue of bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bytes {
    pieces: VecDeque<Piece>,
    len: u64,
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let mut all = Self::default();
        all.push(Piece::Plain(bytes));
        all
    }
}

impl Bytes {
    pub(crate) fn push(&mut self, piece: Piece) {
        self.len += piece.len();
        if piece.len() > 0 {
            self.pieces.push_back(piece);
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        for piece in other.pieces {
            self.push(piece);
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Takes the first piece, or as many of its bytes as `limit` allows.
    pub(crate) fn take_piece(&mut self, limit: u64) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        let len = piece.len().min(limit);
        let (first, rest) = piece.split(len);
        if rest.len() > 0 {
            self.pieces.push_front(rest);
        }
        self.len -= len;
        Some(first)
    }

    /// Takes the first `len` bytes.
    pub(crate) fn take(&mut self, len: u64) -> Self {
        let mut taken = Self::default();
        while taken.len < len
            && let Some(piece) = self.take_piece(len - taken.len)
        {
            taken.push(piece);
        }
        taken
    }

    /// Takes the first `len` bytes, written out, once all of them are there.
    pub(crate) fn take_plain(&mut self, len: usize) -> Option<Vec<u8>> {
        if self.len < len as u64 {
            return None;
        }
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            match self.take_piece((len - bytes.len()) as u64)? {
                Piece::Plain(plain) => bytes.extend(plain),
                Piece::Run { byte, len } => bytes.extend(std::iter::repeat_n(byte, len as usize)),
            }
        }
        Some(bytes)
    }
}
