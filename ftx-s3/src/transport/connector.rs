//! Opens connections in a limited time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::HttpTimeouts;
use super::watched_stream::WatchedStream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections. The limit of time includes the name service and the handshake of TLS.
#[derive(Clone)]
pub(super) struct StoreConnector {
    https: HttpsConnector<HttpConnector>,
    timeouts: HttpTimeouts,
}

impl StoreConnector {
    pub(super) fn new(tls: rustls::ClientConfig, timeouts: HttpTimeouts) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        // It shares the time between the addresses of a host.
        http.set_connect_timeout(Some(timeouts.connect));
        Self { https: HttpsConnector::from((http, tls)), timeouts }
    }
}

impl Service<Uri> for StoreConnector {
    type Response = WatchedStream<MaybeHttpsStream<TokioIo<TcpStream>>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.https.call(target);
        let HttpTimeouts { connect, silence } = self.timeouts;
        Box::pin(async move {
            let connected = timeout(connect, connecting).await;
            let stream = connected.map_err(|_| format!("no connection within {connect:?}"))??;
            Ok(WatchedStream::new(stream, silence))
        })
    }
}
