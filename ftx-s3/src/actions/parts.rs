//! Parts of uploads.

use bytes::Bytes;

use super::listing::standstill;
use crate::bucket::{Bucket, unexpected};
use crate::error::{Problem, S3Error, S3ErrorKind};
use crate::operation::S3Operation;
use crate::request::{S3Request, encode_path};
use crate::types::{CopySource, ETag, Part, UploadId};
use crate::xml::{CompletedPart, read_copied_part, read_parts};

/// The highest number of a part in S3.
pub const MAX_PART_NUMBER: u16 = 10_000;

impl Bucket {
    /// Uploads a part, and returns its tag. A part of the same number is replaced.
    ///
    /// # Errors
    /// [`S3ErrorKind::NoSuchUpload`] if the upload has been completed or aborted. See [`S3ErrorKind`] for
    /// the others.
    pub async fn upload_part(
        &self,
        key: &str,
        upload: &UploadId,
        number: u16,
        body: Bytes,
    ) -> Result<ETag, S3Error> {
        let request = S3Request::of_upload(S3Operation::UploadPart, key, upload)?;
        let request = with_number(request, number)?.with_body(body);
        self.put_always(self.checksums().add(request)).await
    }

    /// Makes a part out of bytes of an object in the same bucket, and returns its tag. The store copies
    /// them by itself.
    ///
    /// # Errors
    /// [`S3ErrorKind::PreconditionFailed`] if the source has another tag, [`S3ErrorKind::NotFound`] if
    /// there is no source, [`S3ErrorKind::NoSuchUpload`] if the upload has been completed or aborted. See
    /// [`S3ErrorKind`] for the others.
    pub async fn copy_part(
        &self,
        key: &str,
        upload: &UploadId,
        number: u16,
        source: CopySource,
    ) -> Result<ETag, S3Error> {
        let request = S3Request::of_upload(S3Operation::UploadPartCopy, key, upload)?;
        let request = with_number(request, number)?;
        if source.range.is_empty() {
            let text = "the range of the source is empty";
            return Err(request.error(Problem::new(S3ErrorKind::Other, text)));
        }
        let last = source.range.end.saturating_sub(1);
        let path = encode_path(&format!("/{}/{}", self.name(), source.key));
        let request = request
            .with_header("x-amz-copy-source", path)
            .with_header("x-amz-copy-source-if-match", source.tag.quoted())
            .with_header("x-amz-copy-source-range", format!("bytes={}-{last}", source.range.start));
        let answer = self.answer(&request).await?;
        read_copied_part(&answer.body).map_err(|error| request.error(unexpected(&error)))
    }

    /// Returns the parts of an upload by their numbers, or `None` if there is no such upload.
    ///
    /// # Errors
    /// See [`S3ErrorKind`].
    pub async fn list_parts(
        &self,
        key: &str,
        upload: &UploadId,
    ) -> Result<Option<Vec<Part>>, S3Error> {
        match self.parts_with_checksums(key, upload).await {
            Ok(parts) => Ok(Some(parts.into_iter().map(|listed| listed.part).collect())),
            Err(error) if error.kind() == S3ErrorKind::NoSuchUpload => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn parts_with_checksums(
        &self,
        key: &str,
        upload: &UploadId,
    ) -> Result<Vec<CompletedPart>, S3Error> {
        let mut parts = Vec::new();
        let mut after = None;
        loop {
            let mut request = S3Request::of_upload(S3Operation::ListParts, key, upload)?;
            if let Some(number) = after {
                request = request.with_query("part-number-marker", u16::to_string(&number));
            }
            let answer = self.answer(&request).await?;
            let (page, next) =
                read_parts(&answer.body).map_err(|error| request.error(unexpected(&error)))?;
            parts.extend(page);
            if next.is_none() {
                return Ok(parts);
            }
            if next <= after {
                return Err(request.error(standstill()));
            }
            after = next;
        }
    }
}

fn with_number(request: S3Request<'_>, number: u16) -> Result<S3Request<'_>, S3Error> {
    if (1..=MAX_PART_NUMBER).contains(&number) {
        return Ok(request.with_query("partNumber", number.to_string()));
    }
    let text = format!("{number} is no number of a part, which is from 1 to {MAX_PART_NUMBER}");
    Err(request.error(Problem::new(S3ErrorKind::Other, text)))
}
