//! ETags, and the checksums that clients send along.

use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, PutObjectInput, UploadPartInput};
use s3s::{S3Error, S3Result, TrailingHeaders, s3_error};

use crate::content::ObjectContent;
use crate::encoding::base64;
use crate::settings::Tags;

/// A content up to this length is hashed at once, since handing it to another thread takes longer.
const MAX_INLINE_BYTES: usize = 64 << 10;

/// The bytes that all hashers take in turn, which fit into the cache of a processor.
const HASHED_AT_ONCE_BYTES: usize = 64 << 10;

/// The checksums that a client says its body has, in Base64.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    md5: Option<String>,
    sums: Checksum,
}

impl Claims {
    /// Takes the checksums of the trailers, which are known once the body has been read.
    pub(crate) fn add_trailers(&mut self, trailers: Option<&TrailingHeaders>) {
        let sums = &mut self.sums;
        for (name, sum) in [
            ("x-amz-checksum-crc32", &mut sums.checksum_crc32),
            ("x-amz-checksum-crc32c", &mut sums.checksum_crc32c),
            ("x-amz-checksum-crc64nvme", &mut sums.checksum_crc64nvme),
            ("x-amz-checksum-sha1", &mut sums.checksum_sha1),
            ("x-amz-checksum-sha256", &mut sums.checksum_sha256),
        ] {
            let trailer = trailers.and_then(|trailers| {
                trailers.read(|headers| Some(headers.get(name)?.to_str().ok()?.trim().to_owned()))
            });
            if let Some(Some(trailer)) = trailer {
                *sum = Some(trailer);
            }
        }
    }

    /// Returns the checksums, which the response to an upload repeats.
    pub(crate) fn sums(&self) -> Checksum {
        self.sums.clone()
    }
}

macro_rules! claims_of {
    ($($input:ty),*) => {$(
        impl From<&$input> for Claims {
            fn from(input: &$input) -> Self {
                let sums = Checksum {
                    checksum_crc32: input.checksum_crc32.clone(),
                    checksum_crc32c: input.checksum_crc32c.clone(),
                    checksum_crc64nvme: input.checksum_crc64nvme.clone(),
                    checksum_sha1: input.checksum_sha1.clone(),
                    checksum_sha256: input.checksum_sha256.clone(),
                    checksum_type: None,
                };
                Self { md5: input.content_md5.clone(), sums }
            }
        }
    )*};
}

claims_of!(PutObjectInput, UploadPartInput);

/// Compares a content with the checksums that a client claims, and returns its MD5 where ETags
/// need it.
pub(crate) async fn verify(
    content: &ObjectContent,
    claims: &Claims,
    tags: Tags,
) -> S3Result<Option<Vec<u8>>> {
    if content.len() <= MAX_INLINE_BYTES {
        return verify_now(content, claims, tags);
    }
    let (content, claims) = (content.clone(), claims.clone());
    tokio::task::spawn_blocking(move || verify_now(&content, &claims, tags))
        .await
        .map_err(S3Error::internal_error)?
}

/// The work of [`verify`], for callers outside a runtime.
pub(crate) fn verify_now(
    content: &ObjectContent,
    claims: &Claims,
    tags: Tags,
) -> S3Result<Option<Vec<u8>>> {
    let sums = &claims.sums;
    let mut md5 = (tags == Tags::Md5 || claims.md5.is_some()).then(Md5::new);
    let mut crc32 = sums.checksum_crc32.is_some().then(crc32fast::Hasher::new);
    let mut others = ChecksumHasher {
        crc32: None,
        crc32c: sums.checksum_crc32c.is_some().then(Crc32c::new),
        sha1: sums.checksum_sha1.is_some().then(Sha1::new),
        sha256: sums.checksum_sha256.is_some().then(Sha256::new),
        crc64nvme: sums.checksum_crc64nvme.is_some().then(Crc64Nvme::new),
    };
    for block in content.pieces().flat_map(|piece| piece.chunks(HASHED_AT_ONCE_BYTES)) {
        if let Some(md5) = &mut md5 {
            md5.update(block);
        }
        if let Some(crc32) = &mut crc32 {
            crc32.update(block);
        }
        others.update(block);
    }
    let md5 = md5.map(|md5| md5.finalize().to_vec());
    let crc32 = crc32.map(|crc32| base64(&crc32.finalize().to_be_bytes()));
    let actual = Checksum { checksum_crc32: crc32, ..others.finalize() };
    if claims.md5.as_ref().is_some_and(|claim| Some(claim) != md5.as_deref().map(base64).as_ref()) {
        return Err(s3_error!(BadDigest, "The ObjectContent-MD5 did not match the body."));
    }
    if actual != *sums {
        return Err(s3_error!(BadDigest, "A checksum did not match the body."));
    }
    Ok(md5)
}

/// Returns the ETag of an object that was uploaded in parts: the MD5 of the MD5s of its parts.
pub(crate) fn of_parts<'a>(tags: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = tags.len();
    let mut md5 = Md5::new();
    for tag in tags {
        md5.update(&hex::decode(tag).unwrap_or_else(|_| tag.as_bytes().to_vec()));
    }
    format!("{}-{count}", hex::encode(md5.finalize()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use s3s::S3ErrorCode;

    use super::*;

    fn claims(crc32: Option<&str>, md5: Option<&str>) -> Claims {
        let sums = Checksum { checksum_crc32: crc32.map(str::to_owned), ..Checksum::default() };
        Claims { md5: md5.map(str::to_owned), sums }
    }

    #[tokio::test]
    async fn claims_are_checked() {
        let content = ObjectContent::from(Bytes::from_static(b"123456789"));
        let right = claims(Some("y/Q5Jg=="), Some("JfnnlDI7RTiF9RgfG2JNCw=="));
        let md5 = verify(&content, &right, Tags::Counter).await.unwrap().unwrap();
        assert_eq!(hex::encode(md5), "25f9e794323b453885f5181f1b624d0b");
    }

    #[tokio::test]
    async fn wrong_claims_are_bad_digests() {
        let content = ObjectContent::from(Bytes::from(vec![7; MAX_INLINE_BYTES + 1]));
        for wrong in [claims(Some("AAAAAA=="), None), claims(None, Some("AAAA"))] {
            let error = verify(&content, &wrong, Tags::Counter).await.unwrap_err();
            assert_eq!(error.code(), &S3ErrorCode::BadDigest);
        }
        let none = claims(None, None);
        assert_eq!(verify(&content, &none, Tags::Counter).await.unwrap(), None);
    }

    #[test]
    fn the_tag_of_parts_counts_them() {
        let part = "25f9e794323b453885f5181f1b624d0b";
        let tag = of_parts([part, part].into_iter());
        assert!(tag.ends_with("-2") && tag.len() == 34, "{tag}");
        assert_ne!(tag, of_parts([part, "25f9e794323b453885f5181f1b624d0c"].into_iter()));
    }
}
