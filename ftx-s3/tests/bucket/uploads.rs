//! Uploads in parts.

use ftx_fake_s3::Operation;
use ftx_s3::{Aborted, Condition, CopySource, ETag, MAX_PART_NUMBER, S3ErrorKind, UploadId};

use crate::support::{PART_BYTES, content, pairs, put, start, upload};

#[tokio::test]
async fn parts_become_an_object() {
    let (s3, bucket) = start().await;
    let metadata = pairs(&[("digest", "b3:0123")]);
    let id = bucket.create_upload("k", &metadata).await.unwrap();
    let second = bucket.upload_part("k", &id, 2, content(10)).await.unwrap();
    bucket.upload_part("k", &id, 1, content(3)).await.unwrap();
    let first = bucket.upload_part("k", &id, 1, content(PART_BYTES)).await.unwrap();
    let parts = bucket.list_parts("k", &id).await.unwrap().unwrap();
    let listed: Vec<_> = parts.iter().map(|part| (part.number, &part.tag, part.size)).collect();
    assert_eq!(listed, [(1, &first, PART_BYTES as u64), (2, &second, 10)]);
    let tag = bucket.complete("k", &id, &parts, Condition::Always).await.unwrap();
    let object = s3.object("k").unwrap();
    assert_eq!(object.tag, tag.as_str());
    assert_eq!(object.bytes(), [content(PART_BYTES), content(10)].concat());
    assert_eq!(object.metadata["digest"], "b3:0123");
    assert!(s3.pending_uploads().is_empty());
}

#[tokio::test]
async fn parts_are_copied_by_the_store() {
    let (s3, bucket) = start().await;
    let tag = bucket.put("old name", content(5000), &[], Condition::Always).await.unwrap();
    let id = bucket.create_upload("new", &[]).await.unwrap();
    let source = |range, tag: &ETag| CopySource { key: "old name".into(), tag: tag.clone(), range };
    let before = s3.bytes_in();
    bucket.copy_part("new", &id, 1, source(1000..4000, &tag)).await.unwrap();
    bucket.copy_part("new", &id, 2, source(0..5000, &tag)).await.unwrap();
    assert!(s3.bytes_in() - before < 4000);
    let parts = bucket.list_parts("new", &id).await.unwrap().unwrap();
    bucket.complete("new", &id, &parts, Condition::Always).await.unwrap();
    let expected = [content(5000).slice(1000..4000), content(5000)].concat();
    assert_eq!(s3.object("new").unwrap().bytes(), expected);
}

#[tokio::test]
async fn a_source_that_has_changed_or_gone_is_not_copied() {
    let (s3, bucket) = start().await;
    let old = put(&bucket, "source", "old content").await;
    put(&bucket, "source", "new content").await;
    let id = bucket.create_upload("k", &[]).await.unwrap();
    let source = || CopySource { key: "source".into(), tag: old.clone(), range: 0..5 };
    let error = bucket.copy_part("k", &id, 1, source()).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    s3.remove("source");
    let error = bucket.copy_part("k", &id, 1, source()).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::NotFound);
    let empty = CopySource { range: 3..3, ..source() };
    let error = bucket.copy_part("k", &id, 1, empty).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Other);
}

#[tokio::test]
async fn a_completion_keeps_its_condition() {
    let (s3, bucket) = start().await;
    let (id, parts) = upload(&bucket).await;
    let other = put(&bucket, "k", "other").await;
    let error = bucket.complete("k", &id, &parts, Condition::IfAbsent).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    let wrong = Condition::IfMatch(ETag::new("wrong"));
    let error = bucket.complete("k", &id, &parts, wrong.clone()).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    s3.remove("k");
    let error = bucket.complete("k", &id, &parts, wrong).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    s3.put("k", "other");
    bucket.complete("k", &id, &parts, Condition::IfMatch(other)).await.unwrap();
    assert_eq!(s3.object("k").unwrap().size(), PART_BYTES as u64 + 10);
}

#[tokio::test]
async fn wrong_parts_are_refused() {
    let (_s3, bucket) = start().await;
    let (id, parts) = upload(&bucket).await;
    let complete = async |parts: &[ftx_s3::Part]| {
        let error = bucket.complete("k", &id, parts, Condition::Always).await.unwrap_err();
        assert_eq!(error.kind(), S3ErrorKind::InvalidPart, "{error}");
    };
    let mut other_tag = parts.clone();
    other_tag[1].tag = ETag::new("other");
    complete(&other_tag).await;
    let mut missing = parts.clone();
    missing[1].number = 3;
    complete(&missing).await;
    complete(&[parts[1].clone(), parts[0].clone()]).await;
    bucket.upload_part("k", &id, 1, content(PART_BYTES - 1)).await.unwrap();
    let small = bucket.list_parts("k", &id).await.unwrap().unwrap();
    complete(&small).await;
    bucket.upload_part("k", &id, 1, content(PART_BYTES)).await.unwrap();
    bucket.complete("k", &id, &parts, Condition::Always).await.unwrap();
}

#[tokio::test]
async fn numbers_of_parts_are_checked_before_the_bytes_are_sent() {
    let (s3, bucket) = start().await;
    let id = bucket.create_upload("k", &[]).await.unwrap();
    for number in [0, MAX_PART_NUMBER + 1] {
        let error = bucket.upload_part("k", &id, number, content(1)).await.unwrap_err();
        assert_eq!(error.kind(), S3ErrorKind::Other);
    }
    assert_eq!(s3.count(Operation::UploadPart), 0);
    bucket.upload_part("k", &id, MAX_PART_NUMBER, content(0)).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_is_over_is_known_as_such() {
    let (s3, bucket) = start().await;
    let (id, parts) = upload(&bucket).await;
    assert_eq!(bucket.abort("k", &id).await.unwrap(), Aborted::Yes);
    assert!(s3.pending_uploads().is_empty());
    assert_eq!(bucket.abort("k", &id).await.unwrap(), Aborted::NoSuchUpload);
    assert_eq!(bucket.list_parts("k", &id).await.unwrap(), None);
    let source = CopySource { key: "k".into(), tag: ETag::new("x"), range: 0..1 };
    for error in [
        bucket.upload_part("k", &id, 1, content(1)).await.unwrap_err(),
        bucket.copy_part("k", &id, 1, source).await.unwrap_err(),
        bucket.complete("k", &id, &parts, Condition::Always).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), S3ErrorKind::NoSuchUpload, "{error}");
    }
}

#[tokio::test]
async fn an_empty_identifier_ends_no_object() {
    let (s3, bucket) = start().await;
    put(&bucket, "k", "content").await;
    let empty = UploadId::new("");
    assert_eq!(bucket.abort("k", &empty).await.unwrap_err().kind(), S3ErrorKind::NoSuchUpload);
    assert_eq!(bucket.list_parts("k", &empty).await.unwrap(), None);
    assert_eq!(s3.keys(), ["k"]);
}
