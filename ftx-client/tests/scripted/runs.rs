//! Run ids, source tokens, and waiting for another run.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use ftx_client::blocking::BlockingClient;
use ftx_client::{DialectChoice, ServerAddr};
use ftx_core::native::Reason;
use ftx_core::native::blocks::BLOCK_BYTES;
use ftx_core::native::wire::{Reply, Request, Token};
use ftx_tests::{Carrier, with_each_carrier};
use tempfile::TempDir;

use crate::native_peer::{NativePeer, ready};
use crate::server::listen;
use crate::{config, name};

with_each_carrier!(waiting_uses_up_no_retries,);

const LEN: u64 = 2 * BLOCK_BYTES;

fn client(carrier: Carrier, address: ServerAddr) -> BlockingClient {
    let mut config = config(carrier);
    config.dialect = DialectChoice::Native;
    config.streams = Some(NonZeroUsize::MIN);
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
    let (listener, address) = listen(Carrier::Plain);
    let server = thread::spawn(move || {
        let accept = || {
            let mut peer = NativePeer::accept(&listener);
            let Some((id, Request::Offer { run, source, .. })) = peer.request() else { panic!() };
            peer.reply(id, &ready(0));
            (peer, id, (run, source))
        };
        let (mut lost, id, first) = accept();
        lost.block(id);
        drop(lost);
        let (mut peer, id, second) = accept();
        peer.stored(id, 0..2);
        assert!(first == second, "the second attempt has another run or source");
        first
    });
    client(Carrier::Plain, address).upload(path, &name()).unwrap();
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

/// It fails more often than there are retries, but each time after it had joined the line.
fn waiting_uses_up_no_retries(carrier: Carrier) {
    for is_lost in [true, false] {
        let local = tempfile::tempdir().unwrap();
        let path = file_in(&local, "a.bin");
        let (listener, address) = listen(carrier);
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
        client(carrier, address).upload(&path, &name()).unwrap();
        server.join().unwrap();
    }
}
