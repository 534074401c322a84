//! Faults, and the rules that say which requests they strike.

use std::time::Duration;

use crate::operation::Operation;

/// The point of a request at which a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrikePoint {
    /// When the request has been received as a whole, and has had no effect yet.
    Before,
    /// When the request has taken effect, and its answer has not been sent yet.
    After,
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum S3Fault {
    /// Answers with an error. One before the effect takes its place, one after the effect takes
    /// the place of the answer. The status may be 200, which S3 sends when it does not yet know of
    /// the error.
    Answer {
        /// The point of the request.
        point: StrikePoint,
        /// The status of HTTP.
        status: u16,
        /// The code of S3.
        code: String,
        /// The header `Retry-After`, in seconds.
        retry_after_seconds: Option<u64>,
    },
    /// Closes the connection without an answer.
    LoseAnswer(StrikePoint),
    /// Goes on after a pause.
    Delay {
        /// The point of the request.
        point: StrikePoint,
        /// The pause.
        by: Duration,
    },
    /// Holds the request until the test [releases](crate::FaultHandle::release) it. A request that
    /// is held takes effect even if its client has gone in the meantime.
    Hold(StrikePoint),
    /// Pauses before each chunk of the answer's body.
    SlowBody {
        /// The most bytes of a chunk.
        chunk_bytes: usize,
        /// The pause.
        pause: Duration,
    },
    /// Closes the connection after these bytes of the answer's body, whose head announces all.
    TruncateBody {
        /// The bytes that are sent.
        after_bytes: u64,
    },
    /// Flips a bit of the answer's body.
    CorruptBody {
        /// The place of the byte. A body that is shorter has its last byte changed.
        at: u64,
    },
    /// Pauses before it reads each chunk of the request's body.
    SlowUpload {
        /// The most bytes of a chunk.
        chunk_bytes: usize,
        /// The pause.
        pause: Duration,
    },
    /// Closes the connection after it has read these bytes of the request's body.
    CutUpload {
        /// The bytes that are read.
        after_bytes: u64,
    },
}

impl S3Fault {
    /// Returns an answer with this status and code instead of the effect.
    pub fn refuse(status: u16, code: &str) -> Self {
        Self::answer(StrikePoint::Before, status, code)
    }

    /// Returns an answer with this status and code after the effect.
    pub fn fail_late(status: u16, code: &str) -> Self {
        Self::answer(StrikePoint::After, status, code)
    }

    /// Returns the answer of a store that is overloaded.
    pub fn slow_down(retry_after_seconds: u64) -> Self {
        Self::Answer {
            point: StrikePoint::Before,
            status: 503,
            code: "SlowDown".into(),
            retry_after_seconds: Some(retry_after_seconds),
        }
    }

    fn answer(point: StrikePoint, status: u16, code: &str) -> Self {
        Self::Answer { point, status, code: code.into(), retry_after_seconds: None }
    }

    pub(crate) fn point(&self) -> Option<StrikePoint> {
        match self {
            Self::Answer { point, .. }
            | Self::LoseAnswer(point)
            | Self::Delay { point, .. }
            | Self::Hold(point) => Some(*point),
            _ => None,
        }
    }
}

/// The requests that a rule strikes, among those that match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// All of them.
    Every,
    /// The one with this number, counted from 1 since the rule has been set.
    Nth(u64),
    /// So many from the first one on.
    First(u64),
}

impl Occurrence {
    pub(crate) fn includes(self, number: u64) -> bool {
        match self {
            Self::Every => true,
            Self::Nth(wanted) => number == wanted,
            Self::First(count) => number <= count,
        }
    }
}

/// A fault, and the requests that it strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The operation, or every operation.
    pub operation: Option<Operation>,
    /// The beginning of the keys, or of the prefix of a listing.
    pub key_prefix: String,
    /// Which of the matching requests are struck.
    pub occurrence: Occurrence,
    /// The fault.
    pub fault: S3Fault,
}

impl Rule {
    /// Returns a rule for every request of an operation.
    pub fn new(operation: Operation, fault: S3Fault) -> Self {
        Self { operation: Some(operation), ..Self::any(fault) }
    }

    /// Returns a rule for every request.
    pub fn any(fault: S3Fault) -> Self {
        Self { operation: None, key_prefix: String::new(), occurrence: Occurrence::Every, fault }
    }

    /// Restricts the rule to keys that begin like this.
    #[must_use]
    pub fn key(self, prefix: &str) -> Self {
        Self { key_prefix: prefix.into(), ..self }
    }

    /// Restricts the rule to the matching request with this number, counted from 1.
    #[must_use]
    pub fn nth(self, number: u64) -> Self {
        Self { occurrence: Occurrence::Nth(number), ..self }
    }

    /// Restricts the rule to so many matching requests from the first one on.
    #[must_use]
    pub fn first(self, count: u64) -> Self {
        Self { occurrence: Occurrence::First(count), ..self }
    }

    /// Restricts the rule to the next matching request.
    #[must_use]
    pub fn once(self) -> Self {
        self.nth(1)
    }
}
