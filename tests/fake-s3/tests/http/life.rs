//! The start and the end of the server, and its program.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use ftx_fake_s3::{FakeS3, Rule, S3Fault, StoreSettings, StrikePoint};

use crate::raw::{Raw, call, get, put, start, until};

#[tokio::test]
async fn the_server_ends_with_its_value() {
    let s3 = start().await;
    let address = s3.address();
    let mut raw = Raw::connect(&s3);
    assert_eq!(raw.call("GET", "/k", &[], b"").unwrap().status, 404);
    drop(s3);
    assert!(TcpStream::connect(address).is_err());
    assert!(raw.call("GET", "/k", &[], b"").is_err());
}

#[tokio::test]
async fn the_server_ends_while_it_holds_a_request() {
    let s3 = start().await;
    let rule = s3.fault(Rule::any(S3Fault::Hold(StrikePoint::Before)));
    let mut raw = Raw::connect(&s3);
    raw.send("PUT", "/k", &[], b"content").unwrap();
    rule.held().await;
    drop(s3);
    assert!(raw.read(false).is_err());
}

#[tokio::test]
async fn requests_must_be_signed() {
    let s3 = FakeS3::start().await;
    assert_eq!(get(&s3, "/k").error(), (403, "AccessDenied".into()));
    s3.configure(|settings: &mut StoreSettings| settings.allow_anonymous = true);
    assert_eq!(get(&s3, "/k").error(), (404, "NoSuchKey".into()));
    let headers = [("Authorization", "AWS4-HMAC-SHA256 Credential=nobody")];
    assert!(call(&s3, "GET", "/k", &headers, b"").status >= 400);
}

#[tokio::test]
async fn traffic_is_counted() {
    let s3 = start().await;
    let mut raw = Raw::connect(&s3);
    raw.call("PUT", "/k", &[], &vec![7; 100_000]).unwrap();
    raw.call("GET", "/k", &[], b"").unwrap();
    assert!((100_000..101_000).contains(&s3.bytes_in()));
    // The client may have the bytes before the server has counted them.
    until(|| (100_000..101_000).contains(&s3.bytes_out()));
    assert_eq!((s3.open_connections(), s3.accepted_connections(), s3.count_all()), (1, 1, 2));
}

#[tokio::test]
async fn times_move_into_the_past() {
    let s3 = start().await;
    put(&s3, "/k", b"content");
    call(&s3, "POST", "/k?uploads", &[], b"");
    let (object, upload) = (s3.object("k").unwrap(), s3.pending_uploads().remove(0));
    let week = Duration::from_secs(7 * 24 * 3600);
    s3.age(week);
    assert_eq!(s3.object("k").unwrap().modified, object.modified - week);
    assert_eq!(s3.pending_uploads()[0].initiated, upload.initiated - week);
}

#[test]
fn the_program_takes_faults_in_lines() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_fake-s3"))
        .args(["--anonymous", "--bucket", "shelf"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = program.stdin.take().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    let address = line().strip_prefix("http://").unwrap().parse().unwrap();
    let mut ask = |command: &str| {
        writeln!(input, "{command}").unwrap();
        line()
    };
    assert_eq!(ask("fault PutObject nth=1 hold after"), "fault 1");
    let client = thread::spawn(move || {
        Raw::connect_to(address, "shelf").call("PUT", "/k", &[], b"content").unwrap().status
    });
    assert_eq!(ask("held 1"), "held 1");
    assert_eq!(ask("hits 1"), "hits 1 1");
    assert_eq!(ask("count PutObject"), "count PutObject 1");
    assert_eq!(ask("uploads"), "ok");
    assert!(ask("release 2").starts_with("error "));
    assert_eq!(ask("release 1"), "ok");
    assert_eq!(client.join().unwrap(), 200);
    program.kill().unwrap();
    program.wait().unwrap();
}
