//! Whole objects, conditions, metadata.

use std::time::{Duration, SystemTime};

use ftx_s3::{Condition, ETag, S3ErrorKind};

use crate::support::{bytes, content, pairs, put, put_if, start};

#[tokio::test]
async fn objects_come_back_as_they_were_put() {
    let (s3, bucket) = start().await;
    let metadata = pairs(&[("digest", "b3:0123"), ("Mixed-Case", "with space, =;")]);
    let body = content(300_000);
    let tag = bucket.put("a/k", body.clone(), &metadata, Condition::Always).await.unwrap();
    assert_eq!(s3.object("a/k").unwrap().tag, tag.as_str());
    let (head, found) = bucket.get("a/k", body.len()).await.unwrap().unwrap();
    assert_eq!(found, body);
    assert_eq!((head.size, &head.tag), (300_000, &tag));
    let age = SystemTime::now().duration_since(head.modified).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");
    assert_eq!(head.metadata["digest"], "b3:0123");
    assert_eq!(head.metadata["mixed-case"], "with space, =;");
    assert_eq!(head.metadata.len(), 2);
    assert_eq!(bucket.head("a/k").await.unwrap().unwrap(), head);
    // One connection served all requests.
    assert_eq!(s3.accepted_connections(), 1);
}

#[tokio::test]
async fn empty_objects_are_objects() {
    let (_s3, bucket) = start().await;
    put(&bucket, "k", "").await;
    let (head, body) = bucket.get("k", 0).await.unwrap().unwrap();
    assert_eq!((head.size, body.len()), (0, 0));
    assert_eq!(bucket.head("k").await.unwrap().unwrap().size, 0);
}

#[tokio::test]
async fn absent_objects_are_none() {
    let (_s3, bucket) = start().await;
    assert_eq!(bucket.head("k").await.unwrap(), None);
    assert_eq!(bucket.get("k", 10).await.unwrap(), None);
    bucket.delete("k", Condition::Always).await.unwrap();
}

#[tokio::test]
async fn an_object_that_is_too_long_is_an_error() {
    let (_s3, bucket) = start().await;
    bucket.put("k", content(1000), &[], Condition::Always).await.unwrap();
    let error = bucket.get("k", 999).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::TooLarge);
    assert!(bucket.get("k", 1000).await.unwrap().is_some());
}

#[tokio::test]
async fn a_new_object_replaces_none() {
    let (s3, bucket) = start().await;
    let tag = put_if(&bucket, "first", Condition::IfAbsent).await.unwrap();
    let error = put_if(&bucket, "second", Condition::IfAbsent).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    assert_eq!(s3.object("k").unwrap().bytes(), "first");
    assert_eq!(s3.object("k").unwrap().tag, tag.as_str());
}

#[tokio::test]
async fn an_object_is_replaced_if_it_is_the_expected_one() {
    let (s3, bucket) = start().await;
    let error = put_if(&bucket, "x", Condition::IfMatch(ETag::new("none"))).await.unwrap_err();
    // Stores answer that there is no object.
    assert_eq!((error.kind(), error.code()), (S3ErrorKind::PreconditionFailed, Some("NoSuchKey")));
    let first = put(&bucket, "k", "first").await;
    let second = put_if(&bucket, "second", Condition::IfMatch(first.clone())).await.unwrap();
    let error = put_if(&bucket, "third", Condition::IfMatch(first)).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    assert_eq!(s3.object("k").unwrap().tag, second.as_str());
    // A client knows its own write by this.
    assert_eq!(s3.object("k").unwrap().metadata["ftx-request"].len(), 32);
}

#[tokio::test]
async fn an_object_is_deleted_if_it_is_the_expected_one() {
    let (s3, bucket) = start().await;
    let tag = put(&bucket, "k", "first").await;
    let other = Condition::IfMatch(ETag::new("other"));
    let error = bucket.delete("k", other).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
    assert_eq!(s3.keys(), ["k"]);
    bucket.delete("k", Condition::IfMatch(tag.clone())).await.unwrap();
    assert!(s3.keys().is_empty());
    bucket.delete("k", Condition::IfMatch(tag)).await.unwrap();
    let error = bucket.delete("k", Condition::IfAbsent).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Other);
}

#[tokio::test]
async fn a_missing_bucket_is_told_from_a_missing_object() {
    let (s3, _) = start().await;
    let config = ftx_s3::BucketConfig { bucket: "other".into(), ..crate::support::config(&s3) };
    let bucket = ftx_s3::Bucket::connect(config).unwrap();
    assert_eq!(bucket.name(), "other");
    for error in [
        bucket.get("k", 10).await.unwrap_err(),
        bucket.put("k", bytes("x"), &[], Condition::Always).await.unwrap_err(),
        bucket.list(Default::default()).await.unwrap_err(),
        bucket.create_upload("k", &[]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), S3ErrorKind::NoSuchBucket);
        assert!(error.to_string().contains("check the name of the bucket"), "{error}");
    }
}

#[tokio::test]
async fn clones_share_connections() {
    let (s3, bucket) = start().await;
    for _ in 0..3 {
        put(&bucket.clone(), "k", "x").await;
    }
    assert_eq!(s3.accepted_connections(), 1);
}
