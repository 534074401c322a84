//! Connecting to a host that may have several addresses.
//!
//! An address may not answer at all, as IPv6 ones do where packets to them are dropped on the way.
//! So the next one is tried soon, while the earlier ones may still answer; who answers first is
//! taken.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ftx_io::{BufferedStream, deadline_after};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::{Cancel, ServerAddr, TransferError};

/// How long an address is waited for before the next one is tried as well; RFC 8305 recommends it.
const STAGGER: Duration = Duration::from_millis(250);

/// The address that was tried last, and what became of it.
#[derive(Debug, thiserror::Error)]
#[error("tried {candidate} last")]
struct Failed {
    candidate: SocketAddr,
    source: io::Error,
}

/// Connects to the first of the host's addresses that answers.
pub(crate) async fn connect(
    address: &ServerAddr,
    timeout: Duration,
    cancel: &Cancel,
) -> Result<BufferedStream, TransferError> {
    let stream = tokio::select! {
        biased;
        () = cancel.token(true).cancelled() => return Err(TransferError::cancelled()),
        connected = to(address, timeout) => connected,
    };
    stream.and_then(BufferedStream::new).map_err(|source| unreachable(address, source))
}

fn unreachable(address: &ServerAddr, source: io::Error) -> TransferError {
    let error = if source.kind() == io::ErrorKind::NotFound {
        TransferError::address_not_found(address)
    } else {
        TransferError::connect_failed(address)
    };
    error.caused_by(source)
}

/// Connects to the first of the host's addresses that answers, all within `limit`.
///
/// # Errors
/// The host is not known, or what went wrong with the address that was tried last.
async fn to(address: &ServerAddr, limit: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::from_std(deadline_after(limit));
    let found = timeout_at(deadline, lookup_host((address.host(), address.port()))).await;
    let found = found.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    // The system's resolver has no kind of its own for that.
    let candidates = found.map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
    let connected = race(candidates, deadline, TcpStream::connect).await;
    connected.map_err(|failed| match failed {
        None => io::ErrorKind::AddrNotAvailable.into(),
        // Nothing would be told but the address that was given.
        Some(failed) if address.host().parse::<IpAddr>().is_ok() => failed.source,
        Some(failed) => io::Error::new(failed.source.kind(), failed),
    })
}

/// Tries the candidates in their order, the next one as soon as those before have failed or were
/// waited for long enough. `None` as error if there are none.
async fn race<T, F>(
    candidates: impl IntoIterator<Item = SocketAddr>,
    deadline: Instant,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Option<Failed>>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut candidates = candidates.into_iter().peekable();
    let mut tries = JoinSet::new();
    let mut last: Option<Failed> = None;
    loop {
        if let Some(candidate) = candidates.next() {
            let connecting = connect(candidate);
            tries.spawn(async move { (candidate, connecting.await) });
            // Holds until it answers.
            last = Some(Failed { candidate, source: io::ErrorKind::TimedOut.into() });
        }
        let until = match candidates.peek() {
            Some(_) => deadline.min(Instant::now() + STAGGER),
            None => deadline,
        };
        match timeout_at(until, tries.join_next()).await {
            Ok(Some(Ok((_, Ok(connected))))) => return Ok(connected),
            Ok(Some(Ok((candidate, Err(source))))) => {
                if last.as_ref().is_some_and(|last| last.candidate == candidate) {
                    last = Some(Failed { candidate, source });
                }
            }
            // A try that panicked has said so, and was one that failed.
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

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// What an address does.
    #[derive(Clone, Copy)]
    enum Does {
        Answer,
        AnswerAfter(Duration),
        Nothing,
        Refuse,
    }

    /// Races addresses, whose ports count up from 1, and tells what came of it: the port that
    /// answered, or that was tried last and why it failed; and how long it took.
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
        let told = |failed: Failed| (failed.candidate.port(), failed.source.kind());
        (connected.await.map_err(|failed| failed.map(told)), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_costs_a_moment_only() {
        let (connected, took) = race_of(&[Does::Nothing, Does::Nothing, Does::Answer]).await;
        assert_eq!(connected, Ok(3));
        assert!((2 * STAGGER..3 * STAGGER).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_refuses_costs_nothing() {
        let (connected, took) = race_of(&[Does::Refuse, Does::Refuse, Does::Answer]).await;
        assert_eq!(connected, Ok(3));
        assert!(took < STAGGER, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_one_may_still_answer() {
        let late = Does::AnswerAfter(3 * STAGGER);
        let (connected, took) = race_of(&[late, Does::Nothing, Does::Refuse]).await;
        assert_eq!(connected, Ok(1));
        assert!((3 * STAGGER..4 * STAGGER).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_tried_alone_while_it_may_be_quick() {
        let (connected, _) = race_of(&[Does::AnswerAfter(STAGGER / 2), Does::Answer]).await;
        assert_eq!(connected, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_for_all_together() {
        let (failed, took) = race_of(&[Does::Nothing; 4]).await;
        assert_eq!(failed, Err(Some((4, ErrorKind::TimedOut))));
        assert!((LIMIT..LIMIT + STAGGER).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_last_is_told() {
        let (failed, took) = race_of(&[Does::Refuse, Does::Refuse]).await;
        assert_eq!(failed, Err(Some((2, ErrorKind::ConnectionRefused))));
        assert!(took < STAGGER, "{took:?}");
        assert_eq!(race_of(&[]).await.0, Err(None));
    }

    #[tokio::test]
    async fn a_host_that_refuses_is_told_with_its_address() {
        // Nobody listens there, and nobody is given it who asks for any that is free.
        let port = 1;
        let error = to(&ServerAddr::new("localhost", port), LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let told = ftx_io::ErrorChain(&error).to_string();
        assert!(told.contains(&format!(":{port} last: ")), "{told}");
        let error = to(&ServerAddr::new("127.0.0.1", port), LIMIT).await.unwrap_err();
        assert!(!error.to_string().contains("last"), "{error}");
    }
}
