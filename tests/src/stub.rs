//! A server of the native dialect that sends replies made up by a test, true or not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use ftx_core::native::wire::{
    FrameHeader, FrameKind, HEADER_BYTES, PREFACE_BYTES, Reply, Request, Token, VERSION,
    server_preface,
};

type Answer = dyn Fn(u32, &Request) -> Vec<u8> + Send + Sync;

/// A stub server on a free port of the loopback interface that greets each client as a server does.
#[derive(Debug)]
pub struct Stub {
    addr: SocketAddr,
    ended: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Stub {
    /// Starts it: for each request and its id, it sends the bytes that `answer` gives.
    ///
    /// # Panics
    /// If it cannot listen.
    #[must_use]
    pub fn start(answer: impl Fn(u32, &Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let (answer, stop): (Arc<Answer>, _) = (Arc::new(answer), Arc::clone(&ended));
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Relaxed) {
                    return;
                }
                let (stream, answer) = (stream.unwrap(), Arc::clone(&answer));
                // Ends with its client.
                thread::spawn(move || serve(stream, &*answer));
            }
        });
        Self { addr, ended, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        // Wakes it.
        let _ = TcpStream::connect(self.addr);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// `None` when the client is gone.
fn serve(mut stream: TcpStream, answer: &Answer) -> Option<()> {
    stream.read_exact(&mut [0; PREFACE_BYTES]).ok()?;
    request(&mut stream)?;
    let welcome = Reply::Welcome {
        version: VERSION,
        features: Vec::new(),
        agent: "stub".to_owned(),
        session: Token([7; 16]),
        window: 8 << 20,
        requests: 1024,
    };
    let welcome = welcome.encode(0).unwrap();
    stream.write_all(&[&server_preface(VERSION)[..], &welcome].concat()).ok()?;
    loop {
        let (id, request) = request(&mut stream)?;
        stream.write_all(&answer(id, &request)).ok()?;
    }
}

fn request(stream: &mut TcpStream) -> Option<(u32, Request)> {
    let mut head = [0; HEADER_BYTES];
    stream.read_exact(&mut head).ok()?;
    let header = FrameHeader::decode(&head).unwrap();
    let mut payload = vec![0; header.len as usize];
    stream.read_exact(&mut payload).ok()?;
    Some((header.request, Request::decode(&header, &payload).unwrap()))
}

/// The answer to a `List`: empty files of these names, written as PROTOCOL.md says, as no names are
/// checked so.
#[must_use]
pub fn listing(id: u32, names: &[&str]) -> Vec<u8> {
    let mut record = [&9_u32.to_le_bytes()[..], &(names.len() as u64).to_le_bytes()].concat();
    for name in names {
        record.extend(entry(name));
    }
    record.push(0);
    frame(id, &record)
}

/// The answer to a `Stat`: an empty file of that name.
#[must_use]
pub fn found(id: u32, name: &str) -> Vec<u8> {
    frame(id, &[&8_u32.to_le_bytes()[..], &entry(name)].concat())
}

/// Name, kind 0, size 0, no time, not executable.
fn entry(name: &str) -> Vec<u8> {
    let len = (name.len() as u64).to_le_bytes();
    [&len[..], name.as_bytes(), &[0; 4], &[0; 8], &[0; 2]].concat()
}

fn frame(id: u32, record: &[u8]) -> Vec<u8> {
    let header = FrameHeader::new(FrameKind::Control, id, record.len() as u64).unwrap();
    [&header.encode()[..], record].concat()
}
