//! Decoding the messages of a server.

use ftx_core::native::Reason;
use ftx_core::native::wire::{FrameHeader, Reply};
use ftx_core::shown;
use ftx_io::Incoming;
use tracing::debug;

use super::channel::out_of_step;
use crate::TransferError;

/// Decodes the message of a frame that must not hold bytes of a file.
pub(super) fn decode_control(incoming: &Incoming) -> Result<(u32, Reply), TransferError> {
    match incoming {
        Incoming::Control { header, payload } => decode(header, payload),
        Incoming::Block { .. } | Incoming::File { .. } => {
            Err(out_of_step("bytes of a file that was not asked for"))
        }
    }
}

/// Decodes a server's message, with its texts made safe to show. A `Goodbye` is an error.
pub(super) fn decode(header: &FrameHeader, payload: &[u8]) -> Result<(u32, Reply), TransferError> {
    let reply = with_safe_texts(Reply::decode(header, payload)?);
    debug!(id = header.request, ?reply, "received");
    match reply {
        Reply::Goodbye { reason, message } => Err(refused(reason, &message)),
        reply => Ok((header.request, reply)),
    }
}

/// The same reply with texts that neither control a terminal nor fill a log.
fn with_safe_texts(reply: Reply) -> Reply {
    match reply {
        Reply::Failed { reason, message } => Reply::Failed { reason, message: shown(&message) },
        Reply::Goodbye { reason, message } => Reply::Goodbye { reason, message: shown(&message) },
        // The features are compared and never shown.
        Reply::Welcome { version, features, agent, session, window, requests } => {
            let agent = shown(&agent);
            Reply::Welcome { version, features, agent, session, window, requests }
        }
        // Each reply without a text is named, so that a new one with a text is not forgotten.
        reply @ (Reply::Have { .. }
        | Reply::Ready { .. }
        | Reply::Stored { .. }
        | Reply::Done { .. }
        | Reply::Found { .. }
        | Reply::Cvs { .. }
        | Reply::End { .. }
        | Reply::Entry(_)
        | Reply::Entries { .. }
        | Reply::Working { .. }
        | Reply::Pong { .. }
        | Reply::Removed
        | Reply::Wanted
        | Reply::Waiting) => reply,
    }
}

/// The error for a server's refusal. The message must come from [`decode`].
pub(super) fn refused(reason: i32, message: &str) -> TransferError {
    TransferError::refused(Reason::from_code(reason), message)
}
