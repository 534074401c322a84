//! Connecting to a host that may have several addresses.
//!
//! An address may never answer, for example where IPv6 packets are dropped on the way. So the next one
//! is tried after a moment, while the earlier ones may still answer. The first answer wins.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::ServerAddr;

/// The wait for an address before the next one is tried as well; RFC 8305 recommends it.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// The time in which a limited client reads what the system's receive buffer holds.
///
/// A full buffer takes nothing more until much of it has been read, which takes long at a low rate: the
/// server then sees a client that stands still.
const BUFFERED_SECONDS: u64 = 2;

/// The size from which on the system chooses that of the receive buffer.
const MAX_BOUNDED_BUFFER_BYTES: u64 = 128 * 1024;

/// The address that was tried last, and its failure.
#[derive(Debug, thiserror::Error)]
#[error("tried {candidate} last")]
struct FailedAddress {
    candidate: SocketAddr,
    source: io::Error,
}

/// A connection, and the time that the server took to accept it.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) stream: TcpStream,
    pub(super) took: Duration,
}

/// Connects to the first of the host's addresses that answers.
///
/// # Errors
/// The host is unknown, or the failure of the address that was tried last.
pub(super) async fn connect(
    address: &ServerAddr,
    buffer: Option<u32>,
    deadline: Instant,
) -> io::Result<Connected> {
    let found = timeout_at(deadline, lookup_host((address.host(), address.port()))).await;
    let found = found.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    // The resolver's errors have no kind of their own.
    let candidates = found.map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
    let connect_to = move |candidate| async move {
        let begun = Instant::now();
        let stream = tcp(candidate, buffer).await?;
        Ok(Connected { stream, took: begun.elapsed() })
    };
    let connected = race(candidates, deadline, connect_to).await;
    connected.map_err(|failed| match failed {
        None => io::ErrorKind::AddrNotAvailable.into(),
        // The address would only repeat the one that was given.
        Some(failed) if address.host().parse::<IpAddr>().is_ok() => failed.source,
        Some(failed) => io::Error::new(failed.source.kind(), failed),
    })
}

/// The size of the system's receive buffer for a client of this rate; `None` lets the system choose it.
pub(super) fn receive_buffer_bytes(rate: Option<NonZeroU64>) -> Option<u32> {
    let bytes = rate?.get().saturating_mul(BUFFERED_SECONDS);
    u32::try_from(bytes).ok().filter(|_| bytes < MAX_BOUNDED_BUFFER_BYTES)
}

async fn tcp(candidate: SocketAddr, buffer: Option<u32>) -> io::Result<TcpStream> {
    let Some(bytes) = buffer else { return TcpStream::connect(candidate).await };
    let socket = if candidate.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Before the server hears how much it may send. Without it, only a very low rate fares worse.
    let _ = socket.set_recv_buffer_size(bytes);
    socket.connect(candidate).await
}

/// Tries the candidates in order, the next one as soon as those before it have failed or had their
/// time. The error is `None` if there are no candidates.
async fn race<T, F>(
    candidates: impl IntoIterator<Item = SocketAddr>,
    deadline: Instant,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Option<FailedAddress>>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut candidates = candidates.into_iter().peekable();
    let mut connecting_set = JoinSet::new();
    let mut last: Option<FailedAddress> = None;
    loop {
        if let Some(candidate) = candidates.next() {
            let connecting = connect(candidate);
            connecting_set.spawn(async move { (candidate, connecting.await) });
            // Counts until it answers.
            last = Some(FailedAddress { candidate, source: io::ErrorKind::TimedOut.into() });
        }
        let until = match candidates.peek() {
            Some(_) => deadline.min(Instant::now() + NEXT_ADDRESS_AFTER),
            None => deadline,
        };
        match timeout_at(until, connecting_set.join_next()).await {
            Ok(Some(Ok((_, Ok(connected))))) => return Ok(connected),
            Ok(Some(Ok((candidate, Err(source))))) => {
                if last.as_ref().is_some_and(|last| last.candidate == candidate) {
                    last = Some(FailedAddress { candidate, source });
                }
            }
            // A task that panicked has reported it, and counts as failed.
            Ok(Some(Err(_))) => {}
            Ok(None) => return Err(last),
            Err(_) if Instant::now() >= deadline => return Err(last),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io::ErrorKind;

    use tokio::net::TcpListener;

    use super::*;
    use crate::options::MIN_LIMIT_RATE;

    const LIMIT: Duration = Duration::from_secs(30);

    /// The behaviour of an address.
    #[derive(Clone, Copy)]
    enum Does {
        Answer,
        AnswerAfter(Duration),
        Nothing,
        Refuse,
    }

    /// Races addresses whose ports count up from 1. Returns the port that answered, or the last one and
    /// its failure, and the duration.
    async fn race_of(does: &[Does]) -> (Result<u16, Option<(u16, ErrorKind)>>, Duration) {
        let begun = Instant::now();
        let candidates = (1..).zip(does).map(|(port, _)| SocketAddr::from(([127, 0, 0, 1], port)));
        let connected = race(candidates, begun + LIMIT, |candidate| {
            let does = does[usize::from(candidate.port()) - 1];
            async move {
                match does {
                    Does::Answer => {}
                    Does::AnswerAfter(time) => tokio::time::sleep(time).await,
                    Does::Nothing => pending().await,
                    Does::Refuse => return Err(ErrorKind::ConnectionRefused.into()),
                }
                Ok(candidate.port())
            }
        });
        let told = |failed: FailedAddress| (failed.candidate.port(), failed.source.kind());
        (connected.await.map_err(|failed| failed.map(told)), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_costs_a_moment_only() {
        let (connected, took) = race_of(&[Does::Nothing, Does::Nothing, Does::Answer]).await;
        assert_eq!(connected, Ok(3));
        assert!((2 * NEXT_ADDRESS_AFTER..3 * NEXT_ADDRESS_AFTER).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_refuses_costs_nothing() {
        let (connected, took) = race_of(&[Does::Refuse, Does::Refuse, Does::Answer]).await;
        assert_eq!(connected, Ok(3));
        assert!(took < NEXT_ADDRESS_AFTER, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_one_may_still_answer() {
        let late = Does::AnswerAfter(3 * NEXT_ADDRESS_AFTER);
        let (connected, took) = race_of(&[late, Does::Nothing, Does::Refuse]).await;
        assert_eq!(connected, Ok(1));
        assert!((3 * NEXT_ADDRESS_AFTER..4 * NEXT_ADDRESS_AFTER).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_tried_alone_while_it_may_be_quick() {
        let (connected, _) =
            race_of(&[Does::AnswerAfter(NEXT_ADDRESS_AFTER / 2), Does::Answer]).await;
        assert_eq!(connected, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_for_all_together() {
        let (failed, took) = race_of(&[Does::Nothing; 4]).await;
        assert_eq!(failed, Err(Some((4, ErrorKind::TimedOut))));
        assert!((LIMIT..LIMIT + NEXT_ADDRESS_AFTER).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_failure_is_reported() {
        let (failed, took) = race_of(&[Does::Refuse, Does::Refuse]).await;
        assert_eq!(failed, Err(Some((2, ErrorKind::ConnectionRefused))));
        assert!(took < NEXT_ADDRESS_AFTER, "{took:?}");
        assert_eq!(race_of(&[]).await.0, Err(None));
    }

    #[test]
    fn a_low_rate_has_a_small_buffer() {
        let bytes = |rate| receive_buffer_bytes(NonZeroU64::new(rate));
        assert_eq!(bytes(MIN_LIMIT_RATE), Some(16 * 1024));
        assert_eq!([0, 1 << 16, 1 << 30, u64::MAX].map(bytes), [None; 4]);
    }

    /// The bytes that a peer may send before any is read, as far as they have arrived.
    async fn unread_bytes(buffer: Option<u32>, until: impl Fn(usize) -> bool) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tcp(listener.local_addr().unwrap(), buffer).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        peer.writable().await.unwrap();
        while peer.try_write(&[0; 1 << 16]).is_ok() {}
        let mut bytes = vec![0; 1 << 20];
        loop {
            let len = stream.peek(&mut bytes).await.unwrap();
            if until(len) {
                return len;
            }
        }
    }

    #[tokio::test]
    async fn a_small_buffer_takes_few_bytes() {
        let small = unread_bytes(receive_buffer_bytes(NonZeroU64::new(MIN_LIMIT_RATE)), |_| true);
        assert!(small.await <= 32 * 1024);
        unread_bytes(None, |len| len > 32 * 1024).await;
    }

    #[tokio::test]
    async fn a_refusing_host_is_named_with_its_address() {
        // No program listens there, and the system never assigns it as a free port.
        let port = 1;
        let error =
            connect(&ServerAddr::new("localhost", port).unwrap(), None, Instant::now() + LIMIT)
                .await
                .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let told = ftx_io::ErrorChain(&error).to_string();
        assert!(told.contains(&format!(":{port} last: ")), "{told}");
        let error =
            connect(&ServerAddr::new("127.0.0.1", port).unwrap(), None, Instant::now() + LIMIT)
                .await
                .unwrap_err();
        assert!(!error.to_string().contains("last"), "{error}");
    }
}
