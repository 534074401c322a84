//! A client that reports whatever it reads.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use ftx_fake_s3::{FakeS3, StoreSettings};

/// Far more than anything takes here.
const DEADLINE: Duration = Duration::from_secs(60);

/// Starts a server that takes requests without a signature.
pub(crate) async fn start() -> FakeS3 {
    FakeS3::start_with(StoreSettings { allow_anonymous: true, ..StoreSettings::default() }).await
}

/// An answer, or the part of it that arrived before the connection ended.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the text of the first element with this name.
    pub(crate) fn element(&self, name: &str) -> String {
        self.elements(name).into_iter().next().unwrap_or_default()
    }

    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let rest = text.split(open.as_str()).skip(1);
        rest.map(|rest| rest.split(close.as_str()).next().unwrap().to_owned()).collect()
    }

    /// Returns the status and the code of an error.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.element("Code"))
    }

    pub(crate) fn tag(&self) -> String {
        self.headers["etag"].clone()
    }
}

/// A connection to the server.
pub(crate) struct Raw {
    stream: TcpStream,
    bucket: String,
}

impl Raw {
    pub(crate) fn connect(s3: &FakeS3) -> Self {
        Self::connect_to(s3.address(), s3.bucket())
    }

    pub(crate) fn connect_to(address: SocketAddr, bucket: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream, bucket: bucket.to_owned() }
    }

    /// Sends a request for `key?query` in the bucket, and reads the answer.
    pub(crate) fn call(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        self.send(method, target, headers, body)?;
        self.read(method == "HEAD")
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let bucket = &self.bucket;
        let mut head = format!("{method} /{bucket}{target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(body)
    }

    /// Reads an answer. One that breaks off in its body is returned as far as it came.
    pub(crate) fn read(&mut self, is_head: bool) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if !is_head && status != 204 && status != 304 {
            let len = answer.headers.get("content-length").map_or(0, |len| len.parse().unwrap());
            (&mut self.stream).take(len).read_to_end(&mut answer.body)?;
        }
        Ok(answer)
    }
}

/// Sends one request on a connection of its own.
pub(crate) fn call(
    s3: &FakeS3,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    Raw::connect(s3).call(method, target, headers, body).unwrap()
}

pub(crate) fn put(s3: &FakeS3, target: &str, body: &[u8]) -> Answer {
    call(s3, "PUT", target, &[], body)
}

pub(crate) fn get(s3: &FakeS3, target: &str) -> Answer {
    call(s3, "GET", target, &[], b"")
}

/// Asks again and again until the condition holds.
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE);
        thread::sleep(Duration::from_millis(1));
    }
}
