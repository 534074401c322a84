//! The operations of S3 that the client uses.

use rusty_s3::Method;

/// An operation of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum S3Operation {
    /// The preparation of a client, before any request.
    Connect,
    HeadObject,
    GetObject,
    PutObject,
    DeleteObject,
    ListObjects,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    ListParts,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListMultipartUploads,
}

impl S3Operation {
    /// Returns the name in the S3 reference.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "the bucket",
            Self::HeadObject => "HeadObject",
            Self::GetObject => "GetObject",
            Self::PutObject => "PutObject",
            Self::DeleteObject => "DeleteObject",
            Self::ListObjects => "ListObjectsV2",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::ListParts => "ListParts",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::ListMultipartUploads => "ListMultipartUploads",
        }
    }

    /// Returns the method of its requests.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::HeadObject => Method::Head,
            Self::Connect
            | Self::GetObject
            | Self::ListObjects
            | Self::ListParts
            | Self::ListMultipartUploads => Method::Get,
            Self::PutObject | Self::UploadPart | Self::UploadPartCopy => Method::Put,
            Self::CreateMultipartUpload | Self::CompleteMultipartUpload => Method::Post,
            Self::DeleteObject | Self::AbortMultipartUpload => Method::Delete,
        }
    }

    /// Returns the right that a policy of the bucket must give for it.
    pub(crate) fn right(self) -> &'static str {
        match self {
            // Without the second, stores hide whether an object exists.
            Self::HeadObject | Self::GetObject => "s3:GetObject and s3:ListBucket",
            Self::PutObject
            | Self::CreateMultipartUpload
            | Self::UploadPart
            | Self::CompleteMultipartUpload => "s3:PutObject",
            Self::UploadPartCopy => "s3:GetObject and s3:PutObject",
            Self::DeleteObject => "s3:DeleteObject",
            Self::Connect | Self::ListObjects => "s3:ListBucket",
            Self::ListParts => "s3:ListMultipartUploadParts",
            Self::AbortMultipartUpload => "s3:AbortMultipartUpload",
            Self::ListMultipartUploads => "s3:ListBucketMultipartUploads",
        }
    }
}
