//! Errors of the operations on a bucket.
//!
//! [`S3Error`] is the error that users get. [`FailedRequest`] is that of one attempt: it says whether
//! another attempt may help, and whether the request may have had an effect. `verdict` is the table of
//! the answers of stores, `remedy` that of the advice.

mod complaint;
mod problem;
mod remedy;
mod verdict;

use std::error::Error;
use std::fmt;

use ftx_core::shown;

pub(crate) use self::complaint::{Complaint, ErrorDocument};
pub(crate) use self::problem::{FailedRequest, Problem, RequestEffect};
use crate::operation::S3Operation;

/// The reason of an [`S3Error`], by which programs decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3ErrorKind {
    /// There is no such object.
    NotFound,
    /// There is no such bucket.
    NoSuchBucket,
    /// The object is not in the required state. With [`Condition::IfMatch`](crate::Condition::IfMatch)
    /// this includes that there is none.
    PreconditionFailed,
    /// Another request changed the object at the same time.
    Conflict,
    /// There is no such upload: it has been completed or aborted.
    NoSuchUpload,
    /// A part is missing, too small, in the wrong order, or has another ETag.
    InvalidPart,
    /// The credentials lack the right.
    AccessDenied,
    /// There are no credentials, or the store does not accept them.
    BadCredentials,
    /// The object is larger than allowed.
    TooLarge,
    /// The store has no space, or a quota is used up.
    NoSpace,
    /// The store cannot be reached or is overloaded, and all attempts are used up.
    Unavailable,
    /// The request may or may not have had its effect.
    Ambiguous,
    /// The answer of the store cannot be understood.
    Protocol,
    /// Anything else.
    Other,
}

/// Why an operation on a bucket failed.
///
/// Programs decide by its [`kind`](Self::kind). [`Display`](fmt::Display) names the operation, the key,
/// the store's code and message, and the remedy where one is known. It never contains credentials or the
/// URL of a request, which is signed.
#[derive(Clone)]
pub struct S3Error(Box<ErrorDetails>);

#[derive(Clone)]
struct ErrorDetails {
    operation: S3Operation,
    key: Option<String>,
    attempts: u32,
    problem: Problem,
}

impl S3Error {
    pub(crate) fn new(operation: S3Operation, key: Option<&str>, problem: Problem) -> Self {
        let key = key.map(str::to_owned);
        Self(Box::new(ErrorDetails { operation, key, attempts: 1, problem }))
    }

    pub(crate) fn after_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_kind(mut self, kind: S3ErrorKind) -> Self {
        self.0.problem.kind = kind;
        self
    }

    /// Returns the reason.
    #[must_use]
    pub fn kind(&self) -> S3ErrorKind {
        self.0.problem.kind
    }

    /// Returns the name of the operation in the S3 reference, such as `PutObject`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation.name()
    }

    /// Returns the key of the object, or the prefix of a listing.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Returns the HTTP status of the store's answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.problem.complaint.as_ref().map(|complaint| complaint.status)
    }

    /// Returns the store's code, such as `SlowDown`. Answers to HEAD requests have none.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.problem.code()
    }

    /// Returns the identifier of the request, which the store's administrator can look up.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.problem.complaint.as_ref()?.request_id.as_deref()
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = &*self.0;
        write!(f, "{}", details.operation.name())?;
        if let Some(key) = &details.key {
            write!(f, " of \"{}\"", shown(key))?;
        }
        write!(f, ": {}", details.problem)?;
        if details.attempts > 1 {
            write!(f, ", after {} attempts", details.attempts)?;
        }
        match details.problem.remedy(details.operation) {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Error({:?}: {self}", self.kind())?;
        if let Some(cause) = self.source() {
            write!(f, ": {cause}")?;
        }
        write!(f, ")")
    }
}

impl Error for S3Error {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.problem.cause()
    }
}

#[cfg(test)]
mod tests;
