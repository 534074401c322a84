//! Peers that read slowly but steadily.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Read as _;
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ftx_io::{BufferedStream, Frames, IoLimits, Transport};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// More than the system accepts at once.
const LEN: usize = 5 << 20;

/// The bytes that a peer reads at a time.
const PIECE: usize = 16 * 1024;

/// The pause between reads. Slowness is the point here, not a guess at a duration.
const PAUSE: Duration = Duration::from_millis(40);

/// In this time a peer reads a lot, even on a busy machine, but far less than the system has
/// accepted for it.
const LIMIT: Duration = Duration::from_secs(2);

/// The duration of slow reading. A writer that gives up on the peer does so before.
const SLOW: Duration = Duration::from_secs(5);

/// A connection, and the number of bytes its peer receives in the end.
async fn connected() -> (BufferedStream, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let reading = thread::spawn(move || {
        let (mut piece, mut all) = (vec![0; PIECE], 0);
        let start = Instant::now();
        loop {
            match peer.read(&mut piece).unwrap() {
                0 => return all,
                len => all += len,
            }
            if start.elapsed() < SLOW {
                thread::sleep(PAUSE);
            }
        }
    });
    (BufferedStream::new(Transport::tcp(stream).unwrap()), reading)
}

/// Bytes move all the time, so no wait may time out.
#[tokio::test]
async fn a_slow_reader_is_not_mistaken_for_a_stalled_one() {
    let stop = CancellationToken::new();
    let guard = IoLimits { limit: LIMIT, stop: &stop };
    let data = vec![1; LEN];
    let body = async {
        let (mut wire, reading) = connected().await;
        wire.write_body(&data, guard).await.expect("a body");
        reading
    };
    let messages = async {
        let (mut wire, reading) = connected().await;
        wire.write_all(&data, guard).await.expect("messages");
        reading
    };
    let frames = async {
        let (wire, reading) = connected().await;
        let mut frames = Frames::new(wire, 1000);
        frames.queue(&data[..LEN / 2]);
        frames.writer().flush(guard).await.expect("queued frames");
        frames.writer().send(&data[LEN / 2..], guard).await.expect("a block");
        reading
    };
    let (body, messages, frames) = tokio::join!(body, messages, frames);
    for reading in [body, messages, frames] {
        assert_eq!(reading.join().unwrap(), LEN);
    }
}
