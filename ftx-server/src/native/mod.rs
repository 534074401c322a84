//! The native dialect: drives the connections of FTX clients.
//!
//! A connection's requests are handled one at a time and answered in their order; the client reads while
//! it writes, so neither side waits for the other. The machines in [`ftx_core::native`] decide which
//! blocks a file consists of; this module moves the bytes and calls the store.
//!
//! | file | content |
//! | --- | --- |
//! | `handshake` | the start of a connection |
//! | `handler`, `next_event` | the loop over a connection's requests, and the errors' one exit |
//! | `connection`, `request` | the state of a connection, and of the request being handled |
//! | `offers`, `upload` | large files, block by block |
//! | `granules` | the memory of blocks that become durable together |
//! | `put`, `put_batch` | small files, many at a time |
//! | `download`, `recent_ranges`, `sent_manifest` | downloads |
//! | `metadata`, `list` | requests that move no file |
//! | `shared`, `session` | the state that all connections share, and those of one client |
//! | `source_lease`, `waiting_offers` | several runs that upload the same source |
//! | `heartbeat` | `Working` replies while a client waits |

mod connection;
mod download;
mod error;
mod goodbye;
mod granules;
mod handler;
mod handshake;
mod heartbeat;
mod list;
mod metadata;
mod next_event;
mod offers;
mod put;
mod put_batch;
mod recent_ranges;
mod request;
mod sent_manifest;
mod session;
mod shared;
mod source_lease;
mod upload;
mod waiting_offers;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use ftx_io::BufferedStream;
use tracing::{debug, info};

use self::error::NativeError;
pub(crate) use self::shared::NativeShared;
use crate::context::Context;
use crate::dedicated::{self, DedicatedThreads};
use crate::handshake_deadline::HandshakeDeadline;
use crate::limits::LimitHit;
use crate::store::Store;

/// Threads of one worker that may be dedicated to connections of this dialect: as many as one client
/// has streams, since each stream keeps its thread busy.
pub(crate) const DEDICATED_THREADS: usize = 4;

/// Tells a native client that a limit keeps it out. What goes wrong meanwhile concerns nobody.
pub(crate) async fn refuse<S: Store>(
    stream: BufferedStream,
    context: &Context<S>,
    hit: LimitHit,
    deadline: HandshakeDeadline,
) {
    if let Err(error) = handshake::refuse(stream, context, hit, deadline).await {
        debug!(%error, "kept out, and not told");
    }
}

/// Serves a native client until it leaves or something fails. Its unfinished uploads are kept.
pub(crate) async fn serve<S: Store>(
    stream: BufferedStream,
    peer: SocketAddr,
    context: &Arc<Context<S>>,
    shared: &NativeShared<S::Staging>,
    deadline: HandshakeDeadline,
    threads: &DedicatedThreads,
) -> Result<(), NativeError> {
    // Boxed, so that its room is free again while the connection is served.
    let accepting = Box::pin(handshake::accept(stream, peer, context, shared, deadline));
    let accepted = tokio::select! {
        biased;
        accepted = accepting => accepted?,
        () = context.stop.cancelled() => return Ok(()),
    };
    let Some((frames, connection)) = accepted else { return Ok(()) };
    let (over, ended) = (connection.session.over.clone(), connection.ended.clone());
    let mut serving = pin!(dedicated::serve(connection, frames, threads));
    tokio::select! {
        served = &mut serving => return served,
        () = ended.cancelled() => info!("the credentials are no longer valid; the session ends"),
    }
    over.cancel();
    serving.await
}
