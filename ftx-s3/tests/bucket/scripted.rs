//! A server whose answers a test writes itself.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ftx_s3::{Bucket, BucketConfig, CredentialSource, RetryPolicy, S3Credentials};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as a test sees it.
#[derive(Clone, Debug)]
pub(crate) struct SeenRequest {
    /// The method and the path with its own parameters, without those of the signature.
    pub(crate) line: String,
    head: String,
    pub(crate) body: String,
}

impl SeenRequest {
    /// Returns a parameter of the query as it was sent.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let query = self.head.lines().next()?.split(' ').nth(1)?.split_once('?')?.1;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(crate) struct ScriptedServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
}

impl ScriptedServer {
    /// Starts a server that answers each request with a whole answer of HTTP.
    pub(crate) async fn start(
        answer: impl Fn(&SeenRequest) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, seeing) = (Arc::new(answer), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seeing));
                tokio::spawn(async move {
                    let mut connection = ServedConnection { stream, rest: Vec::new() };
                    while let Some(request) = connection.read_request().await {
                        seen.lock().unwrap().push(request.clone());
                        let text = answer(&request);
                        if connection.stream.write_all(text.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn config(&self) -> BucketConfig {
        BucketConfig {
            endpoint: Some(format!("http://{}", self.address).parse().unwrap()),
            credentials: CredentialSource::Fixed(credentials()),
            retry: RetryPolicy { max_delay: std::time::Duration::ZERO, ..RetryPolicy::default() },
            ..BucketConfig::new("files")
        }
    }

    pub(crate) fn bucket(&self) -> Bucket {
        Bucket::connect(self.config()).unwrap()
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<SeenRequest> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|request| request.line).collect()
    }
}

pub(crate) fn credentials() -> S3Credentials {
    S3Credentials::new("the-access-key".into(), "the-secret".into(), Some("the-token".into()))
}

/// Returns an answer with a body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

pub(crate) fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

pub(crate) fn tagged(tag: &str) -> String {
    answer("200 OK", &format!("ETag: \"{tag}\"\r\n"), "")
}

pub(crate) fn error(status: &str, code: &str, message: &str) -> String {
    let xml = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    answer(status, "Content-Type: application/xml\r\n", &xml)
}

struct ServedConnection {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl ServedConnection {
    async fn read_request(&mut self) -> Option<SeenRequest> {
        let end = loop {
            if let Some(end) = self.rest.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more().await?;
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).unwrap();
        let mut request = SeenRequest { line: line_of(&head), head, body: String::new() };
        let len = request.header("content-length").map_or(0, |len| len.parse().unwrap());
        while self.rest.len() < len {
            self.read_more().await?;
        }
        request.body = String::from_utf8(self.rest.drain(..len).collect()).unwrap();
        Some(request)
    }

    async fn read_more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.rest).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

fn line_of(head: &str) -> String {
    let words: Vec<_> = head.lines().next().unwrap().split(' ').collect();
    let (path, query) = words[1].split_once('?').unwrap();
    let own: Vec<_> = query.split('&').filter(|pair| !pair.starts_with("X-Amz-")).collect();
    let mark = if own.is_empty() { "" } else { "?" };
    format!("{} {path}{mark}{}", words[0], own.join("&"))
}
