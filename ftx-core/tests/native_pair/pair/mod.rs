//! Both sides of native connections, joined in memory under a virtual clock.
//!
//! ```text
//!    Peer (client) ◀──▶ Connection { up: Link, down: Link } ◀──▶ Peer (server)
//!                            as many as the client opens
//! ```
//!
//! The bytes on a link are those of PROTOCOL.md. They arrive in pieces of any length, with a delay; a
//! connection is cut after any byte, or falls silent. Which connection moves next is the choice of a
//! seed, so a failing schedule repeats.

mod bytes;
mod frames;
mod link;
mod schedule;

use std::collections::BTreeMap;

use ftx_core::native::StreamId;

pub(crate) use bytes::{Bytes, Piece};
pub(crate) use frames::{Incoming, block_frame, file_frame};
pub(crate) use link::Millis;
pub(crate) use schedule::Schedule;

use frames::FrameReader;
use link::Link;

/// Far more than a transfer takes.
const MAX_STEPS: u32 = 200_000;

/// A side: its machines, and a model of their driver.
pub(crate) trait Peer {
    /// A frame, or a part of a block, has arrived.
    fn on_incoming(&mut self, now: Millis, stream: StreamId, incoming: Incoming);

    /// The connection has ended.
    fn on_closed(&mut self, stream: StreamId);

    /// Returns the bytes that the peer sends next on a connection. Called again until there are none.
    fn send(&mut self, now: Millis, stream: StreamId) -> Option<Bytes>;

    /// The time at which [`on_time`](Self::on_time) must be called, unless something arrives before.
    fn wakes_at(&self) -> Option<Millis> {
        None
    }

    /// The time that `wakes_at` gave has come.
    fn on_time(&mut self, _now: Millis) {}

    /// Whether the process of this side ends now. Its connections end with it.
    fn is_over(&self) -> bool {
        false
    }

    /// The connections that this side closes now.
    fn closes(&mut self) -> Vec<StreamId> {
        Vec::new()
    }
}

/// One direction of a connection at its receiver.
#[derive(Debug, Default)]
struct Direction {
    link: Link,
    reader: FrameReader,
    /// The receiver knows that the connection has ended.
    is_told: bool,
}

/// Bytes from the client go up, those from the server down.
#[derive(Debug, Default)]
struct Connection {
    up: Direction,
    down: Direction,
}

/// What goes wrong on one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineFaults {
    /// Milliseconds that each byte takes.
    pub(crate) delay: Millis,
    /// The connection is cut when this many bytes have arrived at the server, or at the client.
    pub(crate) cut_up_after: Option<u64>,
    pub(crate) cut_down_after: Option<u64>,
    /// From this many bytes on nothing arrives at the client, and nothing ends.
    pub(crate) silent_after: Option<u64>,
}

/// The end of [`Pair::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// Nothing is on its way, and no side waits for a time.
    Idle,
    /// The client is over.
    ClientOver,
    /// The server is over.
    ServerOver,
}

/// A server, its connections, and the clock.
#[derive(Debug)]
pub(crate) struct Pair<S> {
    pub(crate) server: S,
    pub(crate) now: Millis,
    pub(crate) schedule: Schedule,
    connections: BTreeMap<StreamId, Connection>,
    next_stream: StreamId,
}

impl<S: Peer> Pair<S> {
    pub(crate) fn new(server: S, seed: u64) -> Self {
        let schedule = Schedule::seeded(seed);
        Self { server, now: 0, schedule, connections: BTreeMap::new(), next_stream: 0 }
    }

    /// Opens a connection, which has made its handshake.
    pub(crate) fn connect(&mut self, faults: LineFaults) -> StreamId {
        let stream = self.next_stream;
        self.next_stream += 1;
        let mut connection = Connection::default();
        connection.up.link = Link::new(faults.delay, faults.cut_up_after, None);
        connection.down.link = Link::new(faults.delay, faults.cut_down_after, faults.silent_after);
        self.connections.insert(stream, connection);
        stream
    }

    /// Runs the client until it is over, the server is over, or nothing more happens. Connections that
    /// the client leaves open are then closed; bytes on their way to the server still arrive in the next
    /// run.
    pub(crate) fn run(&mut self, client: &mut impl Peer) -> RunEnd {
        let end = self.steps(client);
        for connection in self.connections.values_mut() {
            connection.down.is_told = true;
            connection.up.link.close();
        }
        if end == RunEnd::ServerOver {
            self.connections.clear();
        }
        end
    }

    fn steps(&mut self, client: &mut impl Peer) -> RunEnd {
        for _ in 0..MAX_STEPS {
            if client.is_over() {
                return RunEnd::ClientOver;
            }
            if self.server.is_over() {
                return RunEnd::ServerOver;
            }
            for stream in client.closes() {
                if let Some(connection) = self.connections.get_mut(&stream) {
                    connection.down.is_told = true;
                    connection.up.link.close();
                }
            }
            self.send(client);
            if !self.deliver(client) && !self.advance(client) {
                return RunEnd::Idle;
            }
        }
        panic!("the peers never come to an end: {:?}", self.connections);
    }

    /// Each side sends on each of its open connections, and the server closes some.
    fn send(&mut self, client: &mut impl Peer) {
        for (stream, connection) in &mut self.connections {
            while !connection.down.is_told
                && let Some(bytes) = client.send(self.now, *stream)
            {
                connection.up.link.push(self.now, bytes);
            }
            // A server that cannot send does not prepare more.
            while !connection.up.is_told
                && connection.down.link.has_room()
                && let Some(bytes) = self.server.send(self.now, *stream)
            {
                connection.down.link.push(self.now, bytes);
            }
        }
        for stream in self.server.closes() {
            if let Some(connection) = self.connections.get_mut(&stream) {
                connection.up.is_told = true;
                connection.down.link.close();
            }
        }
    }

    /// Delivers some bytes, or the end, on a connection of the schedule's choice.
    fn deliver(&mut self, client: &mut impl Peer) -> bool {
        let now = self.now;
        let is_due = |direction: &Direction| !direction.is_told && direction.link.is_due(now);
        let ready: Vec<(StreamId, bool)> = self
            .connections
            .iter()
            .flat_map(|(stream, connection)| {
                [(*stream, true, &connection.up), (*stream, false, &connection.down)]
            })
            .filter(|(_, _, direction)| is_due(direction))
            .map(|(stream, is_up, _)| (stream, is_up))
            .collect();
        if ready.is_empty() {
            return false;
        }
        let (stream, is_up) = ready[self.schedule.below(ready.len())];
        let limit = self.schedule.piece();
        let connection = self.connections.get_mut(&stream).unwrap();
        let direction = if is_up { &mut connection.up } else { &mut connection.down };
        match direction.link.take(now, limit) {
            Some(bytes) => {
                direction.reader.push(bytes);
                while let Some(incoming) = direction.reader.next() {
                    if is_up {
                        self.server.on_incoming(now, stream, incoming);
                    } else {
                        client.on_incoming(now, stream, incoming);
                    }
                }
            }
            None => {
                direction.is_told = true;
                // A reset takes both directions, but not the bytes on their way to the server.
                if is_up {
                    self.server.on_closed(stream);
                    connection.down.link.close();
                    self.connections.get_mut(&stream).unwrap().down.link.clear();
                } else {
                    client.on_closed(stream);
                    connection.up.link.close();
                }
            }
        }
        true
    }

    /// Sets the clock to the next time at which something happens.
    fn advance(&mut self, client: &mut impl Peer) -> bool {
        let links = self.connections.values().flat_map(|connection| {
            [&connection.up, &connection.down]
                .map(|direction| if direction.is_told { None } else { direction.link.next_due() })
        });
        let timers = [client.wakes_at(), self.server.wakes_at()];
        let Some(next) = links.chain(timers).flatten().min() else { return false };
        self.now = self.now.max(next);
        if client.wakes_at().is_some_and(|at| at <= self.now) {
            client.on_time(self.now);
        }
        if self.server.wakes_at().is_some_and(|at| at <= self.now) {
            self.server.on_time(self.now);
        }
        true
    }
}
