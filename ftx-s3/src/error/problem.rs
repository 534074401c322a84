//! What went wrong, before it is known in which operation.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use ftx_core::shown;

use super::complaint::Complaint;
use super::{S3ErrorKind, remedy, verdict};
use crate::operation::S3Operation;

/// What went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: S3ErrorKind,
    /// The text, unless the store's complaint is the text.
    text: String,
    pub(crate) complaint: Option<Box<Complaint>>,
    remedy: Option<&'static str>,
    cause: Option<Cause>,
}

/// The text of the innermost cause. The errors of the libraries in between only say in which of their
/// layers it happened.
#[derive(Clone, Debug)]
struct Cause(String);

impl Problem {
    pub(crate) fn new(kind: S3ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), complaint: None, remedy: None, cause: None }
    }

    /// An answer that cannot be understood.
    pub(crate) fn protocol(text: impl Into<String>) -> Self {
        Self::new(S3ErrorKind::Protocol, text)
    }

    pub(crate) fn of_complaint(kind: S3ErrorKind, complaint: Complaint) -> Self {
        Self { complaint: Some(Box::new(complaint)), ..Self::new(kind, "") }
    }

    #[must_use]
    pub(crate) fn caused_by(self, cause: impl fmt::Display) -> Self {
        Self { cause: Some(Cause(cause.to_string())), ..self }
    }

    #[must_use]
    pub(crate) fn with_remedy(self, remedy: &'static str) -> Self {
        Self { remedy: Some(remedy), ..self }
    }

    pub(crate) fn code(&self) -> Option<&str> {
        self.complaint.as_ref()?.code.as_deref()
    }

    pub(crate) fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as &(dyn Error + 'static))
    }

    /// Returns what a person can do about it.
    pub(crate) fn remedy(&self, operation: S3Operation) -> Option<String> {
        match &self.complaint {
            Some(complaint) => remedy::of_complaint(operation, complaint),
            None => self.remedy.map(str::to_owned),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(complaint) = &self.complaint else { return write!(f, "{}", self.text) };
        match (&complaint.code, &complaint.message) {
            (Some(code), Some(message)) => write!(f, "{code}: {}", shown(message))?,
            (Some(code), None) => write!(f, "{code}")?,
            (None, Some(message)) => write!(f, "{}", shown(message))?,
            (None, None) => write!(f, "the store refused the request")?,
        }
        write!(f, " (status {}", complaint.status)?;
        if let Some(id) = &complaint.request_id {
            write!(f, ", request {}", shown(id))?;
        }
        write!(f, ")")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}

/// Whether a failed request can have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestEffect {
    /// Surely not.
    None,
    /// Nobody knows.
    Unknown,
}

/// The failure of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct FailedRequest {
    pub(crate) problem: Box<Problem>,
    /// Another attempt may help.
    pub(crate) may_pass: bool,
    pub(crate) effect: RequestEffect,
    /// The pause that the store asks for.
    pub(crate) retry_after: Option<Duration>,
}

impl FailedRequest {
    /// A failure that no other attempt would change, and that had no effect.
    pub(crate) fn lasting(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            may_pass: false,
            effect: RequestEffect::None,
            retry_after: None,
        }
    }

    /// A failure that may pass.
    pub(crate) fn passing(problem: Problem, effect: RequestEffect) -> Self {
        Self { may_pass: true, effect, ..Self::lasting(problem) }
    }

    /// A refusal by the store.
    pub(crate) fn refused(complaint: Complaint, retry_after: Option<Duration>) -> Self {
        let verdict = verdict::of(&complaint);
        let problem = Problem::of_complaint(verdict.kind, complaint);
        Self {
            problem: Box::new(problem),
            may_pass: verdict.may_pass,
            effect: verdict.effect,
            retry_after,
        }
    }

    pub(crate) fn kind(&self) -> S3ErrorKind {
        self.problem.kind
    }

    pub(crate) fn complaint(&self) -> Option<&Complaint> {
        self.problem.complaint.as_deref()
    }
}
