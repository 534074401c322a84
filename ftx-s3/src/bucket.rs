//! The client of a bucket, and single attempts of its requests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::checksums::Checksums;
use crate::config::BucketConfig;
use crate::credentials::CredentialProvider;
use crate::error::{Complaint, ErrorDocument, FailedRequest, Problem, S3Error, S3ErrorKind};
use crate::operation::S3Operation;
use crate::request::{AnswerBody, MAX_DOCUMENT_BYTES, S3Request};
use crate::retry::{Repeat, RequestRetries, RetryPolicy};
use crate::time::parse_retry_after;
use crate::transport::{BodyFailure, Exchange, HttpClient, HttpTimeouts, plain_config, tls_config};
use crate::xml::{XmlElement, XmlError};

/// The longest error that a store may send.
const MAX_ERROR_BYTES: usize = 256 * 1024;

/// The bytes in which the root of an error begins.
const MAX_ERROR_BEGIN_BYTES: usize = 64 * 1024;

/// The limits of time of the metadata service, which is on the same machine.
const METADATA_TIMEOUTS: HttpTimeouts =
    HttpTimeouts { connect: Duration::from_secs(1), silence: Duration::from_secs(5) };

/// A bucket of an S3-compatible store. Clones share its connections and limits.
///
/// Connections live on the runtime whose request has opened them.
#[derive(Clone)]
pub struct Bucket {
    inner: Arc<BucketInner>,
}

struct BucketInner {
    signer: rusty_s3::Bucket,
    http: HttpClient,
    credentials: CredentialProvider,
    checksums: Checksums,
    retry: RetryPolicy,
    requests: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

/// A successful answer whose body has been read.
pub(crate) struct StoreAnswer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A successful answer whose body is being read.
pub(crate) struct OpenAnswer {
    pub(crate) exchange: Exchange,
    _permit: OwnedSemaphorePermit,
}

impl Bucket {
    /// Prepares a client. It sends nothing yet; the certificates of issuers are read.
    ///
    /// # Errors
    /// If the settings make no URL, or if the certificates cannot be read.
    pub fn connect(config: BucketConfig) -> Result<Self, S3Error> {
        Self::prepare(config).map_err(|problem| S3Error::new(S3Operation::Connect, None, problem))
    }

    fn prepare(config: BucketConfig) -> Result<Self, Problem> {
        let signer = config.signer()?;
        let tls = match signer.base_url().scheme() {
            "https" => tls_config(config.ca.as_deref())?,
            _ => plain_config()?,
        };
        let timeouts =
            HttpTimeouts { connect: config.connect_timeout, silence: config.silence_timeout };
        // A semaphore has a limit of its own.
        let places = config.max_requests.clamp(1, Semaphore::MAX_PERMITS);
        let checksums = Checksums::new(config.is_aws());
        let metadata_client = HttpClient::new(plain_config()?, METADATA_TIMEOUTS, 1);
        let inner = BucketInner {
            signer,
            http: HttpClient::new(tls, timeouts, places),
            credentials: CredentialProvider::new(config.credentials, metadata_client),
            checksums,
            retry: config.retry,
            requests: Arc::new(Semaphore::new(places)),
            bodies: Arc::new(Semaphore::new(places)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the name of the bucket.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.signer.name()
    }

    pub(crate) fn checksums(&self) -> &Checksums {
        &self.inner.checksums
    }

    /// Begins the attempts of a request.
    pub(crate) fn retries(&self, request: &S3Request<'_>, repeat: Repeat) -> RequestRetries {
        RequestRetries::new(&self.inner.retry, repeat, request.operation, request.key)
    }

    /// Sends a request that may be repeated without harm, until there is an answer.
    pub(crate) async fn answer(&self, request: &S3Request<'_>) -> Result<StoreAnswer, S3Error> {
        let mut retries = self.retries(request, Repeat::Always);
        loop {
            match self.attempt(request).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => retries.after(failed).await?,
            }
        }
    }

    /// Sends a request once, and reads its answer.
    pub(crate) async fn attempt(
        &self,
        request: &S3Request<'_>,
    ) -> Result<StoreAnswer, FailedRequest> {
        let mut open = self.open(request, &self.inner.requests).await?;
        let (max_bytes, is_document) = match request.answer {
            AnswerBody::Document => (MAX_DOCUMENT_BYTES, true),
            AnswerBody::Content(max_bytes) => (max_bytes, false),
            AnswerBody::Missing => {
                let headers = open.exchange.head().headers.clone();
                return Ok(StoreAnswer { headers, body: Bytes::new() });
            }
        };
        let body = open.exchange.read_to_end(max_bytes).await.map_err(|failure| match failure {
            BodyFailure::Broken(failure) => failure.into(),
            BodyFailure::TooLong => FailedRequest::lasting(too_long(max_bytes, is_document)),
        })?;
        let head = open.exchange.head();
        if is_document && let Some(error) = late_error(&body) {
            let complaint = Complaint::new(head.status, &head.headers, Some(error));
            return Err(FailedRequest::refused(complaint, retry_after(&head.headers)));
        }
        Ok(StoreAnswer { headers: head.headers.clone(), body })
    }

    /// Sends a request once, and leaves the body of its answer to the caller.
    pub(crate) async fn open_body(
        &self,
        request: &S3Request<'_>,
    ) -> Result<OpenAnswer, FailedRequest> {
        self.open(request, &self.inner.bodies).await
    }

    async fn open(
        &self,
        request: &S3Request<'_>,
        places: &Arc<Semaphore>,
    ) -> Result<OpenAnswer, FailedRequest> {
        let permit = Arc::clone(places).acquire_owned().await.map_err(|_| {
            // Nobody closes the semaphore.
            FailedRequest::lasting(Problem::new(S3ErrorKind::Other, "the client has ended"))
        })?;
        let mut has_replaced = false;
        loop {
            let credentials =
                self.inner.credentials.current().await.map_err(FailedRequest::lasting)?;
            let signed = request.sign(&self.inner.signer, &credentials);
            let sent = self.inner.http.send(signed.map_err(FailedRequest::lasting)?).await;
            let exchange = sent.map_err(FailedRequest::from)?;
            if exchange.head().status.is_success() {
                return Ok(OpenAnswer { exchange, _permit: permit });
            }
            let failed = refusal(exchange).await;
            let may_replace = are_credentials_old(&failed) && !has_replaced;
            if !may_replace || !self.inner.credentials.replace(&credentials).await {
                return Err(failed);
            }
            has_replaced = true;
        }
    }
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Reads the answer of a store that refuses a request.
async fn refusal(mut exchange: Exchange) -> FailedRequest {
    // The status says enough if the document cannot be read.
    let body = exchange.read_to_end(MAX_ERROR_BYTES).await.unwrap_or_default();
    let head = exchange.head();
    let complaint = Complaint::new(head.status, &head.headers, ErrorDocument::of_body(&body));
    FailedRequest::refused(complaint, retry_after(&head.headers))
}

/// Whether other credentials may help: these have expired, or their file has changed.
fn are_credentials_old(failed: &FailedRequest) -> bool {
    failed.complaint().is_some_and(|complaint| match complaint.code() {
        "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" | "InvalidAccessKeyId" => true,
        // The answer to a HEAD request with an expired token.
        "" => complaint.status == 400,
        _ => false,
    })
}

/// Returns the error of an answer that began well. Long operations send the head of their answer before
/// they know the end.
fn late_error(body: &[u8]) -> Option<ErrorDocument> {
    const ROOTS: [&[u8]; 2] = [b"<Error", b"<ErrorResponse"];
    // Most bodies are pages of listings, which need not be read twice. The head of a document may be
    // followed by spaces for as long as the operation takes.
    let begin = body.get(..body.len().min(MAX_ERROR_BEGIN_BYTES)).unwrap_or_default();
    let has_root = ROOTS.iter().any(|root| begin.windows(root.len()).any(|part| part == *root));
    has_root.then(|| XmlElement::parse(body).ok())?.as_ref().and_then(ErrorDocument::of_element)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    parse_retry_after(text, SystemTime::now())
}

fn too_long(max_bytes: usize, is_document: bool) -> Problem {
    if is_document {
        return Problem::protocol(format!(
            "the document of the store is longer than {max_bytes} bytes"
        ));
    }
    Problem::new(S3ErrorKind::TooLarge, format!("the object is longer than {max_bytes} bytes"))
}

/// Returns the error of a document that is not the expected one.
pub(crate) fn unexpected(error: &XmlError) -> Problem {
    Problem::protocol(format!("the document of the store is not understood: {error}"))
        .with_remedy("check whether the endpoint is an S3-compatible store")
}
