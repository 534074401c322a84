//! An S3-compatible server in memory, with faults on command, for tests.
//!
//! - [`FakeS3`] is a running server: it starts on a port of its own, and ends when it is dropped.
//! - [`Rule`]s say which requests are struck by which [`S3Fault`]. A [`FaultHandle`] counts them, and
//!   lets a test meet a request that is held.
//! - [`StoreSettings`] are the differences between stores: whether conditions count, how long pages are.
//! - [`FakeS3::objects`] and [`FakeS3::pending_uploads`] show the contents; [`FakeS3::put`] and
//!   [`FakeS3::remove`] change them as another tool would.
//!
//! The program `fake-s3` is the same server for scripts; it takes rules in lines on its standard
//! input.
//!
//! ```no_run
//! # async fn example() {
//! use ftx_fake_s3::{FakeS3, S3Fault, StrikePoint, Operation, Rule};
//!
//! let s3 = FakeS3::start().await;
//! let hold = S3Fault::Hold(StrikePoint::After);
//! let held = s3.fault(Rule::new(Operation::CompleteMultipartUpload, hold).once());
//! // A client at `s3.endpoint()` completes an upload in the meantime.
//! held.held().await;
//! assert_eq!(s3.objects().len(), 1);
//! held.release();
//! # }
//! ```
#![forbid(unsafe_code)]

mod command;
mod connection;
mod content;
mod digest;
mod encoding;
mod fake;
mod fault;
mod faulty_body;
mod inspection;
mod listing;
mod objects;
mod operation;
mod rules;
mod server;
mod service;
mod settings;
mod store;
mod uploads;

pub use fake::{FakeS3, Launch};
pub use fault::{Occurrence, Rule, S3Fault, StrikePoint};
pub use inspection::{StoredObject, StoredPart, StoredUpload};
pub use operation::Operation;
pub use rules::FaultHandle;
pub use settings::{DEFAULT_MIN_PART_BYTES, DEFAULT_PAGE_ENTRIES, KeyPair, StoreSettings, Tags};
