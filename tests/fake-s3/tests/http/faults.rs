//! Faults on command.

use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use ftx_fake_s3::{FakeS3, Operation, Rule, S3Fault, StrikePoint};

use crate::raw::{Raw, call, get, put, start, until};

fn on_put(fault: S3Fault) -> Rule {
    Rule::new(Operation::PutObject, fault)
}

fn on_get(fault: S3Fault) -> Rule {
    Rule::new(Operation::GetObject, fault)
}

#[tokio::test]
async fn an_error_takes_the_place_of_the_effect_or_of_the_answer() {
    let s3 = start().await;
    let before = s3.fault(on_put(S3Fault::refuse(409, "ConditionalRequestConflict")).once());
    let answer = put(&s3, "/k", b"content");
    assert_eq!(answer.error(), (409, "ConditionalRequestConflict".into()));
    assert!(s3.objects().is_empty());
    assert_eq!(before.hits(), 1);
    s3.fault(on_put(S3Fault::fail_late(500, "InternalError")).once());
    assert_eq!(put(&s3, "/k", b"content").error(), (500, "InternalError".into()));
    assert_eq!(s3.keys(), ["k"]);
    assert_eq!(put(&s3, "/k", b"content").status, 200);
    assert_eq!(before.hits(), 1);
}

#[tokio::test]
async fn an_error_may_come_with_status_200() {
    let s3 = start().await;
    let complete = Operation::CompleteMultipartUpload;
    s3.fault(Rule::new(complete, S3Fault::refuse(200, "InternalError")));
    let answer = call(&s3, "POST", "/k?uploadId=x", &[], b"<CompleteMultipartUpload/>");
    assert_eq!(answer.error(), (200, "InternalError".into()));
}

#[tokio::test]
async fn an_overloaded_store_names_a_pause() {
    let s3 = start().await;
    s3.fault(Rule::any(S3Fault::slow_down(7)));
    let mut raw = Raw::connect(&s3);
    for _ in 0..2 {
        let answer = raw.call("GET", "/k", &[], b"").unwrap();
        assert_eq!(answer.error(), (503, "SlowDown".into()));
        assert_eq!(answer.headers["retry-after"], "7");
        assert!(answer.headers["x-amz-request-id"].starts_with("FAKE"));
    }
    s3.clear_faults();
    assert_eq!(raw.call("GET", "/k", &[], b"").unwrap().status, 404);
    assert_eq!(s3.accepted_connections(), 1);
}

#[tokio::test]
async fn an_answer_is_lost_before_or_after_the_effect() {
    let s3 = start().await;
    for (point, keys) in [(StrikePoint::Before, 0), (StrikePoint::After, 1)] {
        let lost = s3.fault(on_put(S3Fault::LoseAnswer(point)).key("k").once());
        let error = Raw::connect(&s3).call("PUT", "/k", &[], &vec![7; 1 << 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!((s3.keys().len(), lost.hits()), (keys, 1));
    }
}

#[tokio::test]
async fn an_answer_is_late() {
    let s3 = start().await;
    let by = Duration::from_millis(50);
    for point in [StrikePoint::Before, StrikePoint::After] {
        s3.fault(on_put(S3Fault::Delay { point, by }));
    }
    let start = Instant::now();
    assert_eq!(put(&s3, "/k", b"content").status, 200);
    assert!(start.elapsed() >= 2 * by);
}

#[tokio::test]
async fn a_body_breaks_off_at_the_byte() {
    let s3 = start().await;
    let content: Vec<u8> = (0..3_000_000u32).map(|at| at.to_le_bytes()[0]).collect();
    s3.put("k", content.clone());
    for after_bytes in [0, 1, 100_000, 2_999_999] {
        let rule = s3.fault(on_get(S3Fault::TruncateBody { after_bytes }));
        let answer = get(&s3, "/k");
        assert_eq!(answer.headers["content-length"], "3000000");
        assert_eq!(answer.body.len() as u64, after_bytes);
        assert!(content.starts_with(&answer.body));
        rule.remove();
    }
    assert_eq!(get(&s3, "/k").body, content);
}

#[tokio::test]
async fn one_bit_of_a_body_is_wrong() {
    let s3 = start().await;
    let content = vec![7; 1_000_000];
    s3.put("k", content.clone());
    for (at, place) in [(0, 0), (777_777, 777_777), (u64::MAX, 999_999)] {
        let rule = s3.fault(on_get(S3Fault::CorruptBody { at }));
        let body = get(&s3, "/k").body;
        let wrong: Vec<usize> = (0..body.len()).filter(|at| body[*at] != content[*at]).collect();
        assert_eq!((body.len(), wrong), (content.len(), vec![place]));
        rule.remove();
    }
    // The object itself is as it was.
    assert_eq!(get(&s3, "/k").body, content);
}

#[tokio::test]
async fn bodies_are_slow() {
    let s3 = start().await;
    let pause = Duration::from_millis(20);
    s3.fault(on_get(S3Fault::SlowBody { chunk_bytes: 10, pause }));
    s3.fault(on_put(S3Fault::SlowUpload { chunk_bytes: 10, pause }));
    for method in ["PUT", "GET"] {
        let start = Instant::now();
        let answer = call(&s3, method, "/k", &[], if method == "PUT" { &[7; 45] } else { b"" });
        assert_eq!(answer.status, 200);
        assert!(start.elapsed() >= 5 * pause);
    }
    assert_eq!(s3.object("k").unwrap().bytes(), vec![7; 45]);
}

#[tokio::test]
async fn an_upload_is_cut() {
    let s3 = start().await;
    s3.fault(on_put(S3Fault::CutUpload { after_bytes: 1000 }).once());
    Raw::connect(&s3).call("PUT", "/k", &[], &[7; 5000]).unwrap_err();
    assert!(s3.objects().is_empty());
    assert_eq!(put(&s3, "/k", &[7; 5000]).status, 200);
}

/// Puts an object on another thread.
fn put_elsewhere(s3: &FakeS3, key: &str) -> thread::JoinHandle<u16> {
    let mut raw = Raw::connect(s3);
    let target = format!("/{key}");
    thread::spawn(move || raw.call("PUT", &target, &[], b"content").unwrap().status)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_held_until_its_release() {
    let s3 = start().await;
    for (point, keys) in [(StrikePoint::Before, 0), (StrikePoint::After, 1)] {
        let rule = s3.fault(on_put(S3Fault::Hold(point)));
        let client = put_elsewhere(&s3, "k");
        rule.held().await;
        assert_eq!(s3.keys().len(), keys);
        rule.release();
        assert_eq!(client.join().unwrap(), 200);
        assert_eq!((s3.keys().len(), rule.held_now()), (1, 0));
        rule.remove();
        s3.remove("k");
    }
}

#[tokio::test]
async fn a_held_request_takes_effect_without_its_client() {
    let s3 = start().await;
    let rule = s3.fault(on_put(S3Fault::Hold(StrikePoint::Before)));
    let mut raw = Raw::connect(&s3);
    raw.send("PUT", "/k", &[], b"late").unwrap();
    rule.held().await;
    drop(raw);
    until(|| s3.open_connections() == 0);
    assert!(s3.objects().is_empty());
    rule.release();
    until(|| s3.keys() == ["k"]);
}

#[tokio::test]
async fn faults_of_several_rules_strike_in_their_order() {
    let s3 = start().await;
    let hold = s3.fault(on_put(S3Fault::Hold(StrikePoint::After)));
    let fail = s3.fault(on_put(S3Fault::fail_late(500, "InternalError")));
    let client = put_elsewhere(&s3, "k");
    hold.held().await;
    hold.release_one();
    assert_eq!(client.join().unwrap(), 500);
    assert_eq!((hold.hits(), fail.hits()), (1, 1));
}
