//! One connection through a proxy: a thread for each direction.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::{Direction, Plan, Shared};

const PIECE: usize = 64 * 1024;

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
    let [from_client, to_server] = clones();
    let ways =
        [(Direction::ToServer, from_client, to_server), (Direction::ToClient, server, client)];
    for (direction, from, to) in ways {
        let (shared, ended) = (Arc::clone(shared), Arc::clone(&ended));
        thread::spawn(move || {
            let end = pump(&from, &to, direction, plan, &shared);
            if end == End::Cut {
                cut(&[from, to]);
            } else {
                let _ = to.shutdown(Shutdown::Write);
            }
            if end == End::Cut || ended.fetch_add(1, SeqCst) == 1 {
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

#[derive(PartialEq, Eq)]
enum End {
    /// The plan's bytes have passed, or one side is broken.
    Cut,
    /// The sender ended in good order.
    Sender,
}

fn pump(
    mut from: &TcpStream,
    mut to: &TcpStream,
    direction: Direction,
    plan: Plan,
    shared: &Shared,
) -> End {
    let mut left = match plan.cut {
        Some((way, bytes)) if way == direction => bytes,
        _ => u64::MAX,
    };
    let mut buffer = vec![0; plan.piece.unwrap_or(PIECE).min(PIECE)];
    let mut pace = Pace::new(plan.rate);
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = match from.read(&mut buffer[..most]) {
            Ok(0) => return End::Sender,
            Ok(count) => count,
            Err(_) => return End::Cut,
        };
        thread::sleep(plan.delay);
        pace.wait(count);
        shared.wait_while_held();
        if to.write_all(&buffer[..count]).is_err() {
            return End::Cut;
        }
        shared.counts[direction.index()].fetch_add(count as u64, SeqCst);
        left -= count as u64;
    }
    End::Cut
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
