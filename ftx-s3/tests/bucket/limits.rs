//! Limits of time and number.

use std::time::{Duration, Instant};

use ftx_fake_s3::{Operation, Rule, S3Fault, StrikePoint};
use ftx_s3::{Bucket, BucketConfig, Condition, ListObjects, RetryPolicy, S3ErrorKind};

use crate::support::{config, content, put, start, wait_until};

/// A silence that the server does not reach by itself.
const SILENCE: Duration = Duration::from_millis(400);

#[tokio::test]
async fn requests_under_way_are_limited() {
    let (s3, _) = start().await;
    let bucket = Bucket::connect(BucketConfig { max_requests: 3, ..config(&s3) }).unwrap();
    let held = s3.fault(Rule::any(S3Fault::Hold(StrikePoint::Before)));
    let requests: Vec<_> = (0..10)
        .map(|number| {
            let bucket = bucket.clone();
            tokio::spawn(async move { bucket.head(&format!("k{number}")).await })
        })
        .collect();
    held.held_count(3).await;
    for done in 1..=7 {
        held.release_one();
        wait_until(|| s3.count(Operation::HeadObject) == 3 + done).await;
        assert!(held.held_now() <= 3);
    }
    held.release();
    for request in requests {
        request.await.unwrap().unwrap();
    }
    assert_eq!(s3.count(Operation::HeadObject), 10);
    assert!(s3.accepted_connections() <= 3);
}

#[tokio::test]
async fn a_body_that_is_being_read_leaves_room_for_requests() {
    let (s3, _) = start().await;
    let bucket = Bucket::connect(BucketConfig { max_requests: 1, ..config(&s3) }).unwrap();
    let tag = bucket.put("k", content(5_000_000), &[], Condition::Always).await.unwrap();
    let mut body = bucket.get_range("k", 0..5_000_000, &tag).await.unwrap();
    put(&bucket, "l", "x").await;
    let other = tokio::spawn({
        let (bucket, tag) = (bucket.clone(), tag.clone());
        async move { bucket.get_range("k", 0..1, &tag).await.map(|body| body.remaining()) }
    });
    // It waits for the place of the first body.
    tokio::task::yield_now().await;
    assert_eq!(s3.count(Operation::GetObject), 1);
    while body.next().await.unwrap().is_some() {}
    assert_eq!(other.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_pause_between_attempts_leaves_room_for_others() {
    let (s3, _) = start().await;
    let bucket = Bucket::connect(BucketConfig { max_requests: 1, ..config(&s3) }).unwrap();
    s3.fault(Rule::new(Operation::PutObject, S3Fault::slow_down(1)).key("slow").once());
    let slow = tokio::spawn({
        let bucket = bucket.clone();
        async move { put(&bucket, "slow", "x").await }
    });
    wait_until(|| s3.count(Operation::PutObject) == 1).await;
    let begin = Instant::now();
    put(&bucket, "other", "x").await;
    assert!(begin.elapsed() < Duration::from_secs(1));
    slow.await.unwrap();
}

#[tokio::test]
async fn a_silent_store_has_failed() {
    let (s3, _) = start().await;
    let retry = RetryPolicy { attempts: 2, ..config(&s3).retry };
    let config = BucketConfig { silence_timeout: SILENCE, retry, ..config(&s3) };
    let bucket = Bucket::connect(config).unwrap();
    let held = s3.fault(Rule::any(S3Fault::Hold(StrikePoint::Before)));
    let begin = Instant::now();
    let error = bucket.list(ListObjects::default()).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Unavailable);
    assert!(error.to_string().contains("no byte went to or from the store"), "{error}");
    assert!(begin.elapsed() >= 2 * SILENCE);
    assert_eq!(held.hits(), 2);
    held.release();
    wait_until(|| s3.open_connections() == 0).await;
}

#[tokio::test]
async fn a_slow_store_is_waited_for() {
    let (s3, _) = start().await;
    let config = BucketConfig { silence_timeout: SILENCE, ..config(&s3) };
    let bucket = Bucket::connect(config).unwrap();
    let (chunk_bytes, pause) = (1000, SILENCE / 8);
    s3.put("k", content(10_000));
    s3.fault(Rule::new(Operation::GetObject, S3Fault::SlowBody { chunk_bytes, pause }));
    let begin = Instant::now();
    assert_eq!(bucket.get("k", 10_000).await.unwrap().unwrap().1, content(10_000));
    assert!(begin.elapsed() > SILENCE);
    assert_eq!(s3.count(Operation::GetObject), 1);
}

#[tokio::test]
async fn a_dropped_request_ends() {
    let (s3, bucket) = start().await;
    let held = s3.fault(Rule::any(S3Fault::Hold(StrikePoint::Before)));
    let request = tokio::spawn({
        let bucket = bucket.clone();
        async move { bucket.head("k").await }
    });
    held.held().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    wait_until(|| s3.open_connections() == 0).await;
    held.release();
}

#[test]
fn futures_may_be_sent_to_other_threads() {
    fn is_send<T: Send>(_: &T) {}
    let config = BucketConfig {
        endpoint: Some("http://127.0.0.1:9".parse().unwrap()),
        ..BucketConfig::new("files")
    };
    // A client is prepared outside of any runtime too.
    let bucket = Bucket::connect(config).unwrap();
    is_send(&bucket.put("k", content(1), &[], Condition::IfAbsent));
    is_send(&bucket.get("k", 1));
    is_send(&bucket.list_uploads(""));
    let (tag, id) = (ftx_s3::ETag::new("x"), ftx_s3::UploadId::new("u"));
    is_send(&async { bucket.get_range("k", 0..1, &tag).await.unwrap().next().await });
    is_send(&bucket.complete("k", &id, &[], Condition::Always));
    is_send(&bucket.delete("k", Condition::Always));
    is_send(&bucket.abort("k", &id));
}
