//! Listings.

use crate::bucket::{Bucket, unexpected};
use crate::error::{Problem, S3Error};
use crate::operation::S3Operation;
use crate::request::S3Request;
use crate::types::{ListObjects, ObjectPage, PendingUpload};
use crate::xml::{UploadMarker, read_objects, read_uploads};

impl Bucket {
    /// Returns a page of the objects whose keys begin with a prefix.
    ///
    /// # Errors
    /// See [`S3ErrorKind`](crate::S3ErrorKind).
    pub async fn list(&self, request: ListObjects) -> Result<ObjectPage, S3Error> {
        let ListObjects { prefix, delimiter, start_after, continuation, max_keys } = request;
        let mut request = S3Request::of_bucket(S3Operation::ListObjects, &prefix)
            .with_query("list-type", "2")
            .with_query("encoding-type", "url")
            .with_query("prefix", prefix.as_str());
        if delimiter {
            request = request.with_query("delimiter", "/");
        }
        if let Some(key) = start_after {
            request = request.with_query("start-after", key);
        }
        if let Some(token) = continuation {
            request = request.with_query("continuation-token", token);
        }
        if let Some(keys) = max_keys {
            request = request.with_query("max-keys", keys.to_string());
        }
        let answer = self.answer(&request).await?;
        read_objects(&answer.body).map_err(|error| request.error(unexpected(&error)))
    }

    /// Returns all uploads that are neither completed nor aborted, and whose keys begin with a prefix.
    ///
    /// # Errors
    /// See [`S3ErrorKind`](crate::S3ErrorKind).
    pub async fn list_uploads(&self, prefix: &str) -> Result<Vec<PendingUpload>, S3Error> {
        let mut uploads = Vec::new();
        let mut marker: Option<UploadMarker> = None;
        loop {
            let mut request = S3Request::of_bucket(S3Operation::ListMultipartUploads, prefix)
                .with_query("uploads", "")
                .with_query("encoding-type", "url")
                .with_query("prefix", prefix);
            if let Some((key, id)) = &marker {
                request = request.with_query("key-marker", key.as_str());
                if !id.is_empty() {
                    request = request.with_query("upload-id-marker", id.as_str());
                }
            }
            let answer = self.answer(&request).await?;
            let (page, next) =
                read_uploads(&answer.body).map_err(|error| request.error(unexpected(&error)))?;
            uploads.extend(page);
            if next.is_none() {
                return Ok(uploads);
            }
            if next == marker {
                return Err(request.error(standstill()));
            }
            marker = next;
        }
    }
}

/// A listing whose next page is the same one.
pub(super) fn standstill() -> Problem {
    Problem::protocol("the listing of the store goes round in circles")
}
