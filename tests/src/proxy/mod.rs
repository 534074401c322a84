//! A TCP proxy that misbehaves on request.
//!
//! A [`Plan`] describes the misbehaviour of one connection; a proxy asks for one for each connection
//! that it accepts, so the first may be cut and the second left alone. The server behind it can be
//! changed while it runs, which is how a client meets a restarted server under the same address.

mod gate;
mod inflow;
mod link;
mod plan;
mod rounds;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use self::gate::Gate;
use self::link::Link;
pub use self::plan::{Direction, Plan};

/// Bytes that are passed on at a time at most.
const PIECE: usize = 64 * 1024;

/// A running proxy on a free port of the loopback interface.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<SocketAddr>,
    connections: AtomicUsize,
    /// Connections that a plan has cut, or on which it has stopped everything or changed a byte.
    struck: AtomicUsize,
    /// The most round trips of a connection.
    rounds: Arc<AtomicU64>,
    /// Every connection that stands, by its index, so that it can be cut from outside. Nothing stays
    /// here afterwards: its sockets are closed when the last thread lets go of it.
    links: Mutex<BTreeMap<usize, Arc<Link>>>,
    gate: Gate,
}

impl Proxy {
    /// A proxy that does nothing but count.
    #[must_use]
    pub fn plain(upstream: SocketAddr) -> Self {
        Self::start(upstream, |_| Plan::default())
    }

    /// A proxy that asks `plan` for the treatment of connection 0, 1, 2, …
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start(upstream: SocketAddr, plan: impl Fn(usize) -> Plan + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            connections: AtomicUsize::new(0),
            struck: AtomicUsize::new(0),
            rounds: Arc::default(),
            links: Mutex::default(),
            gate: Gate::new(),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, &shared, plan))
        };
        Self { addr, shared, acceptor: Some(acceptor) }
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Bytes passed on in a direction since the start, over all connections.
    #[must_use]
    pub fn count(&self, direction: Direction) -> u64 {
        self.shared.gate.passed(direction)
    }

    /// Connections accepted since the start.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// Faults of plans that have happened: connections that were cut or stopped, bytes that were changed.
    /// A connection that ends before its plan's place has none.
    #[must_use]
    pub fn struck(&self) -> usize {
        self.shared.struck.load(SeqCst)
    }

    /// The most round trips that any connection took: how often its client sent something after it had
    /// received the answer to its previous message. Meaningful only on a line with a
    /// [delay](Plan::delay).
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.rounds.load(SeqCst)
    }

    /// Connects new clients to another server from now on.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap() = upstream;
    }

    /// Cuts every connection and drops the bytes held back.
    pub fn cut(&self) {
        for link in std::mem::take(&mut *self.shared.links.lock().unwrap()).values() {
            link.cut(&self.shared.gate);
        }
    }

    /// Holds everything back, with the connections left open, or lets it pass again.
    pub fn hold(&self, hold: bool) {
        self.shared.gate.hold(hold);
    }

    /// Lets bytes pass in a direction until its [count](Self::count) reaches `total`, and no more: a
    /// later look finds exactly that much passed. Bytes behind them wait, with the connections left
    /// open; the other direction and the end of a connection do not. `u64::MAX` lets everything pass
    /// again.
    pub fn let_pass(&self, direction: Direction, total: u64) {
        self.shared.gate.let_pass(direction, total);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.gate.stop();
        // Wakes the acceptor, which then sees that it is over.
        let _ = TcpStream::connect(self.addr);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.cut();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, plan: impl Fn(usize) -> Plan) {
    for client in listener.incoming() {
        if shared.gate.is_stopped() {
            return;
        }
        let Ok(client) = client else { continue };
        let index = shared.connections.fetch_add(1, SeqCst);
        let upstream = *shared.upstream.lock().unwrap();
        // No server there: the client's connection is dropped, as a dead server's would be.
        if let Ok(server) = TcpStream::connect(upstream) {
            link::start(index, client, server, plan(index), shared);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::thread;

    use super::{Direction, Plan, Proxy};

    const BYTES: usize = 1000;

    /// The faults that struck a connection of 1000 bytes.
    fn struck(plan: Plan) -> usize {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap(), move |_| plan);
        let server = thread::spawn(move || {
            let (mut from, _) = listener.accept().unwrap();
            // A cut ends it, too.
            let _ = from.read_to_end(&mut Vec::new());
        });
        let mut client = TcpStream::connect(proxy.addr()).unwrap();
        client.write_all(&[0; BYTES]).unwrap();
        let _ = client.shutdown(std::net::Shutdown::Write);
        server.join().unwrap();
        proxy.struck()
    }

    #[test]
    fn only_faults_that_happened_count() {
        for (place, count) in [(BYTES as u64 - 1, 1), (BYTES as u64 + 1, 0)] {
            assert_eq!(struck(Plan::default().cut_after(Direction::ToServer, place)), count);
            assert_eq!(struck(Plan::default().flip_after(Direction::ToServer, place)), count);
            assert_eq!(struck(Plan::default().cut_after(Direction::ToClient, place)), 0);
        }
        assert_eq!(struck(Plan::default()), 0);
    }
}
