//! The texts of errors.

use http::{HeaderMap, StatusCode};

use super::*;

fn refused(operation: S3Operation, status: u16, xml: &str) -> S3Error {
    refused_with(operation, status, &[], xml)
}

fn refused_with(
    operation: S3Operation,
    status: u16,
    headers: &[(&'static str, &str)],
    xml: &str,
) -> S3Error {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
    let status = StatusCode::from_u16(status).unwrap();
    let complaint = Complaint::new(status, &headers, ErrorDocument::of_body(xml.as_bytes()));
    let failed = FailedRequest::refused(complaint, None);
    S3Error::new(operation, Some("a/b"), *failed.problem)
}

#[test]
fn a_refusal_names_operation_key_code_message_and_remedy() {
    let error = refused_with(
        S3Operation::PutObject,
        403,
        &[("x-amz-request-id", "4442587FB7D0A2F9")],
        r#"<?xml version="1.0" encoding="UTF-8"?>
        <Error><Code>AccessDenied</Code><Message>Access Denied</Message><HostId>x</HostId></Error>"#,
    );
    assert_eq!(
        error.to_string(),
        "PutObject of \"a/b\": AccessDenied: Access Denied (status 403, request 4442587FB7D0A2F9); \
         give the credentials the right s3:PutObject for the bucket"
    );
    assert_eq!(error.kind(), S3ErrorKind::AccessDenied);
    assert_eq!((error.operation(), error.key()), ("PutObject", Some("a/b")));
    assert_eq!((error.status(), error.code()), (Some(403), Some("AccessDenied")));
    assert_eq!(error.request_id(), Some("4442587FB7D0A2F9"));
}

#[test]
fn an_answer_without_a_document_is_told_by_its_status() {
    let error = refused(S3Operation::HeadObject, 403, "");
    assert_eq!(
        error.to_string(),
        "HeadObject of \"a/b\": the store refused the request (status 403); \
         give the credentials the right s3:GetObject and s3:ListBucket for the bucket"
    );
    let page = refused(S3Operation::GetObject, 502, "<html><body>Bad Gateway</body></html>");
    assert!(page.to_string().ends_with("the store refused the request (status 502)"), "{page}");
}

#[test]
fn the_right_region_is_named() {
    let header = [("x-amz-bucket-region", "eu-west-1")];
    let moved = refused_with(S3Operation::HeadObject, 301, &header, "");
    assert!(moved.to_string().ends_with("set the region to eu-west-1"), "{moved}");
    let malformed = refused(
        S3Operation::ListObjects,
        400,
        "<Error><Code>AuthorizationQueryParametersError</Code><Message>Error parsing the \
         X-Amz-Credential parameter; the region 'us-east-1' is wrong; expecting 'eu-central-1'\
         </Message><Region>eu-central-1</Region></Error>",
    );
    let text = malformed.to_string();
    assert!(text.ends_with("set the region to eu-central-1"), "{text}");
    // The message quotes a part of the request, so it is left out.
    assert!(!text.contains("X-Amz"), "{text}");
    let unknown = refused(S3Operation::GetObject, 301, "");
    assert!(unknown.to_string().contains("check the endpoint"), "{unknown}");
    // The header accompanies every answer of AWS.
    let denied = refused_with(S3Operation::HeadObject, 403, &header, "");
    assert!(!denied.to_string().contains("region"), "{denied}");
}

#[test]
fn known_mistakes_have_remedies() {
    for (code, message, word) in [
        ("RequestTimeTooSkewed", "The difference is too large.", "clock"),
        ("AccessDenied", "Request has expired", "clock"),
        ("SignatureDoesNotMatch", "The signature does not match.", "secret access key"),
        ("InvalidAccessKeyId", "The key does not exist.", "access key"),
        ("ExpiredToken", "The token has expired.", "new temporary credentials"),
        ("NoSuchBucket", "The bucket does not exist.", "name of the bucket"),
        ("NotImplemented", "A header is not implemented.", "conditions"),
    ] {
        let xml = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        let text = refused(S3Operation::PutObject, 400, &xml).to_string();
        let remedy = text.rsplit_once("; ").unwrap().1;
        assert!(remedy.contains(word), "{text}");
    }
}

#[test]
fn texts_of_the_store_control_no_terminal() {
    let error = refused(
        S3Operation::GetObject,
        400,
        "<Error><Code>Bad&#27;[2J</Code><Message>a&#27;[2J&#10;b</Message></Error>",
    );
    assert!(!error.to_string().contains(|char: char| char.is_control()), "{error}");
    assert!(error.to_string().contains("a\\u{1b}[2J\\nb"), "{error}");
}

#[test]
fn attempts_and_causes_are_told() {
    let problem = Problem::new(S3ErrorKind::Unavailable, "cannot connect to 127.0.0.1:9")
        .caused_by("connection refused");
    let error = S3Error::new(S3Operation::ListObjects, None, problem).after_attempts(6);
    assert_eq!(error.to_string(), "ListObjectsV2: cannot connect to 127.0.0.1:9, after 6 attempts");
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
    assert_eq!(
        format!("{error:?}"),
        "S3Error(Unavailable: ListObjectsV2: cannot connect to 127.0.0.1:9, after 6 attempts: \
         connection refused)"
    );
}
