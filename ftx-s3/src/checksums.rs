//! Checksums that the store compares with what it received.
//!
//! Stores differ in the checksums of uploads in parts:
//!
//! | store | the upload is created with an algorithm | without one |
//! | --- | --- | --- |
//! | AWS | takes them | refuses those of parts |
//! | MinIO | cannot copy parts into the upload | takes them |
//! | Ceph | cannot join copied parts | takes them |
//!
//! So AWS is told the algorithm, of the type whose completion need not repeat the checksums, and the
//! others are not. A store that refuses checksums is sent none from then on.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::FailedRequest;
use crate::operation::S3Operation;
use crate::request::S3Request;

const CRC32_HEADER: &str = "x-amz-checksum-crc32";

/// The checksums that the store of a bucket takes.
#[derive(Debug)]
pub(crate) struct Checksums {
    /// Uploads are created with an algorithm.
    is_announced: bool,
    refused_for_objects: AtomicBool,
    refused_for_parts: AtomicBool,
}

impl Checksums {
    pub(crate) fn new(is_aws: bool) -> Self {
        Self {
            is_announced: is_aws,
            refused_for_objects: AtomicBool::new(false),
            refused_for_parts: AtomicBool::new(false),
        }
    }

    /// Announces the checksums of an upload's parts.
    pub(crate) fn announce<'a>(&self, request: S3Request<'a>) -> S3Request<'a> {
        if !self.is_announced {
            return request;
        }
        let request = request.with_header("x-amz-checksum-algorithm", "CRC32");
        request.with_header("x-amz-checksum-type", "FULL_OBJECT")
    }

    /// Adds the checksum of the body.
    pub(crate) fn add<'a>(&self, request: S3Request<'a>) -> S3Request<'a> {
        if self.refused(request.operation).load(Ordering::Relaxed) {
            return request;
        }
        let sum = base64_of_word(crc32fast::hash(&request.body));
        request.with_header(CRC32_HEADER, sum)
    }

    /// Removes the checksum if the store has refused the request because of it. Returns whether the
    /// request is another one now.
    pub(crate) fn drop_if_refused(
        &self,
        request: &mut S3Request<'_>,
        failed: &FailedRequest,
    ) -> bool {
        let is_refused = failed.complaint().is_some_and(|complaint| {
            matches!(complaint.code(), "InvalidRequest" | "InvalidArgument" | "NotImplemented")
                && complaint.mentions("checksum")
        });
        if !is_refused || !request.remove_header(CRC32_HEADER) {
            return false;
        }
        self.refused(request.operation).store(true, Ordering::Relaxed);
        true
    }

    fn refused(&self, operation: S3Operation) -> &AtomicBool {
        match operation {
            S3Operation::UploadPart => &self.refused_for_parts,
            _ => &self.refused_for_objects,
        }
    }
}

/// Whether a completion may have been refused because it lacks the checksums of the parts.
pub(crate) fn may_want_part_checksums(failed: &FailedRequest) -> bool {
    failed.complaint().is_some_and(|complaint| {
        // AWS names the checksums. MinIO says the same of a part that does not exist.
        complaint.code() == "InvalidPart"
            || (complaint.code() == "InvalidRequest" && complaint.mentions("checksum"))
    })
}

/// Encodes four bytes, the most significant first.
fn base64_of_word(word: u32) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // 32 bits are six digits of six bits with four bits of zero behind them.
    let bits = u64::from(word) << 4;
    let digit = |place: u32| {
        let index = usize::try_from((bits >> (6 * place)) & 63).unwrap_or_default();
        char::from(DIGITS.get(index).copied().unwrap_or_default())
    };
    (0..6).rev().map(digit).chain(['=', '=']).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::error::Complaint;

    #[test]
    fn words_are_encoded() {
        for (word, text) in [
            (0, "AAAAAA=="),
            (u32::MAX, "/////w=="),
            (0x0102_0304, "AQIDBA=="),
            // The checksum of "123456789".
            (0xcbf4_3926, "y/Q5Jg=="),
        ] {
            assert_eq!(base64_of_word(word), text);
        }
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
    }

    fn part() -> S3Request<'static> {
        let request = S3Request::of_object(S3Operation::UploadPart, "k").unwrap();
        request.with_body(Bytes::from_static(b"123456789"))
    }

    fn refused(code: &str, message: &str) -> FailedRequest {
        let complaint = Complaint {
            status: 400,
            code: Some(code.into()),
            message: Some(message.into()),
            ..Complaint::default()
        };
        FailedRequest::refused(complaint, None)
    }

    #[test]
    fn a_store_that_refuses_them_gets_no_more() {
        let checksums = Checksums::new(false);
        let mut request = checksums.add(part());
        let mismatch = "Checksum Type mismatch occurred, expected checksum Type: null";
        assert!(!checksums.drop_if_refused(&mut request, &refused("BadDigest", mismatch)));
        assert!(!checksums.drop_if_refused(&mut request, &refused("InvalidRequest", "No.")));
        assert!(checksums.drop_if_refused(&mut request, &refused("InvalidRequest", mismatch)));
        assert!(!request.remove_header(CRC32_HEADER));
        assert!(!checksums.drop_if_refused(&mut request, &refused("InvalidRequest", mismatch)));
        assert!(!checksums.add(part()).remove_header(CRC32_HEADER));
        let object = S3Request::of_object(S3Operation::PutObject, "k").unwrap();
        assert!(checksums.add(object).remove_header(CRC32_HEADER));
    }

    #[test]
    fn aws_alone_is_told_the_algorithm() {
        let create = || S3Request::of_object(S3Operation::CreateMultipartUpload, "k").unwrap();
        let mut announced = Checksums::new(true).announce(create());
        assert!(announced.remove_header("x-amz-checksum-algorithm"));
        assert!(announced.remove_header("x-amz-checksum-type"));
        assert!(
            !Checksums::new(false).announce(create()).remove_header("x-amz-checksum-algorithm")
        );
    }

    #[test]
    fn completions_that_lack_checksums_are_known() {
        let aws = "The upload was created using a crc32 checksum. The complete request must include \
                   the checksum for each part.";
        assert!(may_want_part_checksums(&refused("InvalidRequest", aws)));
        assert!(may_want_part_checksums(&refused("InvalidPart", "One part could not be found.")));
        assert!(!may_want_part_checksums(&refused("InvalidRequest", "Something else.")));
    }
}
