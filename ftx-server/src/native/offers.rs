//! Offers of uploads, and the wait for another run that uploads the same source.

use ftx_core::native::Reason;
use ftx_core::native::wire::{Reply, Token};
use ftx_io::Frames;
use tracing::info;

use super::connection::NativeConnection;
use super::error::{NativeError, RequestError};
use super::request::RequestContext;
use super::source_lease::{LeaseKey, LeaseRequest, SourceLease};
use super::upload;
use super::waiting_offers::WaitingOffer;
use crate::store::{Store, UploadOffer};

/// An offer has arrived. If another run uploads its source, it waits.
pub(super) async fn on_offer<S: Store>(
    cx: &mut RequestContext<'_, S>,
    offer: UploadOffer,
    run: Token,
    source: Option<Token>,
) -> Result<(), RequestError> {
    cx.connection.check_new(cx.id)?;
    if cx.connection.has_too_many_uploads() {
        let message = "too many uploads are open on this connection; end some before";
        return Err(RequestError::refused(Reason::TooManyRequests, message));
    }
    let Some(source) = source else { return upload::begin(cx, offer, None).await };
    let principal = cx.connection.session.principal().clone();
    let key = LeaseKey { principal, name: offer.name.clone(), source };
    match cx.connection.leases.request(key, run) {
        LeaseRequest::Granted(lease) => upload::begin(cx, offer, Some(lease)).await,
        LeaseRequest::Queued(ticket) => {
            info!(name = offer.name.as_str(), "waits for another upload of the same file");
            if cx.connection.understands_waiting {
                cx.reply(&Reply::Waiting)?;
            }
            cx.connection.waiting.push(WaitingOffer { request: cx.id, offer, ticket });
            Ok(report_waiting(cx.connection, cx.frames)?)
        }
        LeaseRequest::QueueFull => {
            let message = "too many uploads of this file wait for another one; try again later";
            Err(RequestError::refused(Reason::Busy, message))
        }
    }
}

/// The turn of a waiting offer has come, or a newer offer of the same run has replaced it.
pub(super) async fn on_turn<S: Store>(
    cx: &mut RequestContext<'_, S>,
    lease: Option<SourceLease>,
) -> Result<(), RequestError> {
    let Some(WaitingOffer { offer, .. }) = cx.connection.waiting.take(cx.id) else { return Ok(()) };
    let Some(lease) = lease else {
        let message = format!("another offer of this run has replaced the one of {:?}", offer.name);
        return Err(RequestError::refused(Reason::TakenOver, message));
    };
    cx.connection.is_busy = true;
    upload::begin(cx, offer, Some(lease)).await
}

/// Sends heartbeats for the waiting offers, with the progress of the uploads that they wait for.
pub(super) fn report_waiting<S: Store>(
    connection: &mut NativeConnection<S>,
    frames: &mut Frames,
) -> Result<(), NativeError> {
    let NativeConnection { waiting, .. } = connection;
    let working = waiting.report().iter().map(|waiting| {
        let (done, total) = waiting.ticket.progress();
        (waiting.request, Reply::Working { done, total })
    });
    // A client that does not read needs no more of them.
    if frames.queued() == 0 {
        for (request, reply) in working.collect::<Vec<_>>() {
            connection.reply(frames, request, &reply)?;
        }
    }
    Ok(frames.writer().try_flush()?)
}
