//! A server for tests that speaks HTTP byte by byte, and a clock that runs fast.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Lets the paused clock of a test run, a second in a few milliseconds.
///
/// By itself, a paused clock jumps to the next timer whenever the test waits for the system, which moves
/// bytes between sockets in its own time. A job that blocks keeps it from that.
pub(crate) fn run_fast_clock() {
    tokio::spawn(async {
        while tokio::task::spawn_blocking(|| thread::sleep(Duration::from_millis(4))).await.is_ok()
        {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    });
}

/// A server that hands each connection and its number to a function.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl TestServer {
    pub(crate) async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(TestConnection, usize) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(TestConnection { stream, rest: Vec::new() }, number));
            }
        });
        Self { address, connections }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A connection at the server.
pub(crate) struct TestConnection {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl TestConnection {
    /// Reads the head of a request. Returns `None` if the client has closed the connection.
    pub(crate) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.windows(4).position(|part| part == b"\r\n\r\n") {
                let head: Vec<u8> = self.rest.drain(..end + 4).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            match self.stream.read_buf(&mut self.rest).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Reads so many bytes of a body. Returns whether they have come.
    pub(crate) async fn body(&mut self, bytes: usize) -> bool {
        while self.rest.len() < bytes {
            match self.stream.read_buf(&mut self.rest).await {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
        }
        self.rest.drain(..bytes);
        true
    }

    pub(crate) async fn send(&mut self, text: &str) {
        // A client that has gone is not the server's concern.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Answers with a body.
    pub(crate) async fn answer(&mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(&format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
            .await;
    }
}
