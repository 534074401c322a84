//! A part of an object that is read in pieces, and goes on after its connection broke.

use std::ops::Range;

use bytes::Bytes;
use http::{StatusCode, header, response};

use super::tag_of;
use crate::bucket::{Bucket, OpenAnswer};
use crate::error::{FailedRequest, Problem, S3Error, S3ErrorKind};
use crate::operation::S3Operation;
use crate::request::S3Request;
use crate::retry::{Repeat, RequestRetries};
use crate::types::{Condition, ETag};

/// The bytes of a part of an object, from [`Bucket::get_range`].
///
/// If the connection breaks, another request goes on with the rest, out of the same version of the
/// object. Dropping the value ends the request.
pub struct RangeBody {
    bucket: Bucket,
    key: String,
    tag: ETag,
    /// The bytes that have not arrived.
    rest: Range<u64>,
    open: Option<OpenAnswer>,
    retries: RequestRetries,
}

impl Bucket {
    /// Begins to read a part of one version of an object. An empty part asks for nothing.
    ///
    /// # Errors
    /// [`S3ErrorKind::PreconditionFailed`] if the object has another tag, [`S3ErrorKind::NotFound`] if
    /// there is none. See [`S3ErrorKind`] for the others.
    pub async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        tag: &ETag,
    ) -> Result<RangeBody, S3Error> {
        let request = S3Request::of_object(S3Operation::GetObject, key)?;
        let retries = self.retries(&request, Repeat::Always);
        let mut body = RangeBody {
            bucket: self.clone(),
            key: key.to_owned(),
            tag: tag.clone(),
            rest: range,
            open: None,
            retries,
        };
        while body.open.is_none() && !body.rest.is_empty() {
            body.reopen().await?;
        }
        Ok(body)
    }
}

impl RangeBody {
    /// Returns the next bytes, or `None` after the last ones. They are never empty.
    ///
    /// A call that is cancelled loses nothing.
    ///
    /// # Errors
    /// As [`Bucket::get_range`]; [`S3ErrorKind::Protocol`] if the store sends more or fewer bytes than it
    /// was asked for.
    pub async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        while !self.rest.is_empty() {
            let Some(open) = &mut self.open else {
                self.reopen().await?;
                continue;
            };
            match open.exchange.next().await {
                Ok(Some(bytes)) => return self.take(bytes).map(Some),
                Ok(None) => return Err(self.fail("fewer")),
                Err(failure) => self.close_after(failure.into()).await?,
            }
        }
        self.finish().await?;
        Ok(None)
    }

    /// Returns the number of bytes that have not arrived.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.rest.end.saturating_sub(self.rest.start)
    }

    fn take(&mut self, bytes: Bytes) -> Result<Bytes, S3Error> {
        let len = bytes.len() as u64;
        if len > self.remaining() {
            return Err(self.fail("more"));
        }
        self.rest.start += len;
        self.retries.renew();
        Ok(bytes)
    }

    /// Looks for superfluous bytes. Where the head has announced the right number, there are none.
    async fn finish(&mut self) -> Result<(), S3Error> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if open.exchange.announced_bytes().is_some() {
            return Ok(());
        }
        match open.exchange.next().await {
            Ok(Some(_)) => Err(self.fail("more")),
            // All bytes have arrived.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Asks for the rest. If that fails and may pass, it waits for the next attempt.
    async fn reopen(&mut self) -> Result<(), S3Error> {
        match self.ask().await {
            Ok(open) => {
                self.open = Some(open);
                Ok(())
            }
            Err(failed) => self.close_after(failed).await,
        }
    }

    async fn close_after(&mut self, failed: FailedRequest) -> Result<(), S3Error> {
        self.open = None;
        self.retries.after(failed).await
    }

    async fn ask(&self) -> Result<OpenAnswer, FailedRequest> {
        let last = self.rest.end.saturating_sub(1);
        let request = S3Request::of_object(S3Operation::GetObject, &self.key)
            .map_err(|_| FailedRequest::lasting(Problem::protocol("the key is not valid")))?
            .with_condition(&Condition::IfMatch(self.tag.clone()))
            .with_header("range", format!("bytes={}-{last}", self.rest.start));
        let open = self.bucket.open_body(&request).await?;
        let announced = open.exchange.announced_bytes();
        check_head(open.exchange.head(), announced, &self.rest, &self.tag)
            .map_err(FailedRequest::lasting)?;
        Ok(open)
    }

    /// Ends the body with an error about the number of its bytes.
    fn fail(&mut self, how_many: &str) -> S3Error {
        self.open = None;
        let text = format!("the store has sent {how_many} bytes than it was asked for");
        S3Error::new(S3Operation::GetObject, Some(&self.key), Problem::protocol(text))
    }
}

impl std::fmt::Debug for RangeBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("RangeBody");
        debug.field("key", &self.key).field("rest", &self.rest).finish_non_exhaustive()
    }
}

/// Checks that an answer has the bytes that were asked for.
fn check_head(
    head: &response::Parts,
    announced: Option<u64>,
    asked: &Range<u64>,
    tag: &ETag,
) -> Result<(), Problem> {
    let asked_bytes = asked.end.saturating_sub(asked.start);
    if let Some(announced) = announced
        && announced != asked_bytes
    {
        let text = format!(
            "the store sends {announced} bytes, not the {asked_bytes} that it was asked for"
        );
        return Err(Problem::protocol(text));
    }
    let start = match head.status {
        StatusCode::PARTIAL_CONTENT => {
            let range = head.headers.get(header::CONTENT_RANGE);
            range.and_then(|range| range_start(range.to_str().ok()?))
        }
        // A store that does not know ranges sends the whole object.
        _ if announced.is_some() => Some(0),
        _ => None,
    };
    if start != Some(asked.start) {
        return Err(Problem::protocol("the store sends other bytes than it was asked for"));
    }
    // A store that does not know conditions sends the present version.
    if tag_of(&head.headers)? != *tag {
        let text = "the object has changed";
        return Err(Problem::new(S3ErrorKind::PreconditionFailed, text));
    }
    Ok(())
}

/// Reads the beginning of a range, such as `bytes 0-499/1234`.
fn range_start(text: &str) -> Option<u64> {
    let range = text.trim().strip_prefix("bytes")?.trim_start();
    range.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn check(
        status: u16,
        content_range: &str,
        announced: Option<u64>,
        tag: &str,
    ) -> Result<(), S3ErrorKind> {
        let mut builder = Response::builder().status(status).header("etag", tag);
        if !content_range.is_empty() {
            builder = builder.header("content-range", content_range);
        }
        let (head, ()) = builder.body(()).unwrap().into_parts();
        check_head(&head, announced, &(5..15), &ETag::new("abc")).map_err(|problem| problem.kind)
    }

    #[test]
    fn an_answer_has_the_bytes_that_were_asked_for() {
        assert_eq!(check(206, "bytes 5-14/100", Some(10), "\"abc\""), Ok(()));
        assert_eq!(check(206, "bytes 5-14/*", None, "\"abc\""), Ok(()));
        for (status, range, announced) in [
            (206, "bytes 5-14/100", Some(11)),
            (206, "bytes 5-13/100", Some(9)),
            (206, "bytes 4-13/100", Some(10)),
            (206, "", Some(10)),
            (206, "pages 5-14/100", Some(10)),
            (200, "", Some(10)),
            (200, "", Some(100)),
            (200, "", None),
        ] {
            let outcome = check(status, range, announced, "\"abc\"");
            assert_eq!(outcome, Err(S3ErrorKind::Protocol), "{status} {range} {announced:?}");
        }
    }

    #[test]
    fn a_store_that_ignores_conditions_is_found_out() {
        let outcome = check(206, "bytes 5-14/100", Some(10), "\"other\"");
        assert_eq!(outcome, Err(S3ErrorKind::PreconditionFailed));
    }

    #[test]
    fn a_store_without_ranges_serves_whole_objects() {
        let response = Response::builder().header("etag", "abc").body(()).unwrap();
        let (head, ()) = response.into_parts();
        assert!(check_head(&head, Some(10), &(0..10), &ETag::new("abc")).is_ok());
        assert!(check_head(&head, None, &(0..10), &ETag::new("abc")).is_err());
        assert!(check_head(&head, Some(20), &(0..10), &ETag::new("abc")).is_err());
    }
}
