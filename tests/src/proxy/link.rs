//! One connection through a proxy: a thread for each direction.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::gate::Gate;
use super::inflow::Inflow;
use super::rounds::Rounds;
use super::{Direction, PIECE, Plan, Shared};

/// Both ends of a connection that stands.
#[derive(Debug)]
pub(super) struct Link {
    client: TcpStream,
    server: TcpStream,
    is_cut: AtomicBool,
}

impl Link {
    /// Ends both directions of both sockets, and wakes waiters at the gate. The threads close the
    /// sockets as they exit; bytes still in flight are answered by a reset.
    pub(super) fn cut(&self, gate: &Gate) {
        self.is_cut.store(true, SeqCst);
        for socket in [&self.client, &self.server] {
            let _ = socket.shutdown(Shutdown::Both);
        }
        gate.wake();
    }
}

/// Passes bytes on between the two until either side ends or the plan says so.
pub(super) fn start(
    index: usize,
    client: TcpStream,
    server: TcpStream,
    plan: Plan,
    shared: &Arc<Shared>,
) {
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
    }
    let link = Arc::new(Link { client, server, is_cut: AtomicBool::new(false) });
    shared.links.lock().unwrap().insert(index, Arc::clone(&link));
    let ended = Arc::new(AtomicUsize::new(0));
    let hangs = Arc::new(AtomicBool::new(false));
    let rounds = Rounds::new(&shared.rounds);
    for direction in [Direction::ToServer, Direction::ToClient] {
        let (shared, link, ended) = (Arc::clone(shared), Arc::clone(&link), Arc::clone(&ended));
        let (hangs, rounds) = (Arc::clone(&hangs), rounds.clone());
        thread::spawn(move || {
            let (from, to) = match direction {
                Direction::ToServer => (&link.client, &link.server),
                Direction::ToClient => (&link.server, &link.client),
            };
            let from = from.try_clone().unwrap();
            let inflow = Inflow::new(from, direction, plan.delay, rounds.clone());
            let (gate, is_cut) = (&shared.gate, &link.is_cut);
            let struck = &shared.struck;
            let way = Way { to, direction, plan, gate, is_cut, hangs: &hangs, struck, rounds };
            let end = way.pump(inflow);
            match end {
                End::Cut => link.cut(gate),
                End::Hung => {
                    hangs.store(true, SeqCst);
                    // Neither side learns of the other's end.
                    gate.wait_until_stopped();
                }
                End::Sender => {
                    let _ = to.shutdown(Shutdown::Write);
                }
            }
            if end != End::Sender || ended.fetch_add(1, SeqCst) == 1 {
                shared.links.lock().unwrap().remove(&index);
            }
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The plan's bytes have passed, or one side is broken.
    Cut,
    /// Nothing passes any more.
    Hung,
    /// The sender ended in good order.
    Sender,
}

/// One direction.
struct Way<'a> {
    to: &'a TcpStream,
    direction: Direction,
    plan: Plan,
    gate: &'a Gate,
    is_cut: &'a AtomicBool,
    hangs: &'a AtomicBool,
    struck: &'a AtomicUsize,
    rounds: Rounds,
}

impl Way<'_> {
    fn pump(mut self, mut from: Inflow) -> End {
        let Plan { hang, piece, rate, .. } = self.plan;
        let end = self.plan.end(self.direction);
        let mut left = end;
        let mut buffer = vec![0; piece.unwrap_or(PIECE).min(PIECE)];
        let mut pace = Pace::new(rate);
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let come = from.next(self.direction, &mut buffer[..most]);
            if self.hangs.load(SeqCst) {
                return End::Hung;
            }
            if let Ok((count, _)) = come {
                pace.wait(count);
            }
            let (count, round) = match come {
                Ok(come @ (1.., _)) => come,
                // That a side has ended is held back, too.
                ended => {
                    let passes = self.gate.wait_while_held(self.is_cut).is_some();
                    return if passes && ended.is_ok() { End::Sender } else { End::Cut };
                }
            };
            let flipped = self.plan.flipped(self.direction, end - left, count);
            if let Some(place) = flipped {
                buffer[place] ^= 0x40;
                self.struck.fetch_add(1, SeqCst);
            }
            if !self.pass_on(&buffer[..count], round) {
                self.struck.fetch_sub(usize::from(flipped.is_some()), SeqCst);
                return End::Cut;
            }
            left -= count as u64;
        }
        self.struck.fetch_add(1, SeqCst);
        if hang.is_some_and(|(way, _)| way == self.direction) { End::Hung } else { End::Cut }
    }

    /// Passes all of it on, as the gate lets it through; whether it could be.
    fn pass_on(&mut self, mut bytes: &[u8], round: u64) -> bool {
        while !bytes.is_empty() {
            // Counted before it can be answered: a test that sees an answer finds its cause counted.
            let Some(count) = self.gate.pass(self.direction, bytes.len(), self.is_cut) else {
                return false;
            };
            self.rounds.passed(self.direction, round);
            let (piece, rest) = bytes.split_at(count);
            if self.to.write_all(piece).is_err() {
                self.gate.take_back(self.direction, count);
                return false;
            }
            bytes = rest;
        }
        true
    }
}

/// The most a line may lag behind its rate and still make up for: one sleep's overshoot, no more.
const LAG: Duration = Duration::from_millis(10);

/// Lets bytes through at a rate, and no faster for having been idle. The waiting is the point of it,
/// not a guess at when something else is done.
struct Pace {
    rate: Option<u64>,
    /// When the line has sent all bytes given to it.
    free: Instant,
}

impl Pace {
    fn new(rate: Option<u64>) -> Self {
        Self { rate, free: Instant::now() }
    }

    fn wait(&mut self, count: usize) {
        let Some(rate) = self.rate else { return };
        let now = Instant::now();
        let takes = Duration::from_micros(count as u64 * 1_000_000 / rate.max(1));
        self.free = now.checked_sub(LAG).map_or(now, |from| from.max(self.free)) + takes;
        thread::sleep(self.free.saturating_duration_since(now));
    }
}
