//! Which failures are repeated.

use std::time::{Duration, Instant};

use ftx_fake_s3::{Operation, Rule, S3Fault, StrikePoint};
use ftx_s3::{
    Aborted, Bucket, BucketConfig, Condition, CopySource, ListObjects, RetryPolicy, S3ErrorKind,
};

use crate::support::{bytes, config, content, lose, put, start, upload};

/// Runs every operation that may always be repeated, and lets the first attempts of each fail.
async fn repeat_everything(fault: &S3Fault, failures: u64) {
    let (s3, bucket) = start().await;
    let tag = put(&bucket, "source", "some content").await;
    let mut handles = Vec::new();
    for operation in [
        Operation::PutObject,
        Operation::HeadObject,
        Operation::GetObject,
        Operation::DeleteObject,
        Operation::ListObjectsV2,
        Operation::CreateMultipartUpload,
        Operation::UploadPart,
        Operation::UploadPartCopy,
        Operation::ListParts,
        Operation::ListMultipartUploads,
        Operation::AbortMultipartUpload,
    ] {
        handles.push((operation, s3.fault(Rule::new(operation, fault.clone()).first(failures))));
    }
    put(&bucket, "k", "content").await;
    assert!(bucket.head("k").await.unwrap().is_some());
    assert_eq!(bucket.get("k", 10).await.unwrap().unwrap().1, "content");
    bucket.delete("k", Condition::Always).await.unwrap();
    assert_eq!(bucket.list(ListObjects::default()).await.unwrap().objects.len(), 1);
    let id = bucket.create_upload("k", &[]).await.unwrap();
    bucket.upload_part("k", &id, 1, content(2000)).await.unwrap();
    let source = CopySource { key: "source".into(), tag, range: 0..4 };
    bucket.copy_part("k", &id, 2, source).await.unwrap();
    assert_eq!(bucket.list_parts("k", &id).await.unwrap().unwrap().len(), 2);
    assert!(bucket.list_uploads("").await.unwrap().iter().any(|upload| upload.id == id));
    // An earlier attempt may have done it.
    assert_eq!(bucket.abort("k", &id).await.unwrap(), Aborted::Yes);
    for (operation, handle) in handles {
        assert_eq!(handle.hits(), failures, "{operation} {fault:?}");
    }
}

#[tokio::test]
async fn failures_that_may_pass_are_repeated() {
    for fault in [
        S3Fault::refuse(500, "InternalError"),
        S3Fault::refuse(503, "ServiceUnavailable"),
        S3Fault::slow_down(0),
        S3Fault::refuse(429, "TooManyRequests"),
        S3Fault::fail_late(500, "InternalError"),
        S3Fault::LoseAnswer(StrikePoint::Before),
        S3Fault::LoseAnswer(StrikePoint::After),
    ] {
        repeat_everything(&fault, 2).await;
    }
}

#[tokio::test]
async fn bodies_that_the_store_did_not_get_whole_are_sent_again() {
    let (s3, bucket) = start().await;
    for (status, code) in [
        (400, "RequestTimeout"),
        (400, "IncompleteBody"),
        (400, "BadDigest"),
        (408, "RequestTimeout"),
    ] {
        let refused = s3.fault(Rule::any(S3Fault::refuse(status, code)).first(2));
        put(&bucket, "k", "x").await;
        assert_eq!(refused.hits(), 2, "{code}");
        refused.remove();
    }
}

#[tokio::test]
async fn failures_that_last_are_not_repeated() {
    let (s3, bucket) = start().await;
    for (status, code, kind) in [
        (400, "InvalidArgument", S3ErrorKind::Other),
        (403, "AccessDenied", S3ErrorKind::AccessDenied),
        (403, "RequestTimeTooSkewed", S3ErrorKind::BadCredentials),
        (403, "SignatureDoesNotMatch", S3ErrorKind::BadCredentials),
        (412, "PreconditionFailed", S3ErrorKind::PreconditionFailed),
        (400, "EntityTooLarge", S3ErrorKind::TooLarge),
        (501, "NotImplemented", S3ErrorKind::Other),
    ] {
        let refused = s3.fault(Rule::any(S3Fault::refuse(status, code)));
        let error = bucket.list(ListObjects::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{error}");
        assert!(error.request_id().unwrap().starts_with("FAKE"), "{error}");
        assert_eq!(refused.hits(), 1, "{code}");
        refused.remove();
    }
}

#[tokio::test]
async fn attempts_are_limited_and_counted() {
    let (s3, bucket) = start().await;
    let busy = s3.fault(Rule::any(S3Fault::refuse(503, "ServiceUnavailable")));
    let error = bucket.get("k", 10).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Unavailable);
    assert_eq!(busy.hits(), 6);
    assert!(error.to_string().contains("after 6 attempts"), "{error}");
    busy.remove();
    let mute = s3.fault(Rule::any(S3Fault::LoseAnswer(StrikePoint::Before)));
    let error = bucket.get("k", 10).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (S3ErrorKind::Unavailable, None));
    assert_eq!(mute.hits(), 6);
}

#[tokio::test]
async fn a_pause_that_the_store_asks_for_is_kept() {
    let (s3, bucket) = start().await;
    s3.fault(Rule::any(S3Fault::slow_down(1)).once());
    let begin = Instant::now();
    put(&bucket, "k", "x").await;
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_named() {
    let (s3, _) = start().await;
    let config = config(&s3);
    let address = s3.address();
    drop(s3);
    let retry = RetryPolicy { attempts: 3, ..config.retry };
    let bucket = Bucket::connect(BucketConfig { retry, ..config }).unwrap();
    let error = bucket.put("k", bytes("x"), &[], Condition::IfAbsent).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Unavailable);
    let expected = format!("PutObject of \"k\": cannot connect to {address}, after 3 attempts");
    assert_eq!(error.to_string(), expected);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("refused"), "{cause}");
}

#[tokio::test]
async fn bodies_that_break_off_on_their_way_are_sent_again() {
    let (s3, bucket) = start().await;
    let body = content(3_000_000);
    for operation in [Operation::PutObject, Operation::UploadPart] {
        s3.fault(Rule::new(operation, S3Fault::CutUpload { after_bytes: 1_000_000 }).first(2));
    }
    bucket.put("a", body.clone(), &[], Condition::IfAbsent).await.unwrap();
    assert_eq!(s3.object("a").unwrap().bytes(), body);
    let id = bucket.create_upload("b", &[]).await.unwrap();
    bucket.upload_part("b", &id, 1, body.clone()).await.unwrap();
    assert_eq!(s3.pending_uploads()[0].parts[0].size, 3_000_000);
}

#[tokio::test]
async fn bodies_that_break_off_on_their_way_back_are_read_again() {
    let (s3, bucket) = start().await;
    let body = content(1_000_000);
    s3.put("k", body.clone());
    let get = Rule::new(Operation::GetObject, S3Fault::TruncateBody { after_bytes: 500_000 });
    s3.fault(get.first(2));
    assert_eq!(bucket.get("k", 1_000_000).await.unwrap().unwrap().1, body);
    let list = Rule::new(Operation::ListObjectsV2, S3Fault::TruncateBody { after_bytes: 100 });
    s3.fault(list.first(2));
    assert_eq!(bucket.list(ListObjects::default()).await.unwrap().objects.len(), 1);
    let refusal =
        s3.fault(Rule::new(Operation::GetObject, S3Fault::TruncateBody { after_bytes: 9 }));
    // The status says enough.
    assert_eq!(bucket.get("absent", 10).await.unwrap(), None);
    assert_eq!(refusal.hits(), 1);
}

#[tokio::test]
async fn conflicts_of_conditional_writes_are_repeated() {
    let (s3, bucket) = start().await;
    let conflict = || S3Fault::refuse(409, "ConditionalRequestConflict");
    let handle = s3.fault(Rule::new(Operation::PutObject, conflict()).first(3));
    bucket.put("k", bytes("x"), &[], Condition::IfAbsent).await.unwrap();
    assert_eq!(handle.hits(), 3);
    let lasting = s3.fault(Rule::new(Operation::PutObject, conflict()));
    let error = bucket.put("l", bytes("x"), &[], Condition::IfAbsent).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Conflict);
    assert_eq!(lasting.hits(), 6);
}

#[tokio::test]
async fn a_completion_is_repeated_only_without_an_effect() {
    let (s3, bucket) = start().await;
    let (id, parts) = upload(&bucket).await;
    let complete = Operation::CompleteMultipartUpload;
    let busy = s3.fault(Rule::new(complete, S3Fault::slow_down(0)).first(2));
    bucket.complete("k", &id, &parts, Condition::Always).await.unwrap();
    assert_eq!(busy.hits(), 2);
    assert_eq!(s3.count(complete), 3);
    let (id, parts) = upload(&bucket).await;
    let conflict = S3Fault::refuse(409, "ConditionalRequestConflict");
    let conflict = s3.fault(Rule::new(complete, conflict));
    let error = bucket.complete("k", &id, &parts, Condition::Always).await.unwrap_err();
    // The parts would have to be sent again.
    assert_eq!((error.kind(), conflict.hits()), (S3ErrorKind::Conflict, 1));
}

#[tokio::test]
async fn a_deletion_that_lost_its_answer_is_done() {
    let (s3, bucket) = start().await;
    let tag = put(&bucket, "k", "x").await;
    s3.fault(lose(Operation::DeleteObject, StrikePoint::After).once());
    bucket.delete("k", Condition::IfMatch(tag)).await.unwrap();
    assert!(s3.keys().is_empty());
}
