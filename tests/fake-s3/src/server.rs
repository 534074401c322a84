//! HTTP around the service of s3s, where the faults strike.

use std::ops::ControlFlow;
use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;
use s3s::{Body, HttpError, S3Error, S3ErrorCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::connection::{CountedConnection, CountedStream, Traffic};
use crate::content::collect;
use crate::fault::{S3Fault, StrikePoint};
use crate::faulty_body::{Defect, FaultyBody};
use crate::operation::RequestTarget;
use crate::rules::{Rules, SetRule};

type Answer = Result<Response<Body>, HttpError>;

/// The part of the server that speaks HTTP.
pub(crate) struct HttpServer {
    pub(crate) s3: S3Service,
    pub(crate) rules: Arc<Rules>,
    pub(crate) traffic: Arc<Traffic>,
}

impl HttpServer {
    /// Serves connections for as long as it is polled.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener) {
        loop {
            // A connection that fails while it is accepted is its client's loss.
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&self).serve(stream));
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        // Without the option the stream is merely slower.
        let _ = stream.set_nodelay(true);
        let connection = Arc::new(CountedConnection::new(Arc::clone(&self.traffic)));
        let stream = CountedStream::new(stream, Arc::clone(&connection));
        let service =
            service_fn(move |request| Arc::clone(&self).answer(Arc::clone(&connection), request));
        // The client sees the error of a connection, which ends either way.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(
        self: Arc<Self>,
        connection: Arc<CountedConnection>,
        request: Request<Incoming>,
    ) -> Answer {
        let target = RequestTarget::of(request.method(), request.uri(), request.headers());
        let number = self.traffic.count(target.operation);
        let request = request.map(Body::from);
        let rules = self.rules.strike(&target);
        let mut response = if rules.is_empty() {
            self.s3.call(request).await?
        } else {
            // In a task of its own, the request goes on when its client breaks the connection.
            let afflicted = self.afflict(connection, request, rules);
            tokio::spawn(afflicted).await.map_err(|error| HttpError::new(error.into()))??
        };
        if let Ok(id) = HeaderValue::from_str(&format!("FAKE{number:012}")) {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        Ok(response)
    }

    /// Serves a request that faults strike.
    async fn afflict(
        self: Arc<Self>,
        connection: Arc<CountedConnection>,
        request: Request<Body>,
        rules: Vec<Arc<SetRule>>,
    ) -> Answer {
        let mut request = request.map(|body| spoil_upload(body, &rules, &connection));
        if has_point(&rules, StrikePoint::Before) {
            let (head, body) = request.into_parts();
            let len = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
            let body = collect(body, len).await.map_err(HttpError::new)?;
            request = Request::from_parts(head, body.into());
        }
        if let ControlFlow::Break(answer) = strike(&rules, StrikePoint::Before).await {
            return answer;
        }
        let response = self.s3.call(request).await?;
        if connection.is_cut() {
            return lost();
        }
        match strike(&rules, StrikePoint::After).await {
            ControlFlow::Break(answer) => answer,
            ControlFlow::Continue(()) => {
                Ok(response.map(|body| spoil_answer(body, &rules, &connection)))
            }
        }
    }
}

fn has_point(rules: &[Arc<SetRule>], point: StrikePoint) -> bool {
    rules.iter().any(|rule| rule.fault().point() == Some(point))
}

/// Lets the faults of a point strike, one after the other. The first one that settles the answer
/// is the last.
async fn strike(rules: &[Arc<SetRule>], point: StrikePoint) -> ControlFlow<Answer> {
    for rule in rules.iter().filter(|rule| rule.fault().point() == Some(point)) {
        match rule.fault() {
            S3Fault::Answer { status, code, retry_after_seconds, .. } => {
                return ControlFlow::Break(refuse(*status, code, *retry_after_seconds));
            }
            S3Fault::LoseAnswer(_) => return ControlFlow::Break(lost()),
            S3Fault::Delay { by, .. } => sleep(*by).await,
            S3Fault::Hold(_) => rule.hold().await,
            _ => {}
        }
    }
    ControlFlow::Continue(())
}

/// Closes the connection without an answer, as hyper does for an error of its service.
fn lost() -> Answer {
    Err(HttpError::new("the answer was lost".into()))
}

fn refuse(status: u16, code: &str, retry_after_seconds: Option<u64>) -> Answer {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, "A test asked for this fault.");
    error.set_status_code(StatusCode::from_u16(status).unwrap_or_default());
    let response = error.to_http_response();
    let mut response = response.map_err(|error| HttpError::new(Box::new(error)))?;
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

fn spoil_upload(body: Body, rules: &[Arc<SetRule>], connection: &Arc<CountedConnection>) -> Body {
    rules.iter().fold(body, |body, rule| match *rule.fault() {
        S3Fault::SlowUpload { chunk_bytes, pause } => {
            FaultyBody::wrap(body, Defect::Slow { chunk_bytes, pause })
        }
        S3Fault::CutUpload { after_bytes } => {
            let connection = Arc::clone(connection);
            FaultyBody::wrap(body, Defect::Cut { after_bytes, connection })
        }
        _ => body,
    })
}

fn spoil_answer(body: Body, rules: &[Arc<SetRule>], connection: &Arc<CountedConnection>) -> Body {
    rules.iter().fold(body, |body, rule| match *rule.fault() {
        S3Fault::SlowBody { chunk_bytes, pause } => {
            FaultyBody::wrap(body, Defect::Slow { chunk_bytes, pause })
        }
        S3Fault::TruncateBody { after_bytes } => {
            let connection = Arc::clone(connection);
            FaultyBody::wrap(body, Defect::Truncated { after_bytes, connection })
        }
        S3Fault::CorruptBody { at } => FaultyBody::wrap(body, Defect::Corrupt { at }),
        _ => body,
    })
}
