//! How failed requests are repeated.

use std::time::Duration;

use tokio::time::sleep;

use crate::error::{FailedRequest, RequestEffect, S3Error, S3ErrorKind};
use crate::operation::S3Operation;

/// The longest pause that a store may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How failed requests are repeated: after pauses that double up to a limit, of which each attempt waits
/// a random part, so that many clients do not come back at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The attempts of a request, with the first one.
    pub attempts: u32,
    /// The limit of the first pause.
    pub first_delay: Duration,
    /// The limit of every pause.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// Returns the limit of the pause after so many attempts.
    fn limit(&self, attempts: u32) -> Duration {
        let factor = 1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_delay.saturating_mul(factor).min(self.max_delay)
    }
}

/// Which requests may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// All: a second effect is the same as one.
    Always,
    /// All, but the effect is unknown if no attempt gets an answer.
    Conditional,
    /// Only those that surely had no effect.
    WithoutEffect,
}

/// The attempts of one request.
#[derive(Debug)]
pub(crate) struct RequestRetries {
    policy: RetryPolicy,
    repeat: Repeat,
    operation: S3Operation,
    key: Option<String>,
    attempts: u32,
    /// The attempts after which the pauses began anew.
    attempts_before: u32,
    is_ambiguous: bool,
}

impl RequestRetries {
    pub(crate) fn new(
        policy: &RetryPolicy,
        repeat: Repeat,
        operation: S3Operation,
        key: Option<&str>,
    ) -> Self {
        Self {
            policy: policy.clone(),
            repeat,
            operation,
            key: key.map(str::to_owned),
            attempts: 0,
            attempts_before: 0,
            is_ambiguous: false,
        }
    }

    /// Whether an earlier attempt may have had an effect.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.is_ambiguous
    }

    /// Begins to count anew, since something was achieved.
    pub(crate) fn renew(&mut self) {
        self.attempts_before = self.attempts;
    }

    /// Waits until the request may be repeated.
    ///
    /// # Errors
    /// Returns the failure as an error if the request must not be repeated.
    pub(crate) async fn after(&mut self, failed: FailedRequest) -> Result<(), S3Error> {
        self.attempts += 1;
        let is_unknown = failed.effect == RequestEffect::Unknown;
        self.is_ambiguous |= is_unknown;
        let attempts = self.attempts - self.attempts_before;
        if is_unknown && self.repeat == Repeat::WithoutEffect {
            return Err(self.error(failed).with_kind(S3ErrorKind::Ambiguous));
        }
        if !failed.may_pass {
            return Err(self.error(failed));
        }
        if attempts >= self.policy.attempts {
            let is_ambiguous = self.is_ambiguous && self.repeat == Repeat::Conditional;
            let error = self.error(failed);
            return Err(if is_ambiguous { error.with_kind(S3ErrorKind::Ambiguous) } else { error });
        }
        let delay = jittered(self.policy.limit(attempts), random())
            .max(failed.retry_after.unwrap_or_default().min(MAX_RETRY_AFTER));
        let (operation, key) = (self.operation.name(), self.key.as_deref().unwrap_or_default());
        tracing::debug!(
            operation,
            key,
            attempts,
            ?delay,
            "a request is repeated: {}",
            failed.problem
        );
        sleep(delay).await;
        Ok(())
    }

    /// Returns a failure as the error of this request.
    pub(crate) fn error(&self, failed: FailedRequest) -> S3Error {
        S3Error::new(self.operation, self.key.as_deref(), *failed.problem)
            .after_attempts(self.attempts)
    }
}

/// Returns a part of a pause. The random number stands for a fraction of 2^64.
fn jittered(limit: Duration, random: u64) -> Duration {
    let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    let nanos = (u128::from(limit) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Without random numbers, every pause is a whole one.
fn random() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::error::Problem;

    fn policy() -> RetryPolicy {
        RetryPolicy::default()
    }

    fn retries(repeat: Repeat) -> RequestRetries {
        RequestRetries::new(&policy(), repeat, S3Operation::PutObject, Some("k"))
    }

    fn passing(effect: RequestEffect) -> FailedRequest {
        FailedRequest::passing(Problem::new(S3ErrorKind::Unavailable, "away"), effect)
    }

    fn lasting() -> FailedRequest {
        FailedRequest::lasting(Problem::new(S3ErrorKind::AccessDenied, "no"))
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let millis = |attempts| policy().limit(attempts).as_millis();
        assert_eq!(
            [1, 2, 3, 6, 7, 31, 32, 33, 1000].map(millis),
            [100, 200, 400, 3200, 5000, 5000, 5000, 5000, 5000]
        );
    }

    #[test]
    fn a_pause_is_any_part_of_its_limit() {
        let limit = Duration::from_secs(5);
        assert_eq!(jittered(limit, 0), Duration::ZERO);
        assert_eq!(jittered(limit, 1 << 63), Duration::from_millis(2500));
        assert_eq!(jittered(limit, u64::MAX), limit - Duration::from_nanos(1));
        assert_eq!(jittered(Duration::MAX, u64::MAX), Duration::from_nanos(u64::MAX - 1));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_limited_and_their_number_is_told() {
        let mut retries = retries(Repeat::Always);
        let begin = Instant::now();
        for _ in 0..5 {
            retries.after(passing(RequestEffect::Unknown)).await.unwrap();
        }
        let error = retries.after(passing(RequestEffect::Unknown)).await.unwrap_err();
        assert_eq!(error.kind(), S3ErrorKind::Unavailable);
        assert_eq!(error.to_string(), "PutObject of \"k\": away, after 6 attempts");
        assert!(begin.elapsed() <= Duration::from_millis(100 + 200 + 400 + 800 + 1600 + 5));
    }

    #[tokio::test(start_paused = true)]
    async fn progress_begins_a_new_count() {
        let mut retries = retries(Repeat::Always);
        for _ in 0..20 {
            retries.after(passing(RequestEffect::Unknown)).await.unwrap();
            retries.renew();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_may_ask_for_a_longer_pause_within_limits() {
        for (asked, least, most) in [(7, 7, 7), (0, 0, 1), (3600, 60, 60)] {
            let begin = Instant::now();
            let mut failed = passing(RequestEffect::None);
            failed.retry_after = Some(Duration::from_secs(asked));
            retries(Repeat::Always).after(failed).await.unwrap();
            let pause = begin.elapsed();
            let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
            assert!(pause >= least && pause <= most + Duration::from_millis(5), "{pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_that_may_pass_are_repeated() {
        for repeat in [Repeat::Always, Repeat::Conditional, Repeat::WithoutEffect] {
            let mut retries = retries(repeat);
            retries.after(passing(RequestEffect::None)).await.unwrap();
            let error = retries.after(lasting()).await.unwrap_err();
            assert_eq!(error.kind(), S3ErrorKind::AccessDenied);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_must_not_be_repeated_are_ambiguous_at_once() {
        let mut retries = retries(Repeat::WithoutEffect);
        let error = retries.after(passing(RequestEffect::Unknown)).await.unwrap_err();
        assert_eq!(error.kind(), S3ErrorKind::Ambiguous);
    }

    #[tokio::test(start_paused = true)]
    async fn a_conditional_request_is_ambiguous_when_its_attempts_are_used_up() {
        let mut conditional = retries(Repeat::Conditional);
        conditional.after(passing(RequestEffect::Unknown)).await.unwrap();
        assert!(conditional.is_ambiguous());
        for _ in 0..4 {
            conditional.after(passing(RequestEffect::None)).await.unwrap();
        }
        let error = conditional.after(passing(RequestEffect::None)).await.unwrap_err();
        assert_eq!(error.kind(), S3ErrorKind::Ambiguous);
        let mut unsent = retries(Repeat::Conditional);
        for _ in 0..5 {
            unsent.after(passing(RequestEffect::None)).await.unwrap();
        }
        let error = unsent.after(passing(RequestEffect::None)).await.unwrap_err();
        assert_eq!(error.kind(), S3ErrorKind::Unavailable);
    }
}
