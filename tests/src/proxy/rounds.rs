//! How many round trips a connection took.
//!
//! Data that a client sends before it has received anything belongs to the first round; data that it
//! sends after it received, or could have received, an answer to round n belongs to round n + 1. So a
//! client that waits for each answer needs as many rounds as requests, and a pipelining client needs
//! few.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::Direction;

/// Counts the rounds of one connection; clones count the same ones.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    /// The last round that has reached the server, and of which an answer has reached the client.
    heard: Arc<[AtomicU64; 2]>,
    /// The most of all connections of the proxy.
    most: Arc<AtomicU64>,
}

impl Rounds {
    pub(super) fn new(most: &Arc<AtomicU64>) -> Self {
        Self { heard: Arc::default(), most: Arc::clone(most) }
    }

    /// The round that bytes belong to which come in now.
    pub(super) fn sent(&self, direction: Direction) -> u64 {
        match direction {
            Direction::ToServer => {
                let round = self.heard[Direction::ToClient.index()].load(SeqCst) + 1;
                self.most.fetch_max(round, SeqCst);
                round
            }
            Direction::ToClient => self.heard[Direction::ToServer.index()].load(SeqCst),
        }
    }

    /// Takes note that bytes of a round are passed on.
    pub(super) fn passed(&self, direction: Direction, round: u64) {
        self.heard[direction.index()].fetch_max(round, SeqCst);
    }
}
