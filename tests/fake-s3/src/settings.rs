//! The behaviour of the server as a whole.

/// The most objects, parts or uploads on one page of a listing, as in S3.
pub const DEFAULT_PAGE_ENTRIES: usize = 1000;

/// The least bytes of every part but the last, as in S3.
pub const DEFAULT_MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// The behaviour of the server, where stores differ from each other or tests want it to differ.
///
/// A running server takes new settings by [`FakeS3::configure`](crate::FakeS3::configure).
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The ETags of new objects and parts.
    pub tags: Tags,
    /// The most entries on one page of a listing, whatever more a client asks for.
    pub page_entries: usize,
    /// The least bytes of every part but the last, which `CompleteMultipartUpload` checks.
    pub min_part_bytes: u64,
    /// Ignores the conditions of every write and deletion, as some stores do.
    pub ignore_conditions: bool,
    /// Ignores the conditions of `CompleteMultipartUpload` alone, as some stores do.
    pub ignore_complete_conditions: bool,
    /// Serves requests without a signature, so that `curl` suffices.
    pub allow_anonymous: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            tags: Tags::Md5,
            page_entries: DEFAULT_PAGE_ENTRIES,
            min_part_bytes: DEFAULT_MIN_PART_BYTES,
            ignore_conditions: false,
            ignore_complete_conditions: false,
            allow_anonymous: false,
        }
    }
}

/// The kind of the ETags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    /// The MD5 of the content, as most stores have it.
    Md5,
    /// A number that is new with every write. It costs no time, and no client can mistake it for
    /// an MD5.
    Counter,
}

/// A key pair that the server accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The name of the key pair, `AWS_ACCESS_KEY_ID`.
    pub access_key: String,
    /// The secret that requests are signed with, `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: String,
}

impl Default for KeyPair {
    fn default() -> Self {
        Self { access_key: "fake-access-key".into(), secret_key: "fake-secret-key".into() }
    }
}
