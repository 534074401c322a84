//! Limits on the bytes a second: of a connection, of a user, or of all together.

use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_speed_limit::Limiter;
use async_speed_limit::clock::Clock;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::StreamError;

/// The pieces that a second's bytes move in, so that connections that share a limit take turns often.
const PIECES_PER_SECOND: u64 = 10;

/// The smallest piece; below that, system calls cost more than they even out.
const MIN_PIECE_BYTES: usize = 1024;

/// A limit on the bytes a second of all that share it; clones share it.
#[derive(Clone, Debug)]
pub struct RateLimit {
    limiter: Limiter<RuntimeClock>,
    bytes_per_second: NonZeroU64,
}

/// Holds one direction of a connection to its limits.
#[derive(Debug, Default)]
pub struct Pacer {
    limits: Vec<RateLimit>,
    /// When the bytes that have moved are within the limits; `None` if they are now.
    due: Mutex<Option<Instant>>,
}

/// The clock of tokio, so that a paused runtime pauses the limits as well.
#[derive(Clone, Copy, Debug, Default)]
struct RuntimeClock;

impl Clock for RuntimeClock {
    type Instant = Instant;
    type Delay = Pin<Box<Sleep>>;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, duration: Duration) -> Self::Delay {
        Box::pin(sleep(duration))
    }
}

impl RateLimit {
    /// A limit of this many bytes a second.
    #[must_use]
    pub fn new(bytes_per_second: NonZeroU64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact to the byte")]
        let limiter = Limiter::new(bytes_per_second.get() as f64);
        Self { limiter, bytes_per_second }
    }

    /// The bytes a second.
    #[must_use]
    pub fn bytes_per_second(&self) -> NonZeroU64 {
        self.bytes_per_second
    }

    fn piece_bytes(&self) -> usize {
        let piece = self.bytes_per_second.get() / PIECES_PER_SECOND;
        usize::try_from(piece).unwrap_or(usize::MAX).max(MIN_PIECE_BYTES)
    }
}

impl Pacer {
    /// A pacer that observes all of these limits. It begins with a wait if others have used them up, so
    /// that new connections get no bytes beyond the limits.
    pub(crate) fn new(limits: Vec<RateLimit>) -> Self {
        let pacer = Self { limits, due: Mutex::default() };
        pacer.wait_for(0);
        pacer
    }

    /// The bytes to move next, of `len`.
    #[must_use]
    pub fn piece(&self, len: usize) -> usize {
        self.limits.iter().map(RateLimit::piece_bytes).fold(len, usize::min)
    }

    /// The time until more bytes may move.
    #[must_use]
    pub fn wait(&self) -> Duration {
        let due = *self.due();
        due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()))
    }

    /// Counts bytes that have moved, or will move now.
    pub(crate) fn count(&self, bytes: usize) {
        if bytes > 0 {
            self.wait_for(bytes);
        }
    }

    /// Takes bytes from the limits, and sets the time from which on more may move.
    fn wait_for(&self, bytes: usize) {
        let pauses = self.limits.iter().map(|limit| limit.limiter.consume_duration(bytes));
        if let Some(pause) = pauses.max().filter(|pause| !pause.is_zero()) {
            *self.due() = Some(Instant::now() + pause);
        }
    }

    /// Waits until more bytes may move.
    ///
    /// # Errors
    /// [`StreamError::Stopped`]; the wait for the limits goes on at the next call.
    pub(crate) async fn ready(&self, stop: &CancellationToken) -> Result<(), StreamError> {
        let due = *self.due();
        let Some(due) = due else { return Ok(()) };
        tokio::select! {
            biased;
            () = stop.cancelled() => return Err(StreamError::Stopped),
            () = sleep_until(due) => {}
        }
        self.due().take_if(|last| *last <= due);
        Ok(())
    }

    /// Each step leaves the time in order, so a panic elsewhere does no harm.
    fn due(&self) -> MutexGuard<'_, Option<Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: NonZeroU64 = NonZeroU64::new(1_000_000).unwrap();

    /// Moves bytes until a deadline, and returns their number.
    async fn move_until(pacer: &Pacer, end: Instant) -> usize {
        let (stop, mut moved) = (CancellationToken::new(), 0);
        while Instant::now() < end {
            pacer.ready(&stop).await.unwrap();
            let piece = pacer.piece(1 << 20);
            pacer.count(piece);
            moved += piece;
        }
        moved
    }

    fn is_about(moved: usize, expected: usize) -> bool {
        (expected * 9 / 10..=expected * 11 / 10).contains(&moved)
    }

    #[tokio::test(start_paused = true)]
    async fn the_bytes_of_a_second_are_limited() {
        let pacer = Pacer::new(vec![RateLimit::new(RATE)]);
        let moved = move_until(&pacer, Instant::now() + Duration::from_secs(20)).await;
        assert!(is_about(moved, 20_000_000), "{moved}");
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_share_a_limit_share_its_bytes() {
        let limit = RateLimit::new(RATE);
        let [one, other] = [(); 2].map(|()| Pacer::new(vec![limit.clone()]));
        let end = Instant::now() + Duration::from_secs(20);
        let (one, other) = tokio::join!(move_until(&one, end), move_until(&other, end));
        assert!(is_about(one + other, 20_000_000), "{one} {other}");
        assert!(is_about(one, 10_000_000), "{one} {other}");
    }

    /// A client that connects for each file gets no more than one that stays.
    #[tokio::test(start_paused = true)]
    async fn new_connections_get_no_bytes_beyond_a_limit() {
        let (limit, stop, start) = (RateLimit::new(RATE), CancellationToken::new(), Instant::now());
        for _ in 0..200 {
            let pacer = Pacer::new(vec![limit.clone()]);
            pacer.ready(&stop).await.unwrap();
            pacer.count(pacer.piece(1 << 20));
        }
        // Two hundred pieces of a tenth of a second, the last of which nothing waits for.
        assert!(start.elapsed() >= Duration::from_secs(19), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_is_known() {
        let pacer = Pacer::new(vec![RateLimit::new(RATE)]);
        assert_eq!(pacer.wait(), Duration::ZERO);
        pacer.count(10_000_000);
        let wait = pacer.wait();
        assert!((9..=11).contains(&wait.as_secs()), "{wait:?}");
        pacer.ready(&CancellationToken::new()).await.unwrap();
        assert_eq!(pacer.wait(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_least_of_several_limits_decides() {
        let wide = RateLimit::new(RATE.saturating_mul(RATE));
        let pacer = Pacer::new(vec![wide, RateLimit::new(RATE)]);
        let moved = move_until(&pacer, Instant::now() + Duration::from_secs(20)).await;
        assert!(is_about(moved, 20_000_000), "{moved}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let (pacer, start) = (Pacer::default(), Instant::now());
        for _ in 0..1000 {
            pacer.ready(&CancellationToken::new()).await.unwrap();
            assert_eq!(pacer.piece(1 << 30), 1 << 30);
            pacer.count(1 << 30);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_can_be_stopped() {
        let (pacer, stop) = (Pacer::new(vec![RateLimit::new(RATE)]), CancellationToken::new());
        pacer.count(1 << 40);
        stop.cancel();
        assert!(matches!(pacer.ready(&stop).await, Err(StreamError::Stopped)));
    }
}
