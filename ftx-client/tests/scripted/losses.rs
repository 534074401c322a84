//! Connections that are lost or silent: how soon a call ends, and with which error.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use ftx_client::blocking::BlockingClient;
use ftx_client::{ClientConfig, DialectChoice, ServerAddr, Status, TransferError};
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest, QString};
use ftx_core::native::Reason;
use ftx_core::native::blocks::BLOCK_BYTES;
use ftx_core::native::wire::{Entry, EntryKind, Meta, Reply, Request};
use ftx_tests::{Carrier, with_each_carrier};

use crate::native_peer::NativePeer;
use crate::server::{Listener, Peer, listen};
use crate::{SOON, config, name};

with_each_carrier!(
    a_silent_server_costs_one_timeout,
    a_server_that_dies_during_a_download_is_reported_as_the_loss,
    a_server_that_dies_during_an_upload_is_reported_as_the_loss,
);

/// The time for a silent server, which a test has to wait for.
const TIMEOUT: Duration = Duration::from_millis(400);

const DIALECTS: [DialectChoice; 3] =
    [DialectChoice::Auto, DialectChoice::Native, DialectChoice::Legacy];

fn retrying(carrier: Carrier, dialect: DialectChoice) -> ClientConfig {
    let mut config = config(carrier);
    config.dialect = dialect;
    (config.retries, config.min_backoff) = (3, Duration::from_millis(1));
    config
}

/// Uploads and downloads, each with a client of its own. Returns the errors.
fn failures(address: &ServerAddr, config: &ClientConfig) -> [TransferError; 2] {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    File::create(&path).unwrap().set_len(100).unwrap();
    let client = || BlockingClient::new(address.clone(), config.clone()).unwrap();
    let target = local.path().join("b.bin");
    [client().upload(&path, &name()).unwrap_err(), client().download(&name(), &target).unwrap_err()]
}

/// The backoff would take longer than the test.
#[test]
fn without_a_server_a_call_ends_at_once() {
    let (listener, address) = listen(Carrier::Plain);
    drop(listener);
    for dialect in DIALECTS {
        let mut config = retrying(Carrier::Plain, dialect);
        config.min_backoff = Duration::from_secs(3600);
        for error in failures(&address, &config) {
            assert_eq!(error.reason(), Reason::ConnectFailed, "{dialect:?}");
        }
    }
}

fn a_silent_server_costs_one_timeout(carrier: Carrier) {
    // The system accepts, and nobody answers.
    let (_listener, address) = listen(carrier);
    for dialect in DIALECTS {
        let mut config = retrying(carrier, dialect);
        config.timeout = TIMEOUT;
        config.min_backoff = Duration::from_secs(3600);
        let begun = Instant::now();
        for error in failures(&address, &config) {
            assert_eq!(error.reason(), Reason::TimedOut, "{dialect:?}");
        }
        assert!(begun.elapsed() >= 2 * TIMEOUT && begun.elapsed() < SOON);
    }
}

/// The server is gone after some bytes, which later attempts find out. The loss is the error.
fn a_server_that_dies_during_a_download_is_reported_as_the_loss(carrier: Carrier) {
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || {
        let mut peer = Peer::accept(&listener);
        let LegacyRequest::DownloadHeader { .. } = peer.request() else { panic!() };
        let (status, md5, extended) = (Status::Ok, QString::NULL, false);
        peer.reply(&LegacyReply::DownloadHeader { status, pos: 0, len: 1000, md5, extended });
        let LegacyRequest::DownloadContent { .. } = peer.request() else { panic!() };
        drop(listener);
        peer.send(&[7; 100]);
    });
    let local = tempfile::tempdir().unwrap();
    let mut client =
        BlockingClient::new(address, retrying(carrier, DialectChoice::Legacy)).unwrap();
    let error = client.download(&name(), &local.path().join("a.bin")).unwrap_err();
    assert_eq!((error.reason(), error.status()), (Reason::ConnectionLost, Status::Timeout));
    server.join().unwrap();
}

/// The same in the native dialect, for an upload.
fn a_server_that_dies_during_an_upload_is_reported_as_the_loss(carrier: Carrier) {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    File::create(&path).unwrap().set_len(2 * BLOCK_BYTES).unwrap();
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        let id = peer.offered(2 * BLOCK_BYTES);
        drop(listener);
        peer.block(id);
    });
    let mut client =
        BlockingClient::new(address, retrying(carrier, DialectChoice::Native)).unwrap();
    let error = client.upload(&path, &name()).unwrap_err();
    assert_eq!(error.reason(), Reason::ConnectionLost, "{error}");
    server.join().unwrap();
}

/// A firewall has forgotten the idle connection. A new one is tried within the same timeout.
#[test]
fn a_silent_idle_connection_leaves_time_for_a_new_one() {
    for answers in [true, false] {
        let (listener, address) = listen(Carrier::Plain);
        let server = thread::spawn(move || {
            let mut peer = NativePeer::accept(&listener);
            answer(&mut peer);
            let _silent = peer.request().unwrap();
            if answers {
                answer(&mut NativePeer::accept(&listener));
            } else {
                silent(&listener);
            }
        });
        let mut config = config(Carrier::Plain);
        (config.dialect, config.timeout) = (DialectChoice::Native, 4 * TIMEOUT);
        let mut client = BlockingClient::new(address, config).unwrap();
        client.stat(&name()).unwrap();
        let second = client.stat(&name()).map_err(|error| error.reason());
        assert_eq!(second.map(|_| ()), if answers { Ok(()) } else { Err(Reason::TimedOut) });
        drop(client);
        server.join().unwrap();
    }
}

fn answer(peer: &mut NativePeer) {
    let Some((id, Request::Stat { .. })) = peer.request() else { panic!() };
    let meta = Meta::default();
    peer.reply(id, &Reply::Entry(Entry { name: name(), kind: EntryKind::File, size: 1, meta }));
}

/// Accepts, and says nothing until the client leaves.
fn silent(listener: &Listener) {
    let mut stream = listener.accept();
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}
