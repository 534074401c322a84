//! Bytes that come into a proxy from one side, at once or after a delay.

use std::io::{self, Read as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::rounds::Rounds;
use super::{Direction, PIECE};

/// Pieces on their way at most; a sender of more is not read from.
const PIECES: usize = 1024;

/// Where a proxy gets its bytes from.
pub(super) enum Inflow {
    Direct(TcpStream, Rounds),
    /// A thread reads, and notes when each piece is due.
    Delayed(Receiver<Piece>, Option<Piece>),
}

pub(super) struct Piece {
    due: Instant,
    round: u64,
    bytes: Vec<u8>,
}

impl Inflow {
    pub(super) fn new(
        from: TcpStream,
        direction: Direction,
        delay: Duration,
        rounds: Rounds,
    ) -> Self {
        if delay.is_zero() {
            return Self::Direct(from, rounds);
        }
        let (send, receive) = sync_channel(PIECES);
        thread::spawn(move || {
            let mut buffer = vec![0; PIECE];
            while let Ok(count @ 1..) = (&from).read(&mut buffer) {
                let due = Instant::now() + delay;
                let round = rounds.sent(direction);
                let piece = Piece { due, round, bytes: buffer[..count].to_vec() };
                if send.send(piece).is_err() {
                    break;
                }
            }
        });
        Self::Delayed(receive, None)
    }

    /// Waits for bytes, and says how many came and in which round; none at the end.
    pub(super) fn next(
        &mut self,
        direction: Direction,
        buffer: &mut [u8],
    ) -> io::Result<(usize, u64)> {
        match self {
            Self::Direct(from, rounds) => {
                let count = from.read(buffer)?;
                Ok((count, rounds.sent(direction)))
            }
            Self::Delayed(receive, rest) => {
                let Some(mut piece) = rest.take().or_else(|| receive.recv().ok()) else {
                    return Ok((0, 0));
                };
                // The lateness is the point of it, not a guess at when something else is done.
                thread::sleep(piece.due.saturating_duration_since(Instant::now()));
                let count = piece.bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&piece.bytes[..count]);
                let round = piece.round;
                if count < piece.bytes.len() {
                    piece.bytes.drain(..count);
                    *rest = Some(piece);
                }
                Ok((count, round))
            }
        }
    }
}
