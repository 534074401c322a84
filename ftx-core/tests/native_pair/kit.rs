//! Tests of the pair itself.

use std::collections::{BTreeMap, VecDeque};

use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv};
use ftx_core::native::wire::{BlockHead, Reply, Request};

use crate::pair::{Bytes, Incoming, LineFaults, Millis, Pair, Peer, RunEnd, block_frame};

/// Sends what it has, and notes what arrives.
#[derive(Debug, Default)]
struct Scripted {
    sends: BTreeMap<StreamId, VecDeque<Bytes>>,
    arrived: Vec<(Millis, StreamId, String)>,
    limit: Option<Millis>,
}

impl Peer for Scripted {
    fn on_incoming(&mut self, now: Millis, stream: StreamId, incoming: Incoming) {
        let text = match incoming {
            Incoming::Control { header, payload } => match Request::decode(&header, &payload) {
                Ok(request) => format!("{request:?}"),
                Err(_) => format!("{:?}", Reply::decode(&header, &payload).unwrap()),
            },
            Incoming::BlockBytes { .. } => return,
            other => format!("{other:?}"),
        };
        self.arrived.push((now, stream, text));
    }

    fn on_closed(&mut self, stream: StreamId) {
        self.arrived.push((0, stream, "closed".to_owned()));
    }

    fn send(&mut self, _: Millis, stream: StreamId) -> Option<Bytes> {
        self.sends.get_mut(&stream)?.pop_front()
    }

    fn wakes_at(&self) -> Option<Millis> {
        self.limit
    }

    fn on_time(&mut self, now: Millis) {
        self.arrived.push((now, 0, "time".to_owned()));
        self.limit = None;
    }
}

fn ping(payload: u64) -> Bytes {
    Request::Ping { payload }.encode(0).unwrap().into()
}

fn queue(frames: Vec<Bytes>) -> BTreeMap<StreamId, VecDeque<Bytes>> {
    [(0, frames.into())].into()
}

#[test]
fn frames_arrive_in_order_after_the_delay_whatever_the_pieces() {
    let frames = || {
        let head = BlockHead { index: 3, len: BLOCK_BYTES };
        vec![ping(1), block_frame(7, head, 9, Cv([5; 32])), ping(2)]
    };
    for seed in 0..200 {
        let mut pair = Pair::new(Scripted::default(), seed);
        pair.connect(LineFaults { delay: 40, ..LineFaults::default() });
        let mut client = Scripted { sends: queue(frames()), ..Scripted::default() };
        assert_eq!(pair.run(&mut client), RunEnd::Idle);
        let arrived: Vec<(Millis, &str)> = pair
            .server
            .arrived
            .iter()
            .map(|(at, _, text)| (*at, text.split([' ', '{']).next().unwrap()))
            .collect();
        let expected = [(40, "Ping"), (40, "BlockHead"), (40, "BlockEnd"), (40, "Ping")];
        assert_eq!(arrived, expected);
    }
}

#[test]
fn a_cut_ends_the_connection_on_both_sides_after_the_bytes_before_it() {
    let frame = ping(1).len();
    for cut in 0..=2 * frame {
        let mut pair = Pair::new(Scripted::default(), cut);
        pair.connect(LineFaults { cut_up_after: Some(cut), ..LineFaults::default() });
        let mut client = Scripted { sends: queue(vec![ping(1), ping(2)]), ..Scripted::default() };
        pair.run(&mut client);
        let whole = pair.server.arrived.iter().filter(|(_, _, text)| text != "closed").count();
        assert_eq!(whole as u64, cut / frame, "{cut}");
        let is_closed =
            |peer: &Scripted| peer.arrived.last().is_some_and(|(_, _, text)| text == "closed");
        assert_eq!(
            (is_closed(&client), is_closed(&pair.server)),
            (cut < 2 * frame, cut < 2 * frame)
        );
    }
}

#[test]
fn in_silence_the_clock_runs_to_the_limit() {
    let pong = Reply::Pong { payload: 1 }.encode(0).unwrap();
    let server = Scripted { sends: queue(vec![pong.into()]), ..Scripted::default() };
    let mut pair = Pair::new(server, 0);
    pair.connect(LineFaults { silent_after: Some(0), ..LineFaults::default() });
    let mut client = Scripted { limit: Some(30_000), ..Scripted::default() };
    assert_eq!(pair.run(&mut client), RunEnd::Idle);
    assert_eq!(client.arrived, [(30_000, 0, "time".to_owned())]);
    assert_eq!(pair.now, 30_000);
}
