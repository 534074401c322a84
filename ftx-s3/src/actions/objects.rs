//! Objects as a whole: HEAD, GET and DELETE.

use bytes::Bytes;
use http::header;

use super::head_of;
use crate::bucket::{Bucket, StoreAnswer};
use crate::error::{Problem, S3Error, S3ErrorKind};
use crate::operation::S3Operation;
use crate::request::{AnswerBody, S3Request};
use crate::retry::Repeat;
use crate::types::{Condition, ObjectHead};

impl Bucket {
    /// Returns the head of an object, or `None` if there is no such object.
    ///
    /// # Errors
    /// See [`S3ErrorKind`]. Stores do not say whether the object or its bucket does not exist.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectHead>, S3Error> {
        let request =
            S3Request::of_object(S3Operation::HeadObject, key)?.with_answer(AnswerBody::Missing);
        let Some(answer) = unless_absent(self.answer(&request).await)? else { return Ok(None) };
        let size = answer.headers.get(header::CONTENT_LENGTH).and_then(|size| size.to_str().ok());
        let size = size.and_then(|size| size.parse().ok());
        let head = size
            .ok_or_else(|| super::lacking("Content-Length"))
            .and_then(|size| head_of(&answer.headers, size));
        head.map(Some).map_err(|problem| request.error(problem))
    }

    /// Returns an object of at most so many bytes, or `None` if there is no such object.
    ///
    /// # Errors
    /// [`S3ErrorKind::TooLarge`] if the object is longer. See [`S3ErrorKind`] for the others.
    pub async fn get(
        &self,
        key: &str,
        max_bytes: usize,
    ) -> Result<Option<(ObjectHead, Bytes)>, S3Error> {
        let request = S3Request::of_object(S3Operation::GetObject, key)?
            .with_answer(AnswerBody::Content(max_bytes));
        let Some(answer) = unless_absent(self.answer(&request).await)? else { return Ok(None) };
        let head = head_of(&answer.headers, answer.body.len() as u64);
        let head = head.map_err(|problem| request.error(problem))?;
        Ok(Some((head, answer.body)))
    }

    /// Deletes an object. It is fine if there is none.
    ///
    /// # Errors
    /// [`S3ErrorKind::PreconditionFailed`] if the condition does not hold. [`S3ErrorKind::Ambiguous`] if
    /// the deletion has a condition and no attempt got an answer. See [`S3ErrorKind`] for the others.
    pub async fn delete(&self, key: &str, condition: Condition) -> Result<(), S3Error> {
        let request = S3Request::of_object(S3Operation::DeleteObject, key)?;
        let repeat = match condition {
            Condition::Always => Repeat::Always,
            Condition::IfMatch(_) => Repeat::Conditional,
            Condition::IfAbsent => {
                let text = "the absence of an object is no condition of its deletion";
                return Err(request.error(Problem::new(S3ErrorKind::Other, text)));
            }
        };
        let request = request.with_condition(&condition);
        let mut retries = self.retries(&request, repeat);
        loop {
            match self.attempt(&request).await {
                Ok(_) => return Ok(()),
                // An earlier attempt may have deleted it.
                Err(failed) if failed.kind() == S3ErrorKind::NotFound => return Ok(()),
                Err(failed) => retries.after(failed).await?,
            }
        }
    }
}

/// Turns the absence of an object into `None`.
fn unless_absent(answer: Result<StoreAnswer, S3Error>) -> Result<Option<StoreAnswer>, S3Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == S3ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
