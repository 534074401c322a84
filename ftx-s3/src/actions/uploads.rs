//! The beginning and the end of an upload in parts. Its success is in `completion`.

use crate::bucket::{Bucket, unexpected};
use crate::error::{S3Error, S3ErrorKind};
use crate::operation::S3Operation;
use crate::request::S3Request;
use crate::retry::Repeat;
use crate::types::{Aborted, UploadId};
use crate::xml::read_created_upload;

impl Bucket {
    /// Begins an upload in parts. An attempt that loses its answer leaves an upload that nobody knows;
    /// [`list_uploads`](Self::list_uploads) finds it.
    ///
    /// # Errors
    /// See [`S3ErrorKind`].
    pub async fn create_upload(
        &self,
        key: &str,
        metadata: &[(String, String)],
    ) -> Result<UploadId, S3Error> {
        let request = S3Request::of_object(S3Operation::CreateMultipartUpload, key)?
            .with_query("uploads", "")
            .with_metadata(metadata)?;
        let request = self.checksums().announce(request);
        let answer = self.answer(&request).await?;
        read_created_upload(&answer.body).map_err(|error| request.error(unexpected(&error)))
    }

    /// Ends an upload without an object, and deletes its parts. Parts that are still on their way may
    /// arrive nevertheless, so that a store wants it to be repeated after them.
    ///
    /// # Errors
    /// See [`S3ErrorKind`].
    pub async fn abort(&self, key: &str, upload: &UploadId) -> Result<Aborted, S3Error> {
        let request = S3Request::of_upload(S3Operation::AbortMultipartUpload, key, upload)?;
        let mut retries = self.retries(&request, Repeat::Always);
        loop {
            match self.attempt(&request).await {
                Ok(_) => return Ok(Aborted::Yes),
                Err(failed) if failed.kind() == S3ErrorKind::NoSuchUpload => {
                    // An earlier attempt may have done it.
                    let is_own = retries.is_ambiguous();
                    return Ok(if is_own { Aborted::Yes } else { Aborted::NoSuchUpload });
                }
                Err(failed) => retries.after(failed).await?,
            }
        }
    }
}
