//! Cancelling while files are hashed, and the aftermath of failures, in the native dialect.

use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_client::blocking::BlockingClient;
use ftx_client::{
    Cancel, DialectChoice, Event, FileDownload, FileUpload, Observer, RemoteName, ServerAddr,
    TransferError, Transferred, Watch,
};
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest, Manifest};
use ftx_core::native::wire::{BlockHead, FileHead, GetScope, Meta, Reply, Request, Version};
use ftx_store::{Journal, JournalRecord, hash_blocks};
use ftx_tests::{Carrier, with_each_carrier};

use crate::native_peer::{NativePeer, ready};
use crate::server::{Listener, listen};
use crate::{SOON, config, name};

with_each_carrier!(
    a_file_that_fails_for_now_ends_no_other,
    a_small_file_that_arrives_damaged_is_requested_again,
    an_extra_connection_without_a_handshake_delays_nothing,
    each_file_that_was_begun_is_ended,
    losing_an_idle_extra_connection_ends_nothing,
    a_connection_with_stale_replies_is_not_reused,
);

/// Long enough that a cancellation comes before the end of the hashing.
const BLOCKS: u64 = 256;
const LEN: u64 = BLOCKS * BLOCK_BYTES;

/// The manifest of a file of zeros.
fn manifest(path: &Path) -> Manifest {
    let all = BlockRange { first: 0, count: BLOCKS };
    let cvs = hash_blocks(&File::open(path).unwrap(), LEN, all, None, &mut |_| true);
    Manifest::new(LEN, cvs.unwrap().unwrap()).unwrap()
}

/// Runs `transfer` against `server`, and cancels it as soon as some of the file is hashed. Returns the
/// bytes hashed in the end.
fn stopped(
    server: impl FnOnce(NativePeer) + Send + 'static,
    transfer: impl FnOnce(&mut BlockingClient) -> Result<Transferred, TransferError>,
) -> u64 {
    let (listener, address) = listen(Carrier::Plain);
    let server = thread::spawn(move || server(NativePeer::accept(&listener)));
    let hashed = Arc::new(Mutex::new(0));
    let mut client = client(Carrier::Plain, address, Arc::clone(&hashed));
    let result = transfer(&mut client);
    assert!(matches!(&result, Err(error) if error.is_cancelled()), "{result:?}");
    drop(client);
    server.join().unwrap();
    let hashed = hashed.lock().unwrap();
    *hashed
}

fn client(carrier: Carrier, address: ServerAddr, hashed: Arc<Mutex<u64>>) -> BlockingClient {
    let mut config = config(carrier);
    config.dialect = DialectChoice::Native;
    config.streams = Some(NonZeroUsize::MIN);
    let mut client = BlockingClient::new(address, config).unwrap();
    let cancel: Cancel = client.cancel();
    client.set_observer(Observer::new(move |event| {
        if let Event::Hashing { done: done @ 1.., .. } | Event::Progress { done, .. } = *event {
            *hashed.lock().unwrap() = done;
            cancel.cancel();
        }
    }));
    client
}

/// The client waits for nothing meanwhile, since the server has all blocks.
#[test]
fn comparing_an_upload_with_the_servers_file_can_be_stopped() {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    File::create(&path).unwrap().set_len(LEN).unwrap();
    let held = manifest(&path);
    let hashed = stopped(
        move |mut peer| {
            let Some((id, Request::Offer { size: LEN, .. })) = peer.request() else { panic!() };
            let blocks = held.cvs().iter().copied().map(Some).collect();
            peer.reply(id, &Reply::Have { first: 0, blocks });
            peer.reply(id, &ready(LEN));
            assert!(
                !matches!(peer.request(), Some((_, Request::Commit { .. }))),
                "it is not stopped"
            );
        },
        |client| client.upload(&path, &name()),
    );
    assert!(hashed < LEN, "it was hashed to the end");
}

/// A staging of the legacy dialect has no chaining values, so all of it is read.
#[test]
fn comparing_a_download_with_the_local_file_can_be_stopped_and_loses_nothing() {
    let local = tempfile::tempdir().unwrap();
    let part = local.path().join("a.bin.ftxpart");
    File::create(&part).unwrap().set_len(LEN).unwrap();
    let dir = Dir::open_ambient_dir(local.path(), ambient_authority()).unwrap();
    let mut journal = Journal::create(&dir, Path::new("a.bin.ftxpart.journal")).unwrap();
    let begin = JournalRecord::Begin { name: "a.bin".to_owned(), boot: None, created_unix: 0 };
    journal.append(&begin).unwrap();
    let theirs = manifest(&part);
    let hashed = stopped(
        move |mut peer| {
            let Some((id, Request::Get { .. })) = peer.request() else { panic!() };
            let meta = Meta::default();
            peer.reply(id, &Reply::Found { size: LEN, meta, version: Version([1; 16]) });
            peer.reply(id, &Reply::Cvs { first: 0, cvs: theirs.cvs().to_vec() });
            peer.reply(id, &Reply::End { digest: Some(theirs.digest()) });
            assert!(peer.request().is_none(), "it sends another request");
        },
        |client| client.download(&name(), &local.path().join("a.bin")),
    );
    assert!(hashed < LEN, "it was hashed to the end");
    assert_eq!(fs::metadata(&part).unwrap().len(), LEN, "it is not kept");
    assert!(matches!(
        Journal::peek(&dir, Path::new("a.bin.ftxpart.journal")),
        Ok(Some(JournalRecord::Begin { .. }))
    ));
}

/// Files of zeros with these numbers of blocks.
fn files(dir: &Path, blocks: &[u64]) -> Vec<FileUpload> {
    let file = |(index, blocks): (usize, &u64)| {
        let path = dir.join(index.to_string());
        File::create(&path).unwrap().set_len(blocks * BLOCK_BYTES).unwrap();
        FileUpload { name: RemoteName::parse(&index.to_string()).unwrap(), path: path.into() }
    };
    blocks.iter().enumerate().map(file).collect()
}

/// Uploads files to `server`, and returns their results in the order of their ends.
pub(crate) fn upload(
    carrier: Carrier,
    blocks: &[u64],
    streams: usize,
    keep_going: bool,
    server: impl FnOnce(Listener) + Send + 'static,
) -> Vec<(usize, Result<Transferred, TransferError>)> {
    let local = tempfile::tempdir().unwrap();
    let files = files(local.path(), blocks);
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || server(listener));
    let mut config = config(carrier);
    config.dialect = DialectChoice::Native;
    config.streams = NonZeroUsize::new(streams);
    let mut client = BlockingClient::new(address, config).unwrap();
    let mut results = Results::default();
    client.upload_all(&files, keep_going, &mut results).unwrap();
    drop(client);
    server.join().unwrap();
    results.0
}

/// A retry may help the first file. It must wait for the other files, not they for it.
fn a_file_that_fails_for_now_ends_no_other(carrier: Carrier) {
    for keep_going in [false, true] {
        let results = upload(carrier, &[2, 2, 2], 1, keep_going, |listener| {
            let mut peer = NativePeer::accept(&listener);
            let [first, others @ ..] = [(); 3].map(|()| {
                let Some((id, Request::Offer { .. })) = peer.request() else { panic!() };
                id
            });
            peer.reply(first, &Reply::failed(Reason::Busy, "somebody else writes to it"));
            for id in others {
                peer.reply(id, &ready(0));
                peer.stored(id, 0..2);
            }
        });
        let [(1, Ok(_)), (2, Ok(_)), (0, Err(error))] = results.as_slice() else {
            panic!("{results:?}")
        };
        assert_eq!(error.reason(), Reason::Busy);
    }
}

/// The first time it arrives damaged. The server's own digest may be wrong, so it must read the file
/// again.
fn a_small_file_that_arrives_damaged_is_requested_again(carrier: Carrier) {
    let local = tempfile::tempdir().unwrap();
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        let (size, digest) = (5, Digest::of(b"hello"));
        let (meta, version) = (Meta::default(), Version([1; 16]));
        let Some((id, Request::Get { what: GetScope::Whole, .. })) = peer.request() else {
            panic!()
        };
        let head = FileHead::Got { meta, version }.encode(id, size).unwrap();
        peer.0.write_all(&[&head[..], b"hello", &[0; 32]].concat()).unwrap();

        let Some((id, Request::Get { what, .. })) = peer.request() else { panic!() };
        assert_eq!(what, GetScope::FreshManifest);
        peer.reply(id, &Reply::Found { size, meta, version });
        // The only block of a file has the value of the file.
        peer.reply(id, &Reply::Cvs { first: 0, cvs: vec![Cv(digest.0)] });
        peer.reply(id, &Reply::End { digest: Some(digest) });

        let Some((id, Request::Get { what: GetScope::Blocks(_), .. })) = peer.request() else {
            panic!()
        };
        peer.reply(id, &Reply::Found { size, meta, version });
        let head = BlockHead { index: 0, len: size }.encode(id).unwrap();
        peer.0.write_all(&[&head[..], b"hello", &digest.0].concat()).unwrap();
        peer.reply(id, &Reply::End { digest: None });
        assert!(peer.request().is_none());
    });
    let mut config = config(carrier);
    config.dialect = DialectChoice::Native;
    config.retries = 1;
    let mut client = BlockingClient::new(address, config).unwrap();
    let path = local.path().join("a.bin");
    let listed = FileDownload { name: name(), path: path.as_path().into(), size: Some(5) };
    let mut results = Results::default();
    client.download_all(&[listed], false, &mut results).unwrap();
    drop(client);
    server.join().unwrap();
    assert!(matches!(results.0.as_slice(), [(0, Ok(_))]), "{results:?}");
    assert_eq!(fs::read(path).unwrap(), b"hello");
}

/// It has nothing left to do.
fn an_extra_connection_without_a_handshake_delays_nothing(carrier: Carrier) {
    let begun = Instant::now();
    let results = upload(carrier, &[8], 2, false, |listener| {
        let mut peer = NativePeer::accept(&listener);
        // The system accepts the other connection, but the server never answers it.
        let id = peer.offered(8 * BLOCK_BYTES);
        peer.stored(id, 0..8);
        // Until then the other connection stays open.
        assert!(peer.request().is_none());
    });
    assert!(matches!(results.as_slice(), [(0, Ok(_))]), "{results:?}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

/// Each file under way is reported when the connection is lost for good.
fn each_file_that_was_begun_is_ended(carrier: Carrier) {
    let mut results = upload(carrier, &[2, 2, 2], 1, false, |listener| {
        let mut peer = NativePeer::accept(&listener);
        for _ in 0..3 {
            assert!(matches!(peer.request(), Some((_, Request::Offer { .. }))));
        }
    });
    results.sort_by_key(|(file, _)| *file);
    assert!(matches!(results.as_slice(), [(0, Err(_)), (1, Err(_)), (2, Err(_))]), "{results:?}");
}

/// It has nothing to do, so the server may end it.
fn losing_an_idle_extra_connection_ends_nothing(carrier: Carrier) {
    let results = upload(carrier, &[8], 2, false, |listener| {
        let mut peer = NativePeer::accept(&listener);
        let Some((id, Request::Offer { .. })) = peer.request() else { panic!() };
        // Its handshake comes only now, because the first ready connection takes the file.
        let mut extra = NativePeer::accept(&listener);
        extra.reply(0, &Reply::goodbye(Reason::ShuttingDown, "later"));
        assert!(extra.request().is_none());
        peer.reply(id, &ready(0));
        peer.stored(id, 0..8);
    });
    assert!(matches!(results.as_slice(), [(0, Ok(_))]), "{results:?}");
}

/// Stale replies to a failed upload may still arrive on its connection.
fn a_connection_with_stale_replies_is_not_reused(carrier: Carrier) {
    let local = tempfile::tempdir().unwrap();
    let file = files(local.path(), &[2]).remove(0);
    let (listener, address) = listen(carrier);
    let path = file.path.path().to_owned();
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        let id = peer.offered(2 * BLOCK_BYTES);
        (0..2).for_each(|_| peer.block(id));
        File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
        (0..2).for_each(|index| peer.reply(id, &Reply::Stored { index }));
        // The client may abandon the upload before it leaves.
        while peer.request().is_some() {}
        let mut peer = NativePeer::accept(&listener);
        let Some((id, Request::Remove { .. })) = peer.request() else { panic!() };
        peer.reply(id, &Reply::Removed);
    });
    let mut client = client(carrier, address, Arc::default());
    client.set_observer(Observer::default());
    let result = client.upload(file.path.path(), &file.name);
    assert!(matches!(&result, Err(error) if error.reason() == Reason::LocalChanged), "{result:?}");
    client.remove(&file.name).unwrap();
    server.join().unwrap();
}

/// The results of files, in the order of their ends.
#[derive(Debug, Default)]
struct Results(Vec<(usize, Result<Transferred, TransferError>)>);

impl Watch for Results {
    fn begin(&mut self, _: usize) -> Observer {
        Observer::default()
    }

    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>) {
        self.0.push((file, result));
    }
}
