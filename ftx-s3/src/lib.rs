//! Client of the buckets of S3-compatible object stores.
//!
//! [`Bucket`] has the operations. They are signed, limited in time and number, and repeated after
//! failures that may pass:
//!
//! | operation | repeated after a failure |
//! | --- | --- |
//! | [`get_range`](Bucket::get_range) | always, from the byte where it broke off, out of the same version |
//! | [`put`](Bucket::put) with a condition | always; the client knows its own object again if an answer was lost |
//! | [`complete`](Bucket::complete) | only if it surely had no effect |
//! | all others | always: a second effect is the same as one |
//!
//! ```text
//! Bucket ── S3Request ── sign ─▶ HttpClient ─▶ Exchange ─▶ XmlElement ─▶ value
//!    │                                │
//!    └─ RequestRetries ◀── FailedRequest ◀───┴── Complaint
//! ```
//!
//! Stores differ. The client takes what AWS, MinIO, Ceph and their likes send, and [`ETag`]s as opaque.
//! Whether a store keeps conditions is not visible here: one that ignores them answers with success.
#![forbid(unsafe_code)]

mod actions;
mod bucket;
mod checksums;
mod config;
mod credentials;
mod error;
mod operation;
mod request;
mod retry;
#[cfg(test)]
mod test_server;
mod time;
mod transport;
mod types;
mod xml;

pub use self::actions::{MAX_PART_NUMBER, RangeBody};
pub use self::bucket::Bucket;
pub use self::config::BucketConfig;
pub use self::credentials::{CredentialSource, INSTANCE_METADATA, S3Credentials};
pub use self::error::{S3Error, S3ErrorKind};
pub use self::retry::RetryPolicy;
pub use self::types::{
    Aborted, Condition, CopySource, ETag, ListObjects, ListedObject, ObjectHead, ObjectPage, Part,
    PendingUpload, UploadId,
};
