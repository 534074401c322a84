//! Pauses between attempts.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::{Cancel, ClientConfig, Event, Observer, TransferError};

/// Counts the retries of one call and spaces them out.
pub(crate) struct Backoff {
    builder: ExponentialBuilder,
    pauses: <ExponentialBuilder as BackoffBuilder>::Backoff,
    attempt: u32,
    /// The first attempt runs on a connection that has been used before. The server may have closed
    /// it meanwhile, so a failure on it says nothing about the server.
    is_reused: bool,
}

impl Backoff {
    pub(crate) fn new(config: &ClientConfig, is_reused: bool) -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(config.min_backoff)
            .with_max_delay(config.max_backoff)
            .with_max_times(config.retries as usize)
            .with_jitter();
        Self { builder, pauses: builder.build(), attempt: 0, is_reused }
    }

    /// Starts counting from zero, after an attempt that made progress.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
        self.pauses = self.builder.build();
    }

    /// Whether the attempt that failed was the first one, on a reused connection. Such a failure
    /// does not count.
    pub(crate) fn take_reused(&mut self) -> bool {
        std::mem::replace(&mut self.is_reused, false)
    }

    /// The number of the next retry and the pause before it; `None` when all are used up.
    pub(crate) fn next(&mut self) -> Option<(u32, Duration)> {
        let pause = self.pauses.next()?;
        self.attempt += 1;
        Some((self.attempt, pause))
    }
}

impl Backoff {
    /// Reports the next retry after a failed attempt, and waits for its pause.
    ///
    /// # Errors
    /// `error`, when all retries are used up; or the caller stopped the transfer.
    pub(crate) async fn pause(
        &mut self,
        error: TransferError,
        observer: &Observer,
        cancel: &Cancel,
    ) -> Result<(), TransferError> {
        let Some((attempt, pause)) = self.next() else { return Err(error) };
        observer.tell(&Event::Retrying { attempt, pause, error: &error });
        wait(cancel, pause).await
    }
}

/// Waits for `pause`.
///
/// # Errors
/// The caller stopped the transfer.
pub(crate) async fn wait(cancel: &Cancel, pause: Duration) -> Result<(), TransferError> {
    tokio::select! {
        () = cancel.token(true).cancelled() => Err(TransferError::cancelled()),
        () = tokio::time::sleep(pause) => Ok(()),
    }
}
