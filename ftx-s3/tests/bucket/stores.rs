//! What other stores than the server of the tests answer.

use ftx_s3::{Bucket, BucketConfig, Condition, ETag, ListObjects, Part, S3ErrorKind, UploadId};

use crate::scripted::{ScriptedServer, SeenRequest, answer, error, ok, tagged};
use crate::support::bytes;

const MISMATCH: &str =
    "Checksum Type mismatch occurred, expected checksum Type: null, actual checksum Type: crc32";
const WANTED: &str = "The upload was created using a crc32 checksum. The complete request must include \
                      the checksum for each part. It was missing for part 1 in the request.";
const COMPLETED: &str =
    "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>";
const PARTS: &str = "<ListPartsResult><IsTruncated>false</IsTruncated>\
    <Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag><Size>5</Size><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>\
    <Part><PartNumber>2</PartNumber><ETag>\"b\"</ETag><Size>5</Size><ChecksumCRC32>AAAAAQ==</ChecksumCRC32></Part>\
    </ListPartsResult>";

fn upload() -> (UploadId, [Part; 2]) {
    let part = |number, tag| Part { number, tag: ETag::new(tag), size: 5 };
    (UploadId::new("u"), [part(1, "a"), part(2, "b")])
}

async fn complete(bucket: &Bucket) -> Result<ETag, ftx_s3::S3Error> {
    let (id, parts) = upload();
    bucket.complete("k", &id, &parts, Condition::Always).await
}

#[tokio::test]
async fn bodies_have_checksums() {
    let server = ScriptedServer::start(|_| tagged("x")).await;
    let bucket = server.bucket();
    bucket.put("k", bytes("123456789"), &[], Condition::Always).await.unwrap();
    bucket.upload_part("k", &UploadId::new("u"), 1, bytes("123456789")).await.unwrap();
    for request in server.seen() {
        assert_eq!(request.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
    }
}

#[tokio::test]
async fn a_store_that_refuses_checksums_of_parts_gets_none() {
    let server = ScriptedServer::start(|request| match request.header("x-amz-checksum-crc32") {
        Some(_) if request.line.contains("partNumber") => {
            error("400 Bad Request", "InvalidRequest", MISMATCH)
        }
        _ => tagged("x"),
    })
    .await;
    let bucket = server.bucket();
    for number in [1, 2] {
        bucket.upload_part("k", &UploadId::new("u"), number, bytes("x")).await.unwrap();
    }
    bucket.put("k", bytes("x"), &[], Condition::Always).await.unwrap();
    let with: Vec<_> = server
        .seen()
        .iter()
        .map(|request| request.header("x-amz-checksum-crc32").is_some())
        .collect();
    assert_eq!(with, [true, false, false, true]);
}

/// A store that wants the checksums of parts at the end.
fn demanding(request: &SeenRequest, refusal: (&str, &str), parts: &str) -> String {
    match request.line.split(' ').next() {
        Some("GET") => ok(parts),
        _ if request.body.contains("ChecksumCRC32") => ok(COMPLETED),
        _ => error("400 Bad Request", refusal.0, refusal.1),
    }
}

#[tokio::test]
async fn a_store_that_wants_the_checksums_of_parts_gets_them() {
    let minio = "One or more of the specified parts could not be found.";
    for refusal in [("InvalidRequest", WANTED), ("InvalidPart", minio)] {
        let server = ScriptedServer::start(move |request| demanding(request, refusal, PARTS)).await;
        assert_eq!(complete(&server.bucket()).await.unwrap().as_str(), "whole");
        let complete = "POST /files/k?uploadId=u";
        assert_eq!(server.lines(), [complete, "GET /files/k?uploadId=u", complete]);
        let body = &server.seen()[2].body;
        assert!(body.contains("<ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>"), "{body}");
    }
}

#[tokio::test]
async fn parts_that_are_wrong_stay_wrong() {
    let other_tag = PARTS.replace("\"b\"", "\"c\"");
    let no_checksum = PARTS.replace("<ChecksumCRC32>AAAAAQ==</ChecksumCRC32>", "");
    for parts in [other_tag, no_checksum, "<ListPartsResult/>".to_owned()] {
        let refusal = ("InvalidPart", "One or more of the specified parts could not be found.");
        let server =
            ScriptedServer::start(move |request| demanding(request, refusal, &parts)).await;
        let error = complete(&server.bucket()).await.unwrap_err();
        assert_eq!(error.kind(), S3ErrorKind::InvalidPart);
        assert_eq!(server.lines().len(), 2);
    }
}

#[tokio::test]
async fn spaces_before_the_end_of_a_long_operation_are_skipped() {
    let spaces = " \r\n".repeat(1000);
    let good = format!("<?xml version=\"1.0\"?>{spaces}{COMPLETED}");
    let server = ScriptedServer::start(move |_| ok(&good)).await;
    assert_eq!(complete(&server.bucket()).await.unwrap().as_str(), "whole");
    let bad = format!("{spaces}<Error><Code>InternalError</Code></Error>");
    let server = ScriptedServer::start(move |_| ok(&bad)).await;
    assert_eq!(complete(&server.bucket()).await.unwrap_err().kind(), S3ErrorKind::Ambiguous);
}

#[tokio::test]
async fn an_object_that_looks_like_an_error_is_an_object() {
    const CONTENT: &str = "<Error><Code>InternalError</Code></Error>";
    let headers = "ETag: x\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let server = ScriptedServer::start(move |_| answer("200 OK", headers, CONTENT)).await;
    let (_, found) = server.bucket().get("k", 100).await.unwrap().unwrap();
    assert_eq!(found, CONTENT);
}

#[tokio::test]
async fn answers_that_are_not_of_a_store_are_named() {
    let page = "<html><body>Welcome</body></html>";
    let server = ScriptedServer::start(move |_| ok(page)).await;
    let bucket = server.bucket();
    for error in [
        bucket.list(ListObjects::default()).await.unwrap_err(),
        bucket.head("k").await.unwrap_err(),
        bucket.get("k", 100).await.unwrap_err(),
        bucket.put("k", bytes("x"), &[], Condition::Always).await.unwrap_err(),
        bucket.create_upload("k", &[]).await.unwrap_err(),
        bucket.get_range("k", 0..33, &ETag::new("x")).await.unwrap_err(),
        complete(&bucket).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), S3ErrorKind::Protocol, "{error}");
        assert!(error.to_string().contains("S3-compatible store"), "{error}");
    }
    assert_eq!(server.lines().len(), 7);
}

#[tokio::test]
async fn listings_that_go_round_in_circles_end() {
    let server = ScriptedServer::start(|request| {
        ok(if request.line.contains("uploads") {
            "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>\
             <NextKeyMarker>k</NextKeyMarker></ListMultipartUploadsResult>"
        } else {
            "<ListPartsResult><IsTruncated>true</IsTruncated>\
             <NextPartNumberMarker>1</NextPartNumberMarker></ListPartsResult>"
        })
    })
    .await;
    let bucket = server.bucket();
    let error = bucket.list_uploads("").await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Protocol);
    let error = bucket.list_parts("k", &UploadId::new("u")).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Protocol);
}

#[tokio::test]
async fn documents_are_bounded() {
    let server = ScriptedServer::start(|_| ok(&" ".repeat((8 << 20) + 1))).await;
    let error = server.bucket().list(ListObjects::default()).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::Protocol);
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn ranges_of_the_wrong_length_are_errors() {
    let chunked = |chunks: &str| {
        format!(
            "HTTP/1.1 206 Partial Content\r\nETag: x\r\nContent-Range: bytes 0-3/9\r\n\
             Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
        )
    };
    for (chunks, is_right) in [
        ("4\r\nabcd\r\n", true),
        ("2\r\nab\r\n2\r\ncd\r\n", true),
        ("3\r\nabc\r\n", false),
        ("5\r\nabcde\r\n", false),
        ("4\r\nabcd\r\n1\r\ne\r\n", false),
    ] {
        let text = chunked(chunks);
        let server = ScriptedServer::start(move |_| text.clone()).await;
        let bucket = server.bucket();
        let mut body = bucket.get_range("k", 0..4, &ETag::new("x")).await.unwrap();
        let end = loop {
            match body.next().await {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        assert_eq!(end.is_ok(), is_right, "{chunks}");
        if let Err(error) = end {
            assert_eq!(error.kind(), S3ErrorKind::Protocol);
        }
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_store_that_ignores_conditions_serves_no_other_version() {
    let server = ScriptedServer::start(|_| {
        answer("206 Partial Content", "ETag: new\r\nContent-Range: bytes 0-3/9\r\n", "abcd")
    })
    .await;
    let error = server.bucket().get_range("k", 0..4, &ETag::new("old")).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn a_missing_path_is_no_broken_condition_of_a_new_object() {
    let server = ScriptedServer::start(|_| answer("404 Not Found", "", "")).await;
    let bucket = server.bucket();
    let (id, parts) = upload();
    for (condition, kind) in [
        (Condition::IfAbsent, S3ErrorKind::NotFound),
        (Condition::IfMatch(ETag::new("x")), S3ErrorKind::PreconditionFailed),
    ] {
        let error = bucket.put("k", bytes("x"), &[], condition.clone()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let error = bucket.complete("k", &id, &parts, condition).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn the_right_region_is_named() {
    let server = ScriptedServer::start(|_| {
        answer("301 Moved Permanently", "x-amz-bucket-region: eu-west-1\r\n", "")
    })
    .await;
    let error = server.bucket().head("k").await.unwrap_err();
    assert!(error.to_string().ends_with("set the region to eu-west-1"), "{error}");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn expired_credentials_are_replaced_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("credentials");
    let write = |path: &std::path::Path, key: &str| {
        let text = format!("[p]\naws_access_key_id = {key}\naws_secret_access_key = secret\n");
        std::fs::write(path, text).unwrap();
    };
    write(&path, "old");
    let server = ScriptedServer::start({
        let path = path.clone();
        move |request| {
            // Another program replaces the file in the meantime.
            write(&path, "new");
            match request.query("X-Amz-Credential").unwrap() {
                key if key.starts_with("new%2F") => tagged("x"),
                _ => error("400 Bad Request", "ExpiredToken", "The token has expired."),
            }
        }
    })
    .await;
    let credentials =
        ftx_s3::CredentialSource::File { path: Some(path.clone()), profile: "p".into() };
    let bucket = Bucket::connect(BucketConfig { credentials, ..server.config() }).unwrap();
    bucket.put("k", bytes("x"), &[], Condition::Always).await.unwrap();
    assert_eq!(server.lines().len(), 2);

    let stale = ScriptedServer::start(|_| error("400 Bad Request", "ExpiredToken", "Old.")).await;
    let error = stale.bucket().list(ListObjects::default()).await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::BadCredentials);
    assert_eq!(stale.lines().len(), 1);
}
