//! Why a transfer failed: a reason, the context and the cause.
//!
//! `failures` is the table of failures that the client itself detects; `convert` maps the errors of
//! the layers below, and `legacy::error` those of the legacy dialect.

mod convert;
mod failures;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use ftx_core::Status;
use ftx_core::native::{Reason, Scope};
use ftx_store::StoreError;

/// Why a transfer failed. The receiving side keeps all bytes that arrived, and a later attempt
/// resumes from there.
///
/// Programs decide by its [`reason`](Self::reason). [`Display`](fmt::Display) shows the failed operation
/// and its file or server; the cause, if there is one, is the [`source`](Error::source). Clones share
/// the cause.
#[derive(Clone, Debug)]
pub struct TransferError {
    reason: Reason,
    status: Status,
    is_transient: bool,
    context: FailureContext,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The failed operation, and its file or server.
#[derive(Clone, Debug)]
struct FailureContext {
    text: Cow<'static, str>,
    /// The server refused it; otherwise the client itself detected the failure.
    is_refusal: bool,
}

impl TransferError {
    /// A failure with the status and the transience of its reason.
    pub(crate) fn new(reason: Reason, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            status: reason.status(),
            is_transient: reason.may_pass(),
            context: FailureContext { text: text.into(), is_refusal: false },
            source: None,
        }
    }

    /// A refusal by the server.
    pub(crate) fn refusal(reason: Reason, text: String) -> Self {
        let context = FailureContext { text: text.into(), is_refusal: true };
        Self { context, ..Self::new(reason, "") }
    }

    /// A refusal in FTX/1, with the server's `message`.
    pub(crate) fn refused(reason: Reason, message: &str) -> Self {
        // A delayed offer of an earlier attempt can reach the server after that of a later one.
        let is_transient = reason.may_pass() || reason == Reason::TakenOver;
        Self::refusal(reason, format!("the server refused: {message}"))
            .with_transience(is_transient)
    }

    pub(crate) fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_transience(self, is_transient: bool) -> Self {
        Self { is_transient, ..self }
    }

    /// The same error with its cause, which [`source`](Error::source) returns.
    #[must_use]
    pub fn caused_by(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..self }
    }

    /// The reason, finer than the [`status`](Self::status). A refusal by an original server has only
    /// its code, which is kept.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The original protocol's code for this failure.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether a retry may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// The scope of the failure. A refusal concerns the requested file only, on a connection that works,
    /// unless the server shuts down.
    #[must_use]
    pub fn scope(&self) -> Scope {
        if self.is_refusal() && self.reason != Reason::ShuttingDown {
            return Scope::File;
        }
        self.reason.scope()
    }

    /// Whether the server refused; otherwise the client itself detected the failure.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.context.is_refusal
    }

    /// Whether the caller stopped the transfer.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.reason == Reason::Cancelled && !self.is_refusal()
    }

    /// Whether no connection could be made.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        let unreachable = [Reason::AddressNotFound, Reason::ConnectFailed, Reason::TlsFailed]
            .contains(&self.reason);
        unreachable && !self.is_refusal()
    }

    /// Whether the server does not accept the client's credentials, or asks for some.
    #[must_use]
    pub fn is_unauthorised(&self) -> bool {
        self.reason == Reason::Unauthorised && self.is_refusal()
    }

    /// Whether the server speaks the legacy dialect only and the call needs the native one.
    #[must_use]
    pub fn is_not_native(&self) -> bool {
        // A peer that speaks neither dialect has the same reason, with its bytes as the cause.
        self.reason == Reason::OtherDialect && !self.is_refusal() && self.source.is_none()
    }

    /// The error of a local file that caused it.
    #[must_use]
    pub fn store_error(&self) -> Option<&StoreError> {
        self.source.as_deref()?.downcast_ref()
    }

    /// Whether it concerns the connection and says nothing about a file.
    pub(crate) fn is_about_connection(&self) -> bool {
        self.scope() == Scope::Connection
    }

    /// Whether the server broke the protocol.
    pub(crate) fn is_about_protocol(&self) -> bool {
        self.scope() == Scope::Protocol
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context.text)
    }
}

impl Error for TransferError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_deref()?)
    }
}

#[cfg(test)]
mod tests;
