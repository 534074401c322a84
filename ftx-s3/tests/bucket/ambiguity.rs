//! Requests whose effect is not known.

use ftx_fake_s3::{FakeS3, Operation, Rule, S3Fault, StrikePoint};
use ftx_s3::{Aborted, Bucket, Condition, ETag, Part, S3Error, S3ErrorKind, UploadId};

use crate::support::{lose, put, put_if, start, upload};

/// Faults that hide the effect of a request.
fn hiding_faults() -> [S3Fault; 4] {
    [
        S3Fault::LoseAnswer(StrikePoint::After),
        S3Fault::fail_late(500, "InternalError"),
        S3Fault::fail_late(502, "InternalError"),
        S3Fault::fail_late(503, "ServiceUnavailable"),
    ]
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_as_ones_own() {
    for fault in hiding_faults() {
        let (s3, bucket) = start().await;
        s3.fault(Rule::new(Operation::PutObject, fault.clone()).once());
        let tag = put_if(&bucket, "first", Condition::IfAbsent).await.unwrap();
        assert_eq!(s3.object("k").unwrap().tag, tag.as_str(), "{fault:?}");
        assert_eq!(s3.count(Operation::PutObject), 2);
        s3.clear_faults();
        s3.fault(Rule::new(Operation::PutObject, fault).once());
        let second = put_if(&bucket, "second", Condition::IfMatch(tag)).await.unwrap();
        assert_eq!(s3.object("k").unwrap().tag, second.as_str());
        assert_eq!(s3.object("k").unwrap().bytes(), "second");
    }
}

#[tokio::test]
async fn a_conflict_with_ones_own_write_is_no_conflict() {
    let (s3, bucket) = start().await;
    s3.fault(lose(Operation::PutObject, StrikePoint::After).once());
    let conflict = S3Fault::refuse(409, "ConditionalRequestConflict");
    s3.fault(Rule::new(Operation::PutObject, conflict).nth(2));
    let tag = put_if(&bucket, "first", Condition::IfAbsent).await.unwrap();
    assert_eq!(s3.object("k").unwrap().tag, tag.as_str());
    assert_eq!(s3.count(Operation::PutObject), 2);
}

#[tokio::test]
async fn a_write_that_was_lost_before_its_effect_loses_to_another() {
    let (s3, bucket) = start().await;
    let held = s3.fault(Rule::new(Operation::PutObject, S3Fault::Hold(StrikePoint::Before)).once());
    s3.fault(lose(Operation::PutObject, StrikePoint::Before).once());
    let write = tokio::spawn({
        let bucket = bucket.clone();
        async move { put_if(&bucket, "mine", Condition::IfAbsent).await }
    });
    held.held().await;
    s3.put("k", "other");
    held.release();
    let error = write.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    assert_eq!(s3.object("k").unwrap().bytes(), "other");
}

#[tokio::test]
async fn a_write_that_took_effect_and_was_replaced_has_failed() {
    let (s3, bucket) = start().await;
    let held = s3.fault(Rule::new(Operation::PutObject, S3Fault::Hold(StrikePoint::After)).once());
    s3.fault(lose(Operation::PutObject, StrikePoint::After).once());
    let write = tokio::spawn({
        let bucket = bucket.clone();
        async move { put_if(&bucket, "mine", Condition::IfAbsent).await }
    });
    held.held().await;
    assert_eq!(s3.object("k").unwrap().bytes(), "mine");
    s3.put("k", "other");
    held.release();
    let error = write.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn a_broken_condition_of_a_first_attempt_needs_no_look() {
    let (s3, bucket) = start().await;
    put(&bucket, "k", "other").await;
    put_if(&bucket, "mine", Condition::IfAbsent).await.unwrap_err();
    assert_eq!(s3.count(Operation::HeadObject), 0);
}

#[tokio::test]
async fn a_write_is_ambiguous_if_no_attempt_is_answered() {
    let (s3, bucket) = start().await;
    let lost = s3.fault(lose(Operation::PutObject, StrikePoint::Before));
    let error = put_if(&bucket, "mine", Condition::IfAbsent).await.unwrap_err();
    assert_eq!((error.kind(), lost.hits()), (S3ErrorKind::Ambiguous, 6));
    let error = bucket.put("k", "mine".into(), &[], Condition::Always).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_write_is_ambiguous_if_the_look_at_it_fails() {
    let (s3, bucket) = start().await;
    s3.fault(lose(Operation::PutObject, StrikePoint::After).once());
    s3.fault(Rule::new(Operation::HeadObject, S3Fault::refuse(403, "AccessDenied")));
    let error = put_if(&bucket, "mine", Condition::IfAbsent).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Ambiguous);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("HeadObject"), "{cause}");
}

#[tokio::test]
async fn a_conditional_deletion_is_ambiguous_if_no_attempt_is_answered() {
    let (s3, bucket) = start().await;
    let tag = put(&bucket, "k", "x").await;
    s3.fault(lose(Operation::DeleteObject, StrikePoint::Before));
    let error = bucket.delete("k", Condition::IfMatch(tag)).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Ambiguous);
}

/// Completes an upload of which the fault strikes every attempt.
async fn complete_with(fault: S3Fault) -> (FakeS3, Bucket, UploadId, Result<ETag, S3Error>) {
    let (s3, bucket) = start().await;
    let (id, parts): (UploadId, Vec<Part>) = upload(&bucket).await;
    let handle = s3.fault(Rule::new(Operation::CompleteMultipartUpload, fault));
    let outcome = bucket.complete("k", &id, &parts, Condition::Always).await;
    assert_eq!(handle.hits(), 1);
    (s3, bucket, id, outcome)
}

#[tokio::test]
async fn a_completion_is_not_repeated_if_it_may_have_had_its_effect() {
    for fault in hiding_faults() {
        let (s3, _bucket, _id, outcome) = complete_with(fault.clone()).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), S3ErrorKind::Ambiguous, "{fault:?}");
        assert!(s3.object("k").is_some());
    }
    let (s3, bucket, id, outcome) = complete_with(S3Fault::LoseAnswer(StrikePoint::Before)).await;
    assert_eq!(outcome.unwrap_err().kind(), S3ErrorKind::Ambiguous);
    assert!(s3.object("k").is_none());
    assert!(bucket.list_parts("k", &id).await.unwrap().is_some());
}

#[tokio::test]
async fn an_error_after_a_good_status_is_an_error() {
    let (_s3, _bucket, _id, outcome) =
        complete_with(S3Fault::fail_late(200, "InternalError")).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.code()), (S3ErrorKind::Ambiguous, Some("InternalError")));
    let (_s3, _bucket, _id, outcome) =
        complete_with(S3Fault::refuse(200, "PreconditionFailed")).await;
    assert_eq!(outcome.unwrap_err().kind(), S3ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn a_copy_with_an_error_after_a_good_status_is_repeated() {
    let (s3, bucket) = start().await;
    let tag = put(&bucket, "source", "content").await;
    let id = bucket.create_upload("k", &[]).await.unwrap();
    let fault = S3Fault::refuse(200, "InternalError");
    s3.fault(Rule::new(Operation::UploadPartCopy, fault).first(2));
    let source = ftx_s3::CopySource { key: "source".into(), tag, range: 0..7 };
    bucket.copy_part("k", &id, 1, source).await.unwrap();
    assert_eq!(s3.count(Operation::UploadPartCopy), 3);
}

#[tokio::test]
async fn an_answer_of_a_completion_that_breaks_off_is_ambiguous() {
    let (s3, _bucket, _id, outcome) =
        complete_with(S3Fault::TruncateBody { after_bytes: 60 }).await;
    assert_eq!(outcome.unwrap_err().kind(), S3ErrorKind::Ambiguous);
    assert!(s3.object("k").is_some());
}

#[tokio::test]
async fn an_abort_whose_answer_was_lost_is_ones_own() {
    let (s3, bucket) = start().await;
    let (id, _) = upload(&bucket).await;
    s3.fault(lose(Operation::AbortMultipartUpload, StrikePoint::After).once());
    assert_eq!(bucket.abort("k", &id).await.unwrap(), Aborted::Yes);
    // A failure without an effect leaves no doubt.
    s3.fault(Rule::new(Operation::AbortMultipartUpload, S3Fault::slow_down(0)).nth(1));
    assert_eq!(bucket.abort("k", &id).await.unwrap(), Aborted::NoSuchUpload);
}
