//! Peers that take what they are sent slowly, but steadily.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Read as _;
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ftx_io::{BufferedStream, Frames, IoLimits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// More than the system takes of it at once.
const LEN: usize = 5 << 20;

/// What a peer takes at a time.
const PIECE: usize = 16 * 1024;

/// How long it pauses then. The slowness is the point of it, not a guess at when something is done.
const PAUSE: Duration = Duration::from_millis(40);

/// In this time a peer takes a good deal, on a busy machine too, but far less than the system has
/// taken for it.
const LIMIT: Duration = Duration::from_secs(2);

/// For so long it pauses. Whoever takes it for one that does not read does so before.
const SLOW: Duration = Duration::from_secs(5);

/// A connection, and how many bytes its peer gets in the end.
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
    (BufferedStream::new(stream).unwrap(), reading)
}

/// Bytes move all the time, so nobody may say that nothing went.
#[tokio::test]
async fn who_reads_slowly_is_not_taken_for_one_that_does_not_read() {
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
