//! The operations of S3, and which of them a request is.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, Method, Uri};

use crate::encoding::decode_path;

/// An operation of S3. The names are those of the S3 reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the S3 reference describes the operations")]
pub enum Operation {
    CreateBucket,
    HeadBucket,
    ListBuckets,
    GetBucketLocation,
    PutObject,
    GetObject,
    HeadObject,
    DeleteObject,
    DeleteObjects,
    CopyObject,
    ListObjects,
    ListObjectsV2,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    ListParts,
    ListMultipartUploads,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    /// Everything else, which the server answers with `NotImplemented`.
    Other,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 20] = [
        Self::CreateBucket,
        Self::HeadBucket,
        Self::ListBuckets,
        Self::GetBucketLocation,
        Self::PutObject,
        Self::GetObject,
        Self::HeadObject,
        Self::DeleteObject,
        Self::DeleteObjects,
        Self::CopyObject,
        Self::ListObjects,
        Self::ListObjectsV2,
        Self::CreateMultipartUpload,
        Self::UploadPart,
        Self::UploadPartCopy,
        Self::ListParts,
        Self::ListMultipartUploads,
        Self::CompleteMultipartUpload,
        Self::AbortMultipartUpload,
        Self::Other,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.to_string() == name)
            .ok_or_else(|| format!("no such operation: {name}"))
    }
}

/// The operation of a request, and the key that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestTarget {
    pub(crate) operation: Operation,
    /// The key of an object, the prefix of a listing, or nothing.
    pub(crate) key: String,
}

impl RequestTarget {
    /// Reads the target from the head of a request in path style.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query = Query(uri.query().unwrap_or_default());
        if key.is_empty() {
            let operation = of_bucket(method, bucket, &query);
            return Self {
                operation,
                key: query.get("prefix").map_or_else(String::new, decode_path),
            };
        }
        let is_copy = headers.contains_key("x-amz-copy-source");
        Self { operation: of_object(method, &query, is_copy), key: decode_path(key) }
    }
}

fn of_bucket(method: &Method, bucket: &str, query: &Query<'_>) -> Operation {
    match *method {
        Method::GET if bucket.is_empty() => Operation::ListBuckets,
        Method::GET if query.has("uploads") => Operation::ListMultipartUploads,
        Method::GET if query.has("location") => Operation::GetBucketLocation,
        Method::GET if query.get("list-type") == Some("2") => Operation::ListObjectsV2,
        Method::GET if !query.has_subresource() => Operation::ListObjects,
        Method::HEAD => Operation::HeadBucket,
        Method::PUT if !query.has_subresource() => Operation::CreateBucket,
        Method::POST if query.has("delete") => Operation::DeleteObjects,
        _ => Operation::Other,
    }
}

fn of_object(method: &Method, query: &Query<'_>, is_copy: bool) -> Operation {
    if query.has_subresource() {
        return Operation::Other;
    }
    let of_upload = query.has("uploadId");
    match *method {
        Method::GET if of_upload => Operation::ListParts,
        Method::GET => Operation::GetObject,
        Method::HEAD => Operation::HeadObject,
        Method::PUT if of_upload && is_copy => Operation::UploadPartCopy,
        Method::PUT if of_upload => Operation::UploadPart,
        Method::PUT if is_copy => Operation::CopyObject,
        Method::PUT => Operation::PutObject,
        Method::POST if of_upload => Operation::CompleteMultipartUpload,
        Method::POST if query.has("uploads") => Operation::CreateMultipartUpload,
        Method::DELETE if of_upload => Operation::AbortMultipartUpload,
        Method::DELETE => Operation::DeleteObject,
        _ => Operation::Other,
    }
}

/// Parameters that turn a request into an operation that the server lacks.
const SUBRESOURCES: [&str; 13] = [
    "acl",
    "attributes",
    "cors",
    "encryption",
    "lifecycle",
    "object-lock",
    "publicAccessBlock",
    "legal-hold",
    "policy",
    "retention",
    "tagging",
    "versioning",
    "versions",
];

struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn has_subresource(&self) -> bool {
        SUBRESOURCES.iter().any(|name| self.has(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(method: Method, uri: &str, is_copy: bool) -> (Operation, String) {
        let mut headers = HeaderMap::new();
        if is_copy {
            headers.insert("x-amz-copy-source", "b/k".parse().unwrap());
        }
        let target = RequestTarget::of(&method, &uri.parse().unwrap(), &headers);
        (target.operation, target.key)
    }

    #[test]
    fn requests_are_told_apart() {
        use Operation as Op;
        for (method, uri, is_copy, operation, key) in [
            (Method::PUT, "/b", false, Op::CreateBucket, ""),
            (Method::HEAD, "/b/", false, Op::HeadBucket, ""),
            (Method::GET, "/", false, Op::ListBuckets, ""),
            (Method::GET, "/b?list-type=2&prefix=x%2Fy", false, Op::ListObjectsV2, "x/y"),
            (Method::GET, "/b?prefix=x", false, Op::ListObjects, "x"),
            (Method::GET, "/b?uploads", false, Op::ListMultipartUploads, ""),
            (Method::GET, "/b?versioning", false, Op::Other, ""),
            (Method::POST, "/b?delete", false, Op::DeleteObjects, ""),
            (Method::PUT, "/b/a%20b/c", false, Op::PutObject, "a b/c"),
            (Method::PUT, "/b/k", true, Op::CopyObject, "k"),
            (Method::PUT, "/b/k?partNumber=1&uploadId=u", false, Op::UploadPart, "k"),
            (Method::PUT, "/b/k?partNumber=1&uploadId=u", true, Op::UploadPartCopy, "k"),
            (Method::GET, "/b/k", false, Op::GetObject, "k"),
            (Method::GET, "/b/k?uploadId=u", false, Op::ListParts, "k"),
            (Method::HEAD, "/b/k", false, Op::HeadObject, "k"),
            (Method::DELETE, "/b/k", false, Op::DeleteObject, "k"),
            (Method::DELETE, "/b/k?uploadId=u", false, Op::AbortMultipartUpload, "k"),
            (Method::POST, "/b/k?uploads=", false, Op::CreateMultipartUpload, "k"),
            (Method::POST, "/b/k?uploadId=u", false, Op::CompleteMultipartUpload, "k"),
            (Method::PUT, "/b/k?tagging", false, Op::Other, "k"),
        ] {
            assert_eq!(target(method, uri, is_copy), (operation, key.to_owned()), "{uri}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for operation in Operation::ALL {
            assert_eq!(operation.to_string().parse(), Ok(operation));
        }
        assert!("Nonsense".parse::<Operation>().is_err());
    }
}
