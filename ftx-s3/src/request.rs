//! A request to the bucket, and its signature.
//!
//! The signature is in the query of the URL, as rusty-s3 makes it. It covers the method, the path, the
//! query, and the headers that are in `headers`, which are therefore all that S3 looks at.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, header};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rusty_s3::Map;
use rusty_s3::signing::sign;

use crate::credentials::S3Credentials;
use crate::error::{Problem, S3Error, S3ErrorKind};
use crate::operation::S3Operation;
use crate::types::{Condition, UploadId};

/// The time for which a signature is valid. S3 allows as much for clocks that differ.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The longest key of an object in S3.
const MAX_KEY_BYTES: usize = 1024;

/// The longest document that a store may send.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 8 << 20;

const USER_AGENT: &str = concat!("ftx-s3/", env!("CARGO_PKG_VERSION"));

/// The prefix of the headers with metadata.
pub(crate) const METADATA_PREFIX: &str = "x-amz-meta-";

/// Everything but the characters that a path has as they are.
const PATH_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The body of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerBody {
    /// A document. It may be an error although the status is 200.
    Document,
    /// The content of an object, of at most so many bytes.
    Content(usize),
    /// None, whatever length the head announces.
    Missing,
}

/// A request that can be signed again for each attempt.
pub(crate) struct S3Request<'a> {
    pub(crate) operation: S3Operation,
    pub(crate) key: Option<&'a str>,
    query: Map<'a>,
    headers: Map<'a>,
    pub(crate) body: Bytes,
    pub(crate) answer: AnswerBody,
}

impl<'a> S3Request<'a> {
    /// A request that concerns the bucket. The prefix is for errors.
    pub(crate) fn of_bucket(operation: S3Operation, prefix: &'a str) -> Self {
        Self {
            operation,
            key: Some(prefix).filter(|prefix| !prefix.is_empty()),
            query: Map::new(),
            headers: Map::new(),
            body: Bytes::new(),
            answer: AnswerBody::Document,
        }
    }

    /// A request that concerns an object.
    pub(crate) fn of_object(operation: S3Operation, key: &'a str) -> Result<Self, S3Error> {
        check_key(key).map_err(|problem| S3Error::new(operation, Some(key), problem))?;
        Ok(Self::of_bucket(operation, key))
    }

    /// A request that concerns an upload.
    pub(crate) fn of_upload(
        operation: S3Operation,
        key: &'a str,
        upload: &'a UploadId,
    ) -> Result<Self, S3Error> {
        let request = Self::of_object(operation, key)?;
        // Without an identifier, the request would concern the object.
        if upload.as_str().is_empty() {
            let text = "the identifier of the upload is empty";
            return Err(request.error(Problem::new(S3ErrorKind::NoSuchUpload, text)));
        }
        Ok(request.with_query("uploadId", upload.as_str()))
    }

    pub(crate) fn with_query(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.query.insert(name, value);
        self
    }

    pub(crate) fn with_header(
        mut self,
        name: impl Into<Cow<'a, str>>,
        value: impl Into<Cow<'a, str>>,
    ) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn remove_header(&mut self, name: &str) -> bool {
        self.headers.remove(name).is_some()
    }

    pub(crate) fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    pub(crate) fn with_answer(self, answer: AnswerBody) -> Self {
        Self { answer, ..self }
    }

    pub(crate) fn with_condition(self, condition: &Condition) -> Self {
        match condition {
            Condition::Always => self,
            Condition::IfAbsent => self.with_header("if-none-match", "*"),
            Condition::IfMatch(tag) => self.with_header("if-match", tag.quoted()),
        }
    }

    /// Adds metadata, which must arrive as it is.
    pub(crate) fn with_metadata(mut self, pairs: &[(String, String)]) -> Result<Self, S3Error> {
        for (name, value) in pairs {
            let header = format!("{METADATA_PREFIX}{}", name.to_ascii_lowercase());
            // Signatures and some stores shorten runs of spaces.
            let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if name.is_empty()
                || HeaderName::from_bytes(header.as_bytes()).is_err()
                || !is_plain
                || value.trim() != value
                || value.contains("  ")
            {
                let text = format!("the metadata {name:?} cannot be a header");
                return Err(self.error(Problem::new(S3ErrorKind::Other, text)));
            }
            self.headers.insert(header, value.clone());
        }
        Ok(self)
    }

    /// Returns a problem as the error of this request.
    pub(crate) fn error(&self, problem: Problem) -> S3Error {
        S3Error::new(self.operation, self.key, problem)
    }

    /// Signs the request.
    pub(crate) fn sign(
        &self,
        bucket: &rusty_s3::Bucket,
        credentials: &S3Credentials,
    ) -> Result<Request<Bytes>, Problem> {
        let method = self.operation.method();
        let url = match self.operation {
            S3Operation::ListObjects | S3Operation::ListMultipartUploads => {
                bucket.base_url().clone()
            }
            _ => bucket.object_url(self.key.unwrap_or_default()),
        };
        let url = sign(
            &Timestamp::now(),
            method,
            url,
            credentials.access_key(),
            credentials.secret(),
            credentials.token(),
            bucket.region(),
            SIGNATURE_LIFETIME.as_secs(),
            self.query.iter(),
            self.headers.iter(),
        );
        // The errors of these conversions do not quote the URL.
        let unfit = |what: &str| Problem::new(S3ErrorKind::Other, format!("{what} cannot be sent"));
        let uri: Uri = url.as_str().parse().map_err(|_| unfit("the URL of the request"))?;
        let mut request = Request::builder()
            .method(method.to_str())
            .uri(uri)
            .header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if matches!(method, rusty_s3::Method::Put | rusty_s3::Method::Post) {
            // Stores want it for an empty body too.
            request = request.header(header::CONTENT_LENGTH, self.body.len());
        }
        for (name, value) in self.headers.iter() {
            request = request.header(name, value);
        }
        request.body(self.body.clone()).map_err(|_| unfit("a header of the request"))
    }
}

/// Encodes a path for a header.
pub(crate) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH_ENCODED).to_string()
}

/// A key becomes the path of a URL, where some keys would mean another path.
fn check_key(key: &str) -> Result<(), Problem> {
    let what = if key.is_empty() {
        "is empty"
    } else if key.len() > MAX_KEY_BYTES {
        "has more than 1,024 bytes"
    } else if key.split('/').any(|segment| matches!(segment, "." | "..")) {
        "has a segment that is . or .."
    } else {
        return Ok(());
    };
    Err(Problem::new(S3ErrorKind::Other, format!("the key {what}")))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
