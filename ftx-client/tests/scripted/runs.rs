//! Run ids, source tokens, and waiting for another run.

use std::fs::File;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use ftx_client::blocking::BlockingClient;
use ftx_client::{
    DialectChoice, Event, Observer, RemoteName, ServerAddr, TransferError, Transferred,
};
use ftx_client::{FileUpload, Watch};
use ftx_core::native::Reason;
use ftx_core::native::blocks::BLOCK_BYTES;
use ftx_core::native::wire::{Reply, Request, Token};
use tempfile::TempDir;

use crate::native_peer::{NativePeer, ready};
use crate::server::listen;
use crate::{config, name};

const LEN: u64 = 2 * BLOCK_BYTES;

fn client(address: ServerAddr, timeout: Duration) -> BlockingClient {
    let mut config = config();
    config.dialect = DialectChoice::Native;
    config.streams = Some(NonZeroUsize::MIN);
    config.timeout = timeout;
    config.retries = 1;
    BlockingClient::new(address, config).unwrap()
}

fn file_in(dir: &TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    File::create(&path).unwrap().set_len(LEN).unwrap();
    path
}

/// Uploads a file over a connection that is lost once. Returns its run id and source token.
fn uploaded(path: &Path) -> (Token, Option<Token>) {
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        let accept = || {
            let mut peer = NativePeer::accept(&listener);
            let Some((id, Request::Offer { run, source, .. })) = peer.request() else { panic!() };
            (peer, id, (run, source))
        };
        let (lost, _, first) = accept();
        drop(lost);
        let (mut peer, id, second) = accept();
        peer.reply(id, &ready(0));
        peer.stored(id, 0..2);
        assert!(first == second, "the second attempt has another run or source");
        first
    });
    client(address, config().timeout).upload(path, &name()).unwrap();
    server.join().unwrap()
}

#[test]
fn attempts_share_a_run_and_runs_of_one_file_share_a_source() {
    let local = tempfile::tempdir().unwrap();
    let (path, other) = (file_in(&local, "a.bin"), file_in(&local, "b.bin"));
    let (run, source) = uploaded(&path);
    let (next_run, same) = uploaded(&path);
    assert!(source.is_some() && same == source && next_run != run);
    assert!(uploaded(&other).1 != source);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    assert!(uploaded(&path).1 != source);
}

/// Waits for longer than the timeout.
#[test]
fn a_client_that_waits_reports_it() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let local = tempfile::tempdir().unwrap();
    let path = file_in(&local, "a.bin");
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        let Some((id, Request::Offer { .. })) = peer.request() else { panic!() };
        peer.reply(id, &Reply::Waiting);
        for done in 0..6 {
            // The test is about this pause.
            thread::sleep(TIMEOUT / 4);
            peer.reply(id, &Reply::Working { done, total: LEN });
        }
        peer.reply(id, &ready(0));
        peer.stored(id, 0..2);
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let mut client = client(address, TIMEOUT);
    client.set_observer(Observer::new(move |event| {
        let text = match event {
            Event::Waiting => "waiting",
            Event::Started { .. } => "started",
            Event::Retrying { .. } => "retrying",
            _ => return,
        };
        tell.lock().unwrap().push(text);
    }));
    client.upload(&path, &name()).unwrap();
    server.join().unwrap();
    assert_eq!(*told.lock().unwrap(), ["waiting", "started"]);
}

/// It fails more often than there are retries, but each time after it had joined the line.
#[test]
fn waiting_uses_up_no_retries() {
    for is_lost in [true, false] {
        let local = tempfile::tempdir().unwrap();
        let path = file_in(&local, "a.bin");
        let (listener, address) = listen();
        let server = thread::spawn(move || {
            let mut peer = NativePeer::accept(&listener);
            for _ in 0..4 {
                let Some((id, Request::Offer { .. })) = peer.request() else { panic!() };
                peer.reply(id, &Reply::Waiting);
                peer.reply(id, &Reply::Working { done: 0, total: LEN });
                if is_lost {
                    drop(peer);
                    peer = NativePeer::accept(&listener);
                } else {
                    peer.reply(id, &Reply::failed(Reason::TakenOver, "another run takes over"));
                }
            }
            let id = peer.offered(LEN);
            peer.stored(id, 0..2);
        });
        client(address, config().timeout).upload(&path, &name()).unwrap();
        server.join().unwrap();
    }
}

struct Done(usize);

impl Watch for Done {
    fn begin(&mut self, _: usize) -> Observer {
        Observer::default()
    }

    fn end(&mut self, _: usize, result: Result<Transferred, TransferError>) {
        result.unwrap();
        self.0 += 1;
    }
}

/// More files than are usually offered at a time.
#[test]
fn waiting_files_do_not_block_the_other_files() {
    const FILES: usize = 12;
    const WAITING: usize = 9;
    let local = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..FILES)
        .map(|index| {
            let name = format!("{index}.bin");
            FileUpload {
                path: file_in(&local, &name).into(),
                name: RemoteName::parse(&name).unwrap(),
            }
        })
        .collect();
    let (listener, address) = listen();
    let server = thread::spawn(move || serve(&listener, WAITING, FILES));
    let mut done = Done(0);
    client(address, config().timeout).upload_all(&files, false, &mut done).unwrap();
    server.join().unwrap();
    assert_eq!(done.0, FILES);
}

/// Makes the first files wait until all the other files are stored.
fn serve(listener: &TcpListener, waiting: usize, all: usize) {
    let mut peer = NativePeer::accept(listener);
    let mut line = Vec::new();
    let mut stored = 0;
    while stored < all {
        let (header, payload) = peer.frame().expect("the client has left");
        let id = header.request;
        match Request::decode(&header, &payload) {
            Ok(Request::Offer { .. }) if line.len() < waiting => {
                peer.reply(id, &Reply::Waiting);
                line.push(id);
            }
            Ok(Request::Offer { .. }) => peer.reply(id, &ready(0)),
            Ok(Request::Commit { digest }) => {
                stored += 1;
                peer.reply(id, &Reply::Done { digest, unchanged: false });
                if stored == all - waiting {
                    for &id in &line {
                        peer.reply(id, &ready(0));
                    }
                }
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => {
                let index = payload.first_chunk().map(|index| u64::from_le_bytes(*index)).unwrap();
                peer.reply(id, &Reply::Stored { index });
            }
        }
    }
}
