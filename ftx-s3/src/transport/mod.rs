//! HTTP/1.1 over connections that are kept, with and without TLS.
//!
//! | part | its task |
//! | --- | --- |
//! | [`HttpClient`] | one request, one answer |
//! | [`StoreConnector`] | a connection in a limited time |
//! | `WatchedStream` | notes when bytes go over a connection, and ends one that takes no more |
//! | [`UploadBody`] | the body of a request, which ends when nobody waits for the answer |
//! | `tls` | the trust in the store |
//!
//! A request fails when no byte has gone in either direction for the silence timeout.

mod connector;
mod failure;
mod last_bytes;
mod tls;
mod upload_body;
mod watched_stream;

use std::future::pending;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, header, response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::select;
use tokio::time::{Instant, sleep_until};

use self::connector::StoreConnector;
pub(crate) use self::failure::TransportFailure;
use self::last_bytes::LastBytes;
pub(crate) use self::tls::{plain_config, tls_config};
use self::upload_body::{UploadBody, UploadGuard};

/// The time that a connection is kept without a request. Stores close idle ones later than this, so that
/// few requests meet a connection that is being closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(15);

/// The limits of time of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpTimeouts {
    /// Until there is a connection, with TLS where it is used.
    pub(crate) connect: Duration,
    /// Without a byte in either direction.
    pub(crate) silence: Duration,
}

/// A client with a pool of connections, which its clones share.
#[derive(Clone)]
pub(crate) struct HttpClient {
    client: Client<StoreConnector, UploadBody>,
    silence: Duration,
}

impl HttpClient {
    pub(crate) fn new(tls: rustls::ClientConfig, timeouts: HttpTimeouts, max_idle: usize) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(max_idle)
            .build(StoreConnector::new(tls, timeouts));
        Self { client, silence: timeouts.silence }
    }

    /// Sends a request, and waits for the head of the answer. The request ends when the returned
    /// exchange is dropped, or the future before that.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Exchange, TransportFailure> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let (head, body) = request.into_parts();
        let (body, upload) = UploadBody::new(body);
        let mut request = Request::from_parts(head, body);
        let connection = capture_connection(&mut request);
        let answer = select! {
            biased;
            answer = self.client.request(request) => {
                answer.map_err(|error| TransportFailure::of_client(&error, &host))?
            }
            () = silent_before_answer(connection, self.silence) => {
                return Err(TransportFailure::silence(self.silence));
            }
        };
        let (head, body) = answer.into_parts();
        let last_bytes = head.extensions.get::<LastBytes>().cloned();
        Ok(Exchange { head, body, last_bytes, silence: self.silence, _upload: upload })
    }
}

/// Waits until no byte has gone over the connection of a request for so long.
async fn silent_before_answer(mut connection: CaptureConnection, silence: Duration) {
    // The connector limits this time.
    drop(connection.wait_for_connection_metadata().await);
    let begin = Instant::now();
    loop {
        // A connection that was closed before the request began is replaced.
        let Some(last_bytes) = LastBytes::of_connection(&connection) else {
            return pending().await;
        };
        let end = last_bytes.at().max(begin) + silence;
        if Instant::now() >= end {
            return;
        }
        sleep_until(end).await;
    }
}

/// A request whose answer has begun.
pub(crate) struct Exchange {
    head: response::Parts,
    body: Incoming,
    last_bytes: Option<LastBytes>,
    silence: Duration,
    _upload: UploadGuard,
}

/// Why a body could not be read as a whole.
#[derive(Debug)]
pub(crate) enum BodyFailure {
    /// It is longer than allowed.
    TooLong,
    /// It broke off.
    Broken(TransportFailure),
}

impl std::fmt::Display for BodyFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is too long"),
            Self::Broken(failure) => write!(f, "{failure}"),
        }
    }
}

impl Exchange {
    pub(crate) fn head(&self) -> &response::Parts {
        &self.head
    }

    /// Returns the number of bytes that the head announces.
    pub(crate) fn announced_bytes(&self) -> Option<u64> {
        self.head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Reads the next bytes of the body. They are never empty; `None` is the end of the body.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, TransportFailure> {
        loop {
            let frame = select! {
                biased;
                frame = self.body.frame() => frame,
                () = silent(self.last_bytes.as_ref(), self.silence) => {
                    return Err(TransportFailure::silence(self.silence));
                }
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(TransportFailure::of_body(&error)),
                // The other kind of frame has trailers, which say nothing.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                    _ => {}
                },
            }
        }
    }

    /// Reads a body of at most so many bytes.
    pub(crate) async fn read_to_end(&mut self, max_bytes: usize) -> Result<Bytes, BodyFailure> {
        let announced = self.announced_bytes().map_or(Ok(0), usize::try_from);
        let announced = announced.ok().filter(|bytes| *bytes <= max_bytes);
        let announced = announced.ok_or(BodyFailure::TooLong)?;
        let Some(first) = self.next().await.map_err(BodyFailure::Broken)? else {
            return Ok(Bytes::new());
        };
        if first.len() == announced {
            return Ok(first);
        }
        let mut body = BytesMut::with_capacity(announced.max(first.len()));
        let mut next = Some(first);
        while let Some(bytes) = next {
            if bytes.len() > max_bytes - body.len() {
                return Err(BodyFailure::TooLong);
            }
            body.extend_from_slice(&bytes);
            next = self.next().await.map_err(BodyFailure::Broken)?;
        }
        Ok(body.freeze())
    }
}

/// Waits until no byte has gone over a connection for so long, from now on.
async fn silent(last_bytes: Option<&LastBytes>, silence: Duration) {
    let begin = Instant::now();
    loop {
        let last = last_bytes.map_or(begin, |last_bytes| last_bytes.at().max(begin));
        let end = last + silence;
        if Instant::now() >= end {
            return;
        }
        sleep_until(end).await;
    }
}

#[cfg(test)]
mod tests;
