//! What the operations of S3 do.

use ftx_fake_s3::{FakeS3, Operation, Tags};

use crate::raw::{Answer, call, get, put, start};

fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let s3 = start().await;
    let headers = [("x-amz-meta-colour", "blue"), ("Content-Type", "text/plain")];
    let answer = call(&s3, "PUT", "/a/b%20c", &headers, b"content");
    assert_eq!(answer.tag(), "\"9a0364b9e99bb480dd25e1f0284c8555\"");
    for method in ["GET", "HEAD"] {
        let answer = call(&s3, method, "/a/b%20c", &[], b"");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-length"], "7");
        assert_eq!(answer.headers["content-type"], "text/plain");
        assert_eq!(answer.headers["x-amz-meta-colour"], "blue");
        assert_eq!(answer.text(), if method == "GET" { "content" } else { "" });
    }
    let object = s3.object("a/b c").unwrap();
    assert_eq!((object.bytes(), object.metadata["colour"].as_str()), ("content".into(), "blue"));
    assert_eq!(get(&s3, "/absent").error(), error(404, "NoSuchKey"));
    assert_eq!(call(&s3, "HEAD", "/absent", &[], b"").status, 404);
    assert_eq!(s3.count(Operation::GetObject), 2);
    assert_eq!(call(&s3, "DELETE", "/a/b%20c", &[], b"").status, 204);
    assert_eq!(call(&s3, "DELETE", "/a/b%20c", &[], b"").status, 204);
    assert!(s3.objects().is_empty());
}

#[tokio::test]
async fn ranges_are_cut_at_the_end() {
    let s3 = start().await;
    s3.put("k", "0123456789");
    for (range, bytes, header) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
    ] {
        let answer = call(&s3, "GET", "/k", &[("Range", range)], b"");
        assert_eq!((answer.status, answer.text().as_str()), (206, bytes));
        assert_eq!(answer.headers["content-range"], header);
    }
    let answer = call(&s3, "GET", "/k", &[("Range", "bytes=10-")], b"");
    assert_eq!(answer.error(), error(416, "InvalidRange"));
}

#[tokio::test]
async fn reads_have_conditions() {
    let s3 = start().await;
    let tag = s3.put("k", "content");
    let status = |name, value: &str| call(&s3, "GET", "/k", &[(name, value)], b"").status;
    assert_eq!(status("If-Match", &tag), 200);
    assert_eq!(status("If-Match", "\"other\""), 412);
    assert_eq!(status("If-None-Match", &format!("\"{tag}\"")), 304);
    assert_eq!(status("If-None-Match", "\"other\""), 200);
}

#[tokio::test]
async fn writes_have_conditions() {
    let s3 = start().await;
    let write = |method, name, value: &str| call(&s3, method, "/k", &[(name, value)], b"new");
    assert_eq!(write("PUT", "If-Match", "\"x\"").error(), error(404, "NoSuchKey"));
    assert_eq!(write("PUT", "If-None-Match", "*").status, 200);
    let failed = error(412, "PreconditionFailed");
    assert_eq!(write("PUT", "If-None-Match", "*").error(), failed);
    assert_eq!(write("PUT", "If-Match", "\"x\"").error(), failed);
    let tag = s3.object("k").unwrap().tag;
    assert_eq!(write("PUT", "If-Match", &tag).status, 200);
    assert_eq!(write("DELETE", "If-Match", "\"x\"").error(), failed);
    assert_eq!(write("DELETE", "If-Match", &tag).status, 204);
    assert_eq!(write("DELETE", "If-Match", &tag).error(), error(404, "NoSuchKey"));

    s3.configure(|settings| settings.ignore_conditions = true);
    for _ in 0..2 {
        assert_eq!(write("PUT", "If-None-Match", "*").status, 200);
    }
    assert_eq!(write("DELETE", "If-Match", "\"x\"").status, 204);
}

#[tokio::test]
async fn checksums_are_checked() {
    let s3 = start().await;
    let put = |name, sum| call(&s3, "PUT", "/k", &[(name, sum)], b"123456789");
    let answer = put("x-amz-checksum-crc32", "y/Q5Jg==");
    assert_eq!(answer.headers["x-amz-checksum-crc32"], "y/Q5Jg==");
    let mode = [("x-amz-checksum-mode", "ENABLED")];
    let answer = call(&s3, "GET", "/k", &mode, b"");
    assert_eq!(answer.headers["x-amz-checksum-crc32"], "y/Q5Jg==");
    assert_eq!(put("x-amz-checksum-crc32c", "4waSgw==").status, 200);
    assert_eq!(put("x-amz-checksum-crc64nvme", "rosUhgp5mIg=").status, 200);
    for name in ["x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme"] {
        assert_eq!(put(name, "AAAAAA==").error(), error(400, "BadDigest"));
    }
    assert_eq!(put("Content-MD5", "AAAAAA==").error(), error(400, "BadDigest"));
}

#[tokio::test]
async fn an_object_is_copied() {
    let s3 = start().await;
    let tag = s3.put_with("from", "content", &[("colour", "blue")]);
    let source = format!("/{}/from", s3.bucket());
    let copy = |target, headers: &[(&str, &str)]| {
        let headers = [&[("x-amz-copy-source", source.as_str())], headers].concat();
        call(&s3, "PUT", target, &headers, b"")
    };
    let answer = copy("/to", &[("x-amz-copy-source-if-match", &tag)]);
    assert!(answer.element("ETag").contains(&tag), "{}", answer.text());
    assert_eq!(s3.object("to").unwrap().metadata["colour"], "blue");
    let answer = copy("/to", &[("x-amz-copy-source-if-match", "\"x\"")]);
    assert_eq!(answer.error(), error(412, "PreconditionFailed"));
    assert_eq!(copy("/from", &[]).error(), error(400, "InvalidRequest"));
    let replace = [("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-shape", "round")];
    assert_eq!(copy("/from", &replace).status, 200);
    let object = s3.object("from").unwrap();
    assert_eq!(object.metadata.into_iter().collect::<Vec<_>>(), [("shape".into(), "round".into())]);
    assert_eq!(s3.count(Operation::CopyObject), 4);
}

#[tokio::test]
async fn several_objects_are_deleted_at_once() {
    let s3 = start().await;
    for key in ["a", "b", "c"] {
        s3.put(key, key);
    }
    let body =
        b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><ETag>\"x\"</ETag></Object>\
        </Delete>";
    let answer = call(&s3, "POST", "?delete", &[], body);
    assert_eq!(answer.elements("Key"), ["a", "b"]);
    assert_eq!(answer.element("Code"), "PreconditionFailed");
    assert_eq!(s3.keys(), ["b", "c"]);
}

#[tokio::test]
async fn buckets_are_made() {
    let s3 = start().await;
    assert_eq!(call(&s3, "HEAD", "", &[], b"").status, 200);
    assert_eq!(put(&s3, "", b"").error(), error(409, "BucketAlreadyOwnedByYou"));
    // The target is appended to the name of the bucket.
    assert_eq!(put(&s3, "-2", b"").status, 200);
    assert_eq!(put(&s3, "-2/k", b"content").status, 200);
    assert_eq!(get(&s3, "-3/k").error(), error(404, "NoSuchBucket"));
    assert!(s3.objects().is_empty());
}

fn begin(s3: &FakeS3) -> String {
    let answer = call(s3, "POST", "/k?uploads", &[("x-amz-meta-colour", "blue")], b"");
    answer.element("UploadId")
}

fn complete(s3: &FakeS3, id: &str, parts: &[(u16, &str)], headers: &[(&str, &str)]) -> Answer {
    let parts: String = parts
        .iter()
        .map(|(number, tag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
        })
        .collect();
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    call(s3, "POST", &format!("/k?uploadId={id}"), headers, body.as_bytes())
}

#[tokio::test]
async fn an_object_is_uploaded_in_parts() {
    let s3 = start().await;
    s3.configure(|settings| settings.min_part_bytes = 3);
    s3.put("source", "0123456789");
    let id = begin(&s3);
    let first = put(&s3, &format!("/k?partNumber=1&uploadId={id}"), b"abc").tag();
    let source = format!("{}/source", s3.bucket());
    let headers = [("x-amz-copy-source", &*source), ("x-amz-copy-source-range", "bytes=2-4")];
    let answer = call(&s3, "PUT", &format!("/k?partNumber=2&uploadId={id}"), &headers, b"");
    let second = answer.element("ETag");
    let pending = s3.pending_uploads();
    assert_eq!((pending[0].parts.len(), pending[0].metadata["colour"].as_str()), (2, "blue"));

    let answer = complete(&s3, &id, &[(1, &first), (2, &second)], &[]);
    assert_eq!(answer.status, 200);
    assert!(answer.element("ETag").contains("-2"), "{}", answer.text());
    let object = s3.object("k").unwrap();
    assert_eq!(object.bytes(), "abc234");
    assert_eq!(object.metadata["colour"], "blue");
    assert_eq!(call(&s3, "GET", "/k", &[("Range", "bytes=2-3")], b"").text(), "c2");
    assert!(s3.pending_uploads().is_empty());
    let again = complete(&s3, &id, &[(1, &first), (2, &second)], &[]);
    assert_eq!(again.error(), error(404, "NoSuchUpload"));
}

#[tokio::test]
async fn wrong_completions_are_refused() {
    let s3 = start().await;
    let id = begin(&s3);
    let part = |number, body: &str| {
        put(&s3, &format!("/k?partNumber={number}&uploadId={id}"), body.as_bytes()).tag()
    };
    let (one, two) = (part(1, "one"), part(2, "two"));
    let parts = [(1, one.as_str()), (2, two.as_str())];
    let code = |parts: &[(u16, &str)]| complete(&s3, &id, parts, &[]).error();
    assert_eq!(code(&parts), error(400, "EntityTooSmall"));
    assert_eq!(code(&[parts[1], parts[0]]), error(400, "InvalidPartOrder"));
    assert_eq!(code(&[(1, &two)]), error(400, "InvalidPart"));
    assert_eq!(code(&[(3, &two)]), error(400, "InvalidPart"));
    assert_eq!(code(&[]), error(400, "MalformedXML"));
    assert_eq!(s3.pending_uploads().len(), 1);

    s3.put("k", "present");
    let last = [(2, two.as_str())];
    let conditional = |name, value| complete(&s3, &id, &last, &[(name, value)]).error();
    assert_eq!(conditional("If-None-Match", "*"), error(412, "PreconditionFailed"));
    assert_eq!(conditional("If-Match", "\"x\""), error(412, "PreconditionFailed"));
    s3.configure(|settings| settings.ignore_complete_conditions = true);
    assert_eq!(conditional("If-None-Match", "*").0, 200);
    assert_eq!(s3.object("k").unwrap().bytes(), "two");
}

#[tokio::test]
async fn an_upload_is_aborted_once() {
    let s3 = start().await;
    let id = begin(&s3);
    let target = format!("/k?uploadId={id}");
    assert_eq!(call(&s3, "DELETE", &target, &[], b"").status, 204);
    let gone = error(404, "NoSuchUpload");
    assert_eq!(call(&s3, "DELETE", &target, &[], b"").error(), gone);
    assert_eq!(get(&s3, &target).error(), gone);
    assert_eq!(put(&s3, &format!("/k?partNumber=1&uploadId={id}"), b"late").error(), gone);
    let id = begin(&s3);
    assert!(s3.remove_upload(&id) && !s3.remove_upload(&id));
}

#[tokio::test]
async fn tags_can_be_numbers() {
    let s3 = start().await;
    s3.configure(|settings| settings.tags = Tags::Counter);
    let tags = [put(&s3, "/k", b"same").tag(), put(&s3, "/k", b"same").tag()];
    assert_ne!(tags[0], tags[1]);
    assert_eq!(call(&s3, "GET", "/k", &[("If-Match", &tags[1])], b"").status, 200);
}
