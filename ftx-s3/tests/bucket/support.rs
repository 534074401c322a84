//! A server, and a client of it.

use std::time::Duration;

use bytes::Bytes;
use ftx_fake_s3::{FakeS3, Operation, Rule, S3Fault, StoreSettings, StrikePoint};
use ftx_s3::{
    Bucket, BucketConfig, Condition, CredentialSource, ETag, Part, RetryPolicy, S3Credentials,
    S3Error, UploadId,
};

/// The least bytes of every part but the last at the server of the tests.
pub(crate) const PART_BYTES: usize = 1000;

pub(crate) fn config(s3: &FakeS3) -> BucketConfig {
    let keys = s3.credentials();
    let credentials = S3Credentials::new(keys.access_key.clone(), keys.secret_key.clone(), None);
    BucketConfig {
        endpoint: Some(s3.endpoint().parse().unwrap()),
        credentials: CredentialSource::Fixed(credentials),
        retry: RetryPolicy {
            first_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(10),
            ..RetryPolicy::default()
        },
        ..BucketConfig::new(s3.bucket())
    }
}

pub(crate) async fn start() -> (FakeS3, Bucket) {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut StoreSettings)) -> (FakeS3, Bucket) {
    let mut settings =
        StoreSettings { min_part_bytes: PART_BYTES as u64, ..StoreSettings::default() };
    change(&mut settings);
    let s3 = FakeS3::start_with(settings).await;
    let bucket = Bucket::connect(config(&s3)).unwrap();
    (s3, bucket)
}

pub(crate) fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Bytes that differ from place to place.
pub(crate) fn content(len: usize) -> Bytes {
    (0..=250).cycle().take(len).collect()
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) async fn put(bucket: &Bucket, key: &str, text: &'static str) -> ETag {
    bucket.put(key, bytes(text), &[], Condition::Always).await.unwrap()
}

pub(crate) async fn put_if(
    bucket: &Bucket,
    text: &'static str,
    condition: Condition,
) -> Result<ETag, S3Error> {
    bucket.put("k", bytes(text), &[], condition).await
}

/// An upload of `k` with two parts.
pub(crate) async fn upload(bucket: &Bucket) -> (UploadId, Vec<Part>) {
    let id = bucket.create_upload("k", &[]).await.unwrap();
    let mut parts = Vec::new();
    for (number, len) in [(1, PART_BYTES), (2, 10)] {
        let tag = bucket.upload_part("k", &id, number, content(len)).await.unwrap();
        parts.push(Part { number, tag, size: len as u64 });
    }
    (id, parts)
}

pub(crate) fn lose(operation: Operation, point: StrikePoint) -> Rule {
    Rule::new(operation, S3Fault::LoseAnswer(point))
}

/// Waits until something is so.
pub(crate) async fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}
