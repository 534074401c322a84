//! Signed requests.

use rusty_s3::UrlStyle;

use super::*;
use crate::types::ETag;

fn bucket() -> rusty_s3::Bucket {
    let endpoint = "http://127.0.0.1:9000".parse().unwrap();
    rusty_s3::Bucket::new(endpoint, UrlStyle::Path, "files", "eu-west-1").unwrap()
}

fn sign_it(request: &S3Request<'_>) -> Request<Bytes> {
    let credentials = S3Credentials::new("AKIA".into(), "secret".into(), Some("a token/+=".into()));
    request.sign(&bucket(), &credentials).unwrap()
}

fn query(request: &Request<Bytes>) -> Vec<(&str, &str)> {
    let query = request.uri().query().unwrap();
    query.split('&').map(|pair| pair.split_once('=').unwrap()).collect()
}

#[test]
fn keys_are_the_path_byte_by_byte() {
    for (key, path) in [
        ("a/b.txt", "/files/a/b.txt"),
        ("a b+c%d", "/files/a%20b%2Bc%25d"),
        ("中/💾", "/files/%E4%B8%AD/%F0%9F%92%BE"),
        ("a//b/", "/files/a//b/"),
        ("/a", "/files//a"),
        ("//host/a", "/files///host/a"),
        ("a?b#c&d=e", "/files/a%3Fb%23c%26d%3De"),
        ("..a/...", "/files/..a/..."),
        ("%2e%2e/x", "/files/%252e%252e/x"),
        ("a\\b\n\t\u{7f}", "/files/a%5Cb%0A%09%7F"),
        ("-._~", "/files/-._~"),
    ] {
        let request = S3Request::of_object(S3Operation::GetObject, key).unwrap();
        assert_eq!(sign_it(&request).uri().path(), path, "{key}");
    }
}

#[test]
fn keys_that_would_lead_elsewhere_are_refused() {
    let long = "ä".repeat(513);
    for key in ["", ".", "..", "a/../b", "a/.", "./a", "../", &long] {
        let error = S3Request::of_object(S3Operation::GetObject, key).err().unwrap();
        assert_eq!(error.kind(), S3ErrorKind::Other, "{key}");
    }
    let fitting = "ä".repeat(512);
    assert!(S3Request::of_object(S3Operation::GetObject, &fitting).is_ok());
    let upload = UploadId::new("");
    let error = S3Request::of_upload(S3Operation::AbortMultipartUpload, "k", &upload);
    assert_eq!(error.err().unwrap().kind(), S3ErrorKind::NoSuchUpload);
}

#[test]
fn every_header_for_the_store_is_signed() {
    let request = S3Request::of_object(S3Operation::PutObject, "k")
        .unwrap()
        .with_metadata(&[("Name".into(), "a value".into())])
        .unwrap()
        .with_header("x-amz-checksum-crc32", "AAAAAA==")
        .with_condition(&Condition::IfMatch(ETag::new("abc")))
        .with_body(Bytes::from_static(b"content"));
    let signed = sign_it(&request);
    let names = "host%3Bif-match%3Bx-amz-checksum-crc32%3Bx-amz-meta-name";
    assert!(query(&signed).contains(&("X-Amz-SignedHeaders", names)), "{:?}", query(&signed));
    assert_eq!(signed.headers()["if-match"], "\"abc\"");
    assert_eq!(signed.headers()["x-amz-meta-name"], "a value");
    assert_eq!(signed.headers()["content-length"], "7");
    let unsigned = ["user-agent", "content-length"];
    let count = signed.headers().keys().filter(|name| !unsigned.contains(&name.as_str())).count();
    assert_eq!(count, 3);
}

#[test]
fn the_query_has_the_parameters_and_the_session() {
    let request = S3Request::of_bucket(S3Operation::ListObjects, "p")
        .with_query("prefix", "a b/中&c=+")
        .with_query("list-type", "2");
    let signed = sign_it(&request);
    assert_eq!(signed.uri().path(), "/files/");
    let pairs = query(&signed);
    assert!(pairs.contains(&("prefix", "a%20b%2F%E4%B8%AD%26c%3D%2B")), "{pairs:?}");
    assert!(pairs.contains(&("X-Amz-Security-Token", "a%20token%2F%2B%3D")), "{pairs:?}");
    assert!(pairs.contains(&("X-Amz-Expires", "900")), "{pairs:?}");
    assert_eq!(signed.headers().get("content-length"), None);
}

#[test]
fn an_empty_body_has_a_length() {
    let request = S3Request::of_object(S3Operation::PutObject, "k").unwrap();
    assert_eq!(sign_it(&request).headers()["content-length"], "0");
}

#[test]
fn metadata_that_would_change_on_the_way_is_refused() {
    let with = |name: &str, value: &str| {
        let request = S3Request::of_object(S3Operation::PutObject, "k").unwrap();
        request.with_metadata(&[(name.into(), value.into())])
    };
    for value in ["", "a b", "~!\"#%=/+", "a:b"] {
        assert!(with("name", value).is_ok(), "{value}");
    }
    for value in [" a", "a ", "a  b", "a\nb", "ä", "\u{7f}"] {
        let error = with("name", value).err().unwrap();
        assert!(error.to_string().contains("metadata"), "{error}");
    }
    for name in ["", "a b", "a:", "ä"] {
        assert!(with(name, "x").is_err(), "{name}");
    }
}

#[test]
fn a_source_of_a_copy_is_encoded() {
    assert_eq!(encode_path("/files/a b/中+%?.txt"), "/files/a%20b/%E4%B8%AD%2B%25%3F.txt");
}
