//! The least speed of a peer: one that drips its bytes holds a connection for ever, and no other limit of time
//! notices.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::StreamError;

/// The least speed of a peer in the middle of a message or a transfer.
///
/// Only the time in which this side waits for the peer counts. So a slow disk here, or the pause between two
/// requests, is never taken for a slow peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinSpeed {
    /// The bytes that must move in each second of waiting, on average.
    pub bytes_per_second: u64,
    /// The waiting time after which the average is taken.
    pub window: Duration,
}

/// Measures one direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct SpeedGauge {
    min: Option<MinSpeed>,
    measured: Mutex<Measured>,
}

#[derive(Debug, Default)]
struct Measured {
    waited: Duration,
    bytes: u64,
}

impl SpeedGauge {
    /// A gauge that notices a peer below this speed; `None` for one that measures nothing.
    pub(crate) fn new(min: Option<MinSpeed>) -> Self {
        Self { min, measured: Mutex::default() }
    }

    /// Waits for the peer.
    ///
    /// # Errors
    /// Those of the wait, and [`StreamError::TooSlow`].
    pub(crate) async fn watch<T>(
        &self,
        wait: impl Future<Output = Result<T, StreamError>>,
    ) -> Result<T, StreamError> {
        let Some(min) = self.min else { return wait.await };
        let start = Instant::now();
        let done = wait.await?;
        self.lock().waited(start.elapsed(), min)?;
        Ok(done)
    }

    /// Counts bytes that have moved.
    pub(crate) fn moved(&self, bytes: usize) {
        if self.min.is_some() {
            let mut measured = self.lock();
            measured.bytes = measured.bytes.saturating_add(bytes as u64);
        }
    }

    /// Begins anew, behind a complete message.
    pub(crate) fn reset(&self) {
        if self.min.is_some() {
            *self.lock() = Measured::default();
        }
    }

    /// Each step leaves the numbers in order, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measured {
    /// Counts a wait, and takes the average if enough was waited.
    fn waited(&mut self, wait: Duration, min: MinSpeed) -> Result<(), StreamError> {
        self.waited = self.waited.saturating_add(wait);
        if self.waited < min.window {
            return Ok(());
        }
        let Self { waited, bytes } = std::mem::take(self);
        let least = u128::from(min.bytes_per_second) * waited.as_millis() / 1000;
        if u128::from(bytes) < least {
            return Err(StreamError::TooSlow { bytes, waited });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: MinSpeed = MinSpeed { bytes_per_second: 1024, window: Duration::from_secs(60) };
    const SECOND: Duration = Duration::from_secs(1);

    /// The seconds until a peer that moves this many bytes in each is too slow.
    fn too_slow_after(bytes: usize) -> Option<u32> {
        let gauge = SpeedGauge::new(Some(MIN));
        (1..=600).find(|_| {
            gauge.moved(bytes);
            gauge.lock().waited(SECOND, MIN).is_err()
        })
    }

    #[test]
    fn a_peer_that_drips_is_noticed_after_the_window() {
        assert_eq!(too_slow_after(0), Some(60));
        assert_eq!(too_slow_after(1), Some(60));
        assert_eq!(too_slow_after(1023), Some(60));
        assert_eq!(too_slow_after(1024), None);
        assert_eq!(too_slow_after(1 << 30), None);
    }

    #[test]
    fn a_fast_minute_does_not_pay_for_a_slow_one() {
        let gauge = SpeedGauge::new(Some(MIN));
        gauge.moved(1 << 30);
        assert!(gauge.lock().waited(60 * SECOND, MIN).is_ok());
        let error = gauge.lock().waited(60 * SECOND, MIN).unwrap_err();
        assert_eq!(error.to_string(), "only 0 bytes moved in a wait of 1m");
    }

    #[test]
    fn each_message_has_its_time() {
        let gauge = SpeedGauge::new(Some(MIN));
        for _ in 0..100 {
            assert!(gauge.lock().waited(59 * SECOND, MIN).is_ok());
            gauge.reset();
        }
    }

    #[tokio::test]
    async fn a_wait_is_measured_and_one_without_a_limit_is_not() {
        let short = MinSpeed { window: Duration::from_millis(1), ..MIN };
        for (min, is_noticed) in [(Some(short), true), (None, false)] {
            let gauge = SpeedGauge::new(min);
            let wait = async {
                tokio::time::sleep(2 * short.window).await;
                Ok(())
            };
            assert_eq!(gauge.watch(wait).await.is_err(), is_noticed);
        }
    }
}
