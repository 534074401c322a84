//! Parts of objects, and how they go on after faults.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use ftx_fake_s3::{FakeS3, Operation, Rule, S3Fault, StrikePoint};
use ftx_s3::{Bucket, Condition, ETag, S3Error, S3ErrorKind};

use crate::support::{content, lose, start, wait_until};

const LEN: usize = 3_000_000;

async fn start_with_object() -> (FakeS3, Bucket, ETag) {
    let (s3, bucket) = start().await;
    let tag = bucket.put("k", content(LEN), &[], Condition::Always).await.unwrap();
    (s3, bucket, tag)
}

async fn read(bucket: &Bucket, range: Range<u64>, tag: &ETag) -> Result<Bytes, S3Error> {
    let mut body = bucket.get_range("k", range, tag).await?;
    let mut all = BytesMut::new();
    while let Some(bytes) = body.next().await? {
        assert!(!bytes.is_empty());
        all.extend_from_slice(&bytes);
    }
    assert_eq!(body.remaining(), 0);
    assert_eq!(body.next().await?, None);
    Ok(all.freeze())
}

#[tokio::test]
async fn any_range_is_read() {
    let (s3, bucket, tag) = start_with_object().await;
    let len = LEN as u64;
    for range in [0..len, 0..1, len - 1..len, 1000..2_000_000, 7..7] {
        let found = read(&bucket, range.clone(), &tag).await.unwrap();
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
        let expected = content(LEN).slice(start..end);
        assert_eq!(found, expected, "{range:?}");
    }
    // The empty one needs no request.
    assert_eq!(s3.count(Operation::GetObject), 4);
    assert_eq!(s3.accepted_connections(), 1);
}

#[tokio::test]
async fn the_version_must_be_the_right_one() {
    let (s3, bucket, tag) = start_with_object().await;
    let error = read(&bucket, 0..10, &ETag::new("other")).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    s3.remove("k");
    let error = read(&bucket, 0..10, &tag).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::NotFound);
}

#[tokio::test]
async fn a_range_beyond_the_end_is_an_error() {
    let (_s3, bucket, tag) = start_with_object().await;
    let len = LEN as u64;
    // Stores send the bytes that there are, or none.
    let error = read(&bucket, 0..len + 1, &tag).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Protocol);
    assert!(read(&bucket, len..len + 1, &tag).await.is_err());
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_on_where_it_ended() {
    let (s3, bucket, tag) = start_with_object().await;
    for after_bytes in [0, 1, 500_000] {
        let rule = Rule::new(Operation::GetObject, S3Fault::TruncateBody { after_bytes }).first(3);
        let truncated = s3.fault(rule);
        let before = s3.bytes_out();
        assert_eq!(read(&bucket, 0..LEN as u64, &tag).await.unwrap(), content(LEN));
        assert_eq!(truncated.hits(), 3);
        assert!(s3.bytes_out() - before < LEN as u64 + 10_000);
        s3.clear_faults();
    }
}

#[tokio::test]
async fn progress_renews_the_attempts() {
    let (s3, bucket, tag) = start_with_object().await;
    let broken =
        s3.fault(Rule::new(Operation::GetObject, S3Fault::TruncateBody { after_bytes: 100_000 }));
    assert_eq!(read(&bucket, 0..LEN as u64, &tag).await.unwrap(), content(LEN));
    assert_eq!(broken.hits(), 30);
}

#[tokio::test]
async fn attempts_without_progress_are_limited() {
    let (s3, bucket, tag) = start_with_object().await;
    let mut body = bucket.get_range("k", 0..LEN as u64, &tag).await.unwrap();
    assert!(body.next().await.unwrap().is_some());
    drop(body);
    let broken =
        s3.fault(Rule::new(Operation::GetObject, S3Fault::TruncateBody { after_bytes: 0 }));
    let error = read(&bucket, 0..LEN as u64, &tag).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Unavailable);
    assert_eq!(broken.hits(), 6);
}

#[tokio::test]
async fn an_object_that_changes_in_between_ends_the_body() {
    let (s3, bucket, tag) = start_with_object().await;
    for is_removed in [false, true] {
        s3.put("k", content(LEN));
        let fault = S3Fault::TruncateBody { after_bytes: 100_000 };
        s3.fault(Rule::new(Operation::GetObject, fault).once());
        let mut body = bucket.get_range("k", 0..LEN as u64, &tag).await.unwrap();
        while body.remaining() > LEN as u64 - 100_000 {
            assert!(body.next().await.unwrap().is_some());
        }
        let expected = if is_removed {
            s3.remove("k");
            S3ErrorKind::NotFound
        } else {
            s3.put("k", "other");
            S3ErrorKind::PreconditionFailed
        };
        assert_eq!(body.next().await.unwrap_err().kind(), expected);
        s3.clear_faults();
    }
}

#[tokio::test]
async fn faults_before_the_first_byte_are_repeated() {
    let (s3, bucket, tag) = start_with_object().await;
    let get = Operation::GetObject;
    s3.fault(lose(get, StrikePoint::Before).once());
    s3.fault(Rule::new(get, S3Fault::refuse(500, "InternalError")).nth(2));
    s3.fault(Rule::new(get, S3Fault::slow_down(0)).nth(3));
    assert_eq!(read(&bucket, 5..10, &tag).await.unwrap(), content(LEN).slice(5..10));
    assert_eq!(s3.count(get), 4);
}

#[tokio::test]
async fn a_dropped_body_ends_its_request() {
    let (s3, bucket, tag) = start_with_object().await;
    let mut body = bucket.get_range("k", 0..LEN as u64, &tag).await.unwrap();
    assert!(body.next().await.unwrap().is_some());
    drop(body);
    wait_until(|| s3.open_connections() == 0).await;
    assert!(s3.bytes_out() < LEN as u64 + 10_000);
}

#[tokio::test]
async fn a_call_that_is_cancelled_loses_nothing() {
    let (s3, bucket, tag) = start_with_object().await;
    let slow = S3Fault::SlowBody { chunk_bytes: 1000, pause: std::time::Duration::from_millis(1) };
    s3.fault(Rule::new(Operation::GetObject, slow));
    let mut body = bucket.get_range("k", 0..20_000, &tag).await.unwrap();
    let mut all = BytesMut::new();
    loop {
        // The shortest of timers is over at once.
        tokio::select! {
            biased;
            bytes = body.next() => match bytes.unwrap() {
                Some(bytes) => all.extend_from_slice(&bytes),
                None => break,
            },
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(all, content(20_000));
}
