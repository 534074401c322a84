//! The policy under a virtual clock: nothing here waits.

use std::time::Duration;

use ftx_core::native::Reason;
use tokio::time::{Instant, advance};

use super::*;
use crate::ServerAddr;

const SECOND: Duration = Duration::from_secs(1);

fn config(retries: u32) -> ClientConfig {
    ClientConfig { retries, ..ClientConfig::default() }
}

/// A call, and its time and progress so far.
struct Call {
    begun: Instant,
    activity: Activity,
    retries: Retries,
    gained: u64,
}

impl Call {
    fn new(config: &ClientConfig, is_reused: bool) -> Self {
        let activity = Activity::new();
        let retries = Retries::new(config, &activity, is_reused);
        Self { begun: Instant::now(), activity, retries, gained: 0 }
    }

    /// A call whose transfer is moving.
    fn moving(config: &ClientConfig) -> Self {
        let call = Self::new(config, false);
        call.activity.received();
        call
    }

    /// Fails an attempt, and waits for the pause before the next. Returns its number, or the error.
    async fn fails(&mut self, error: TransferError) -> Result<u32, Reason> {
        match self.retries.after(error, self.gained) {
            RetryDecision::Retry { number, pause } => {
                advance(pause).await;
                Ok(number)
            }
            RetryDecision::Fail(error) => Err(error.reason()),
        }
    }

    /// Fails attempts, each after `lasts`, until the call fails. Returns the retries and the reason.
    async fn fails_until_the_end(
        &mut self,
        lasts: Duration,
        error: impl Fn() -> TransferError,
    ) -> (u32, Reason) {
        let mut retries = 0;
        loop {
            // An attempt ends early where its waits are cut.
            advance(self.activity.limit(lasts)).await;
            match self.fails(error()).await {
                Ok(number) => retries += u32::from(number > 0),
                Err(reason) => return (retries, reason),
            }
        }
    }
}

fn refused_connection() -> TransferError {
    TransferError::connect_failed(&ServerAddr::new("host", 1).unwrap())
}

fn silence() -> TransferError {
    TransferError::silent_for(30 * SECOND)
}

fn busy() -> TransferError {
    TransferError::refused(Reason::Busy, "in use")
}

#[tokio::test(start_paused = true)]
async fn before_the_first_byte_there_is_one_attempt() {
    for error in [refused_connection, TransferError::closed, silence] {
        let mut call = Call::new(&config(u32::MAX), false);
        call.activity.touch();
        let expected = error().reason();
        assert_eq!(call.fails(error()).await, Err(expected));
        assert_eq!(call.begun.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_may_pass_is_retried_at_any_time() {
    let mut call = Call::new(&config(3), false);
    let ended = call.fails_until_the_end(Duration::ZERO, busy).await;
    assert_eq!(ended, (3, Reason::Busy));
    let mut call = Call::new(&config(3), false);
    assert_eq!(call.fails(TransferError::refused(Reason::ShuttingDown, "")).await, Ok(1));
    assert_eq!(call.fails(refused_connection()).await, Err(Reason::ShuttingDown));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_will_not_pass_is_final() {
    let mut call = Call::moving(&config(5));
    assert_eq!(call.fails(TransferError::closed()).await, Ok(1));
    let refused = TransferError::refused(Reason::NotFound, "gone");
    assert_eq!(call.fails(refused).await, Err(Reason::NotFound));
}

#[tokio::test(start_paused = true)]
async fn without_retries_a_loss_is_final() {
    let mut call = Call::moving(&config(0));
    assert_eq!(call.fails(TransferError::closed()).await, Err(Reason::ConnectionLost));
}

#[tokio::test(start_paused = true)]
async fn the_first_loss_is_reported() {
    let mut call = Call::moving(&config(5));
    assert_eq!(call.fails(TransferError::closed()).await, Ok(1));
    let ended = call.fails_until_the_end(Duration::ZERO, refused_connection).await;
    assert_eq!(ended, (4, Reason::ConnectionLost));

    let mut call = Call::moving(&config(2));
    assert_eq!(call.fails(TransferError::closed()).await, Ok(1));
    assert_eq!(call.fails(busy()).await, Ok(2));
    assert_eq!(call.fails(busy()).await, Err(Reason::ConnectionLost));

    // The transfer has recovered from the first loss.
    let mut call = Call::moving(&config(1));
    assert_eq!(call.fails(TransferError::closed()).await, Ok(1));
    call.activity.received();
    assert_eq!(call.fails(silence()).await, Err(Reason::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn a_moving_transfer_stalls_for_a_limited_time() {
    let config = config(u32::MAX);
    for lasts in [Duration::ZERO, SECOND, 7 * SECOND, 60 * SECOND] {
        let mut call = Call::moving(&config);
        assert_eq!(call.fails(TransferError::closed()).await, Ok(1));
        let (_, reason) = call.fails_until_the_end(lasts, silence).await;
        assert_eq!(reason, Reason::ConnectionLost);
        let took = call.begun.elapsed();
        assert!(took <= config.stall_timeout, "{lasts:?}: {took:?}");
        // The last pause does not fit any more.
        let least = config.stall_timeout - 2 * config.max_backoff;
        assert!(took >= least, "{lasts:?}: {took:?}");
    }
}

/// The silence that the client has waited for already counts.
#[tokio::test(start_paused = true)]
async fn a_transfer_that_was_silent_for_the_whole_time_has_stalled() {
    let mut call = Call::moving(&config(5));
    advance(30 * SECOND).await;
    assert_eq!(call.fails(silence()).await, Err(Reason::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn each_byte_renews_the_time() {
    let mut call = Call::moving(&config(u32::MAX));
    for _ in 0..100 {
        advance(20 * SECOND).await;
        call.gained += 1;
        assert!(call.fails(TransferError::closed()).await.is_ok());
        assert!(call.activity.limit(30 * SECOND) < 10 * SECOND);
        call.activity.received();
        assert_eq!(call.activity.limit(30 * SECOND), 30 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_gets_further_restarts_the_count() {
    let mut call = Call::moving(&config(1));
    for _ in 0..10 {
        call.gained += 1;
        call.activity.received();
        assert_eq!(call.fails(TransferError::closed()).await, Ok(1));
    }
    // Bytes that were sent before do not.
    call.activity.received();
    assert_eq!(call.fails(TransferError::closed()).await, Err(Reason::ConnectionLost));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_all_the_time_fails() {
    let mut call = Call::moving(&config(3));
    let mut retries = 0;
    while call.fails(TransferError::damaged("a")).await.is_ok() {
        call.gained += 1;
        retries += 1;
    }
    assert_eq!(retries, 3);
}

#[tokio::test(start_paused = true)]
async fn a_stale_connection_costs_no_retry_and_says_nothing() {
    let mut call = Call::new(&config(0), true);
    call.activity.sent();
    assert_eq!(call.fails(TransferError::closed()).await, Ok(0));
    assert_eq!(call.fails(refused_connection()).await, Err(Reason::ConnectFailed));
    // A transfer that was moving before is moving still.
    let call = Call::moving(&config(1));
    let retries = Retries::new(&config(1), &call.activity, true);
    let mut call = Call { retries, ..call };
    assert_eq!(call.fails(TransferError::closed()).await, Ok(0));
    assert_eq!(call.fails(refused_connection()).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stale_connection_and_its_successor_share_one_timeout() {
    let config = config(5);
    let mut call = Call::new(&config, true);
    call.activity.expect_within(config.timeout / 2);
    advance(call.activity.limit(config.timeout)).await;
    assert_eq!(call.fails(silence()).await, Ok(0));
    advance(call.activity.limit(config.timeout)).await;
    assert_eq!(call.fails(silence()).await, Err(Reason::TimedOut));
    assert_eq!(call.begun.elapsed(), config.timeout);

    // One that took the whole time leaves none for another.
    let mut call = Call::new(&config, true);
    advance(config.timeout).await;
    assert_eq!(call.fails(silence()).await, Err(Reason::TimedOut));
}
