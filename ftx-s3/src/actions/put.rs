//! Objects that are stored in one request.

use bytes::Bytes;

use super::tag_of;
use crate::bucket::Bucket;
use crate::error::{Problem, S3Error, S3ErrorKind};
use crate::operation::S3Operation;
use crate::request::{METADATA_PREFIX, S3Request};
use crate::retry::Repeat;
use crate::types::{Condition, ETag};

/// The metadata by which a client knows its own write.
const REQUEST_NAME: &str = "ftx-request";

/// The random bytes in it.
const REQUEST_ID_BYTES: usize = 16;

impl Bucket {
    /// Stores an object, and returns its tag.
    ///
    /// An attempt with a condition may have its effect and lose its answer, so that the next attempt
    /// finds the condition broken by the first one. Therefore such an object gets the metadata
    /// `ftx-request` with a random number, by which the client knows its own object again.
    ///
    /// # Errors
    /// [`S3ErrorKind::PreconditionFailed`] if the condition does not hold, also where another request has
    /// replaced the object since. [`S3ErrorKind::Ambiguous`] if there is a condition and no attempt got
    /// an answer. See [`S3ErrorKind`] for the others.
    pub async fn put(
        &self,
        key: &str,
        body: Bytes,
        metadata: &[(String, String)],
        condition: Condition,
    ) -> Result<ETag, S3Error> {
        let request = S3Request::of_object(S3Operation::PutObject, key)?
            .with_metadata(metadata)?
            .with_condition(&condition)
            .with_body(body);
        if condition == Condition::Always {
            return self.put_always(self.checksums().add(request)).await;
        }
        let id = new_request_id().map_err(|problem| request.error(problem))?;
        let request = request.with_header(format!("{METADATA_PREFIX}{REQUEST_NAME}"), id.clone());
        let needs_object = matches!(condition, Condition::IfMatch(_));
        self.put_if(self.checksums().add(request), key, &id, needs_object).await
    }

    /// Sends a body with its checksum, however often, and returns its tag.
    pub(super) async fn put_always(&self, mut request: S3Request<'_>) -> Result<ETag, S3Error> {
        let mut retries = self.retries(&request, Repeat::Always);
        loop {
            match self.attempt(&request).await {
                Ok(answer) => return tag_of(&answer.headers).map_err(|error| request.error(error)),
                Err(failed) if self.checksums().drop_if_refused(&mut request, &failed) => {}
                Err(failed) => retries.after(failed).await?,
            }
        }
    }

    async fn put_if(
        &self,
        mut request: S3Request<'_>,
        key: &str,
        id: &str,
        needs_object: bool,
    ) -> Result<ETag, S3Error> {
        let mut retries = self.retries(&request, Repeat::Conditional);
        loop {
            let failed = match self.attempt(&request).await {
                Ok(answer) => return tag_of(&answer.headers).map_err(|error| request.error(error)),
                Err(failed) => failed,
            };
            if self.checksums().drop_if_refused(&mut request, &failed) {
                continue;
            }
            // Stores answer that there is no object if the condition is about its tag.
            let is_broken = failed.kind() == S3ErrorKind::PreconditionFailed
                || (needs_object && failed.kind() == S3ErrorKind::NotFound);
            if retries.is_ambiguous()
                && (is_broken || failed.kind() == S3ErrorKind::Conflict)
                && let Some(tag) = self.own_write(&request, key, id).await?
            {
                return Ok(tag);
            }
            if is_broken {
                let error = retries.error(failed);
                return Err(error.with_kind(S3ErrorKind::PreconditionFailed));
            }
            retries.after(failed).await?;
        }
    }

    /// Returns the tag of the object if it is the one of this request.
    async fn own_write(
        &self,
        request: &S3Request<'_>,
        key: &str,
        id: &str,
    ) -> Result<Option<ETag>, S3Error> {
        let head = self.head(key).await.map_err(|error| {
            let text =
                "an earlier attempt got no answer, and it cannot be seen whether it succeeded";
            request.error(Problem::new(S3ErrorKind::Ambiguous, text).caused_by(error))
        })?;
        let own = head.filter(|head| head.metadata.get(REQUEST_NAME).is_some_and(|own| own == id));
        Ok(own.map(|head| head.tag))
    }
}

fn new_request_id() -> Result<String, Problem> {
    let mut id = [0; REQUEST_ID_BYTES];
    getrandom::fill(&mut id).map_err(|error| {
        Problem::new(S3ErrorKind::Other, "the system gives no random numbers").caused_by(error)
    })?;
    Ok(hex::encode(id))
}
