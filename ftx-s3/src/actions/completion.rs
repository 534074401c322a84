//! The completion of an upload: its parts become the object.

use std::collections::HashMap;

use bytes::Bytes;

use crate::bucket::{Bucket, unexpected};
use crate::checksums::may_want_part_checksums;
use crate::error::{S3Error, S3ErrorKind};
use crate::operation::S3Operation;
use crate::request::S3Request;
use crate::retry::Repeat;
use crate::types::{Condition, ETag, Part, UploadId};
use crate::xml::{CompletedPart, read_completed, write_completion};

impl Bucket {
    /// Joins the parts of an upload to the object, and returns its tag. The parts are in the order of
    /// their numbers; every part but the last has at least 5 MiB.
    ///
    /// A completion is not repeated if it may have had its effect: the upload would be gone, whether the
    /// object is there or has been replaced since.
    ///
    /// # Errors
    /// [`S3ErrorKind::Ambiguous`] if the object may be there. [`S3ErrorKind::PreconditionFailed`] if the
    /// condition does not hold, and [`S3ErrorKind::Conflict`] if another request changed the object at the
    /// same time; the upload stays. [`S3ErrorKind::NoSuchUpload`] if it has been completed or aborted,
    /// [`S3ErrorKind::InvalidPart`] if a part is not as listed. See [`S3ErrorKind`] for the others.
    pub async fn complete(
        &self,
        key: &str,
        upload: &UploadId,
        parts: &[Part],
        condition: Condition,
    ) -> Result<ETag, S3Error> {
        let plain: Vec<_> =
            parts.iter().map(|part| CompletedPart { part: part.clone(), crc32: None }).collect();
        let mut request = S3Request::of_upload(S3Operation::CompleteMultipartUpload, key, upload)?
            .with_condition(&condition)
            .with_header("content-type", "application/xml")
            .with_body(Bytes::from(write_completion(&plain)));
        let mut retries = self.retries(&request, Repeat::WithoutEffect);
        let mut has_checksums = false;
        loop {
            let failed = match self.attempt(&request).await {
                Ok(answer) => {
                    let tag = read_completed(&answer.body);
                    return tag.map_err(|error| request.error(unexpected(&error)));
                }
                Err(failed) => failed,
            };
            if !has_checksums && may_want_part_checksums(&failed) {
                has_checksums = true;
                if let Some(parts) = self.with_checksums(key, upload, parts).await? {
                    request = request.with_body(Bytes::from(write_completion(&parts)));
                    continue;
                }
            }
            match failed.kind() {
                // The parts must be uploaded again, as AWS says.
                S3ErrorKind::Conflict => return Err(retries.error(failed)),
                // It is about the object of the condition.
                S3ErrorKind::NotFound if matches!(condition, Condition::IfMatch(_)) => {
                    return Err(retries.error(failed).with_kind(S3ErrorKind::PreconditionFailed));
                }
                _ => retries.after(failed).await?,
            }
        }
    }

    /// Looks up the checksums of the parts, which a store wants to be repeated if the upload was created
    /// with an algorithm. Returns `None` if it does not have them all, or has other parts.
    async fn with_checksums(
        &self,
        key: &str,
        upload: &UploadId,
        parts: &[Part],
    ) -> Result<Option<Vec<CompletedPart>>, S3Error> {
        let listed = self.parts_with_checksums(key, upload).await?;
        let listed: HashMap<_, _> =
            listed.into_iter().map(|listed| (listed.part.number, listed)).collect();
        let find = |part: &Part| {
            let found = listed.get(&part.number)?;
            let is_same = found.part.tag == part.tag && found.crc32.is_some();
            is_same.then(|| found.clone())
        };
        Ok(parts.iter().map(find).collect())
    }
}
