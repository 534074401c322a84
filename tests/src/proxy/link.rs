//! One connection through a proxy: a thread for each direction.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::inflow::Inflow;
use super::rounds::Rounds;
use super::{Direction, PIECE, Plan, Shared};

/// Passes bytes on between the two until either side ends or the plan says so.
pub(super) fn start(
    index: usize,
    client: TcpStream,
    server: TcpStream,
    plan: Plan,
    shared: &Arc<Shared>,
) {
    let clones = || [client.try_clone().unwrap(), server.try_clone().unwrap()];
    for socket in clones() {
        socket.set_nodelay(true).unwrap();
    }
    shared.links.lock().unwrap().insert(index, clones());
    let ended = Arc::new(AtomicUsize::new(0));
    let hangs = Arc::new(AtomicBool::new(false));
    let rounds = Rounds::new(&shared.rounds);
    let [from_client, to_server] = clones();
    let ways =
        [(Direction::ToServer, from_client, to_server), (Direction::ToClient, server, client)];
    for (direction, from, to) in ways {
        let (shared, ended) = (Arc::clone(shared), Arc::clone(&ended));
        let inflow = Inflow::new(from.try_clone().unwrap(), direction, plan.delay, rounds.clone());
        let (hangs, rounds) = (Arc::clone(&hangs), rounds.clone());
        thread::spawn(move || {
            let way = Way { to: &to, direction, plan, shared: &shared, hangs: &hangs, rounds };
            let end = way.pump(inflow);
            match end {
                End::Cut => cut(&[from, to]),
                End::Hung => {
                    hangs.store(true, SeqCst);
                    // Neither side hears of what becomes of the other.
                    shared.wait_until_stopped();
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

/// Ends both directions of both sockets, which also wakes the threads that hold handles to them;
/// the last to go closes them, and what is on its way to them is answered by a reset.
pub(super) fn cut(sockets: &[TcpStream; 2]) {
    for socket in sockets {
        let _ = socket.shutdown(Shutdown::Both);
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
    shared: &'a Shared,
    hangs: &'a AtomicBool,
    rounds: Rounds,
}

impl Way<'_> {
    fn pump(mut self, mut from: Inflow) -> End {
        let Plan { hang, piece, rate, .. } = self.plan;
        let mut left = self.plan.end(self.direction);
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
            // That a side has ended is held back, too.
            self.shared.wait_while_held();
            let (count, round) = match come {
                Ok((0, _)) => return End::Sender,
                Ok(come) => come,
                Err(_) => return End::Cut,
            };
            // Before it can be answered: who sees an answer finds what caused it counted.
            self.rounds.passed(self.direction, round);
            let passed = &self.shared.counts[self.direction.index()];
            passed.fetch_add(count as u64, SeqCst);
            if self.to.write_all(&buffer[..count]).is_err() {
                passed.fetch_sub(count as u64, SeqCst);
                return End::Cut;
            }
            left -= count as u64;
        }
        if hang.is_some_and(|(way, _)| way == self.direction) { End::Hung } else { End::Cut }
    }
}

/// Lets bytes through at a rate. The waiting is the point of it, not a guess at when something
/// else is done.
struct Pace {
    rate: Option<u64>,
    start: Instant,
    passed: u64,
}

impl Pace {
    fn new(rate: Option<u64>) -> Self {
        Self { rate, start: Instant::now(), passed: 0 }
    }

    fn wait(&mut self, count: usize) {
        let Some(rate) = self.rate else { return };
        self.passed += count as u64;
        let due = Duration::from_micros(self.passed.saturating_mul(1_000_000) / rate.max(1));
        thread::sleep(due.saturating_sub(self.start.elapsed()));
    }
}
