//! Servers that send while the client sends.

use std::io::Write as _;
use std::thread;

use ftx_client::DialectChoice;
use ftx_client::blocking::BlockingClient;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, Digest};
use ftx_core::native::wire::{GetScope, Meta, Reply, Request, Version};
use ftx_tests::{Carrier, with_each_carrier};

use crate::native::upload;
use crate::native_peer::{NativePeer, ready};
use crate::server::listen;
use crate::{config, name};

with_each_carrier!(
    a_server_that_floods_while_the_client_sends_is_left,
    a_server_may_answer_at_length_while_the_client_sends,
    the_manifest_of_a_file_without_room_is_skipped,
);

/// Blocks of a file that exceeds the buffers of a connection.
const BLOCKS: u64 = 64;

/// A window that is larger than the client's own.
const WINDOW: u64 = 1 << 40;

/// Far more than the client and the buffers of a connection keep.
const ENDLESS_BYTES: usize = 96 * 1024 * 1024;

/// The client cannot know that the server stopped reading, and keeps the frames that arrive meanwhile.
fn a_server_that_floods_while_the_client_sends_is_left(carrier: Carrier) {
    let floods = [
        (Reply::Pong { payload: 7 }, 20_000),
        (Reply::failed(Reason::IoError, "x".repeat(512 * 1024)), 1),
    ];
    for (reply, times) in floods {
        let results = upload(carrier, &[BLOCKS], 1, false, move |listener| {
            let mut peer = NativePeer::accept_window(&listener, WINDOW);
            peer.offered(BLOCKS * BLOCK_BYTES);
            // Replies to a request that was never sent.
            let flood = reply.encode(9999).unwrap().repeat(times);
            let mut sent = 0;
            while sent < ENDLESS_BYTES && peer.0.write_all(&flood).is_ok() {
                sent += flood.len();
            }
            assert!(sent < ENDLESS_BYTES, "the client takes all of it");
        });
        let [(0, Err(error))] = results.as_slice() else { panic!("{results:?}") };
        assert_eq!(error.reason(), Reason::LimitExceeded, "{error}");
    }
}

/// It lists its blocks of the second file in the most wasteful form, and reads nothing of the first
/// file before that.
fn a_server_may_answer_at_length_while_the_client_sends(carrier: Carrier) {
    const LARGE: u64 = 60_000;
    let results = upload(carrier, &[BLOCKS, LARGE], 1, true, |listener| {
        let mut peer = NativePeer::accept_window(&listener, WINDOW);
        let [first, second] = [(); 2].map(|()| {
            let Some((id, Request::Offer { .. })) = peer.request() else { panic!() };
            id
        });
        peer.reply(first, &ready(0));
        let have = |first| Reply::Have { first, blocks: vec![Some(Cv([1; 32]))] };
        let haves: Vec<u8> =
            (0..LARGE).flat_map(|index| have(index).encode(second).unwrap()).collect();
        peer.0.write_all(&haves).unwrap();
        peer.reply(second, &Reply::failed(Reason::NoSpace, "no room for it"));
        peer.stored(first, 0..BLOCKS);
        assert!(peer.request().is_none());
    });
    let [(1, Err(error)), (0, Ok(_))] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!(error.reason(), Reason::NoSpace, "{error}");
}

/// A manifest takes 32 bytes for each block of the size that the server claims.
fn the_manifest_of_a_file_without_room_is_skipped(carrier: Carrier) {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    std::fs::write(&path, "something to compare with").unwrap();
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        let Some((id, Request::Get { what: GetScope::Manifest, .. })) = peer.request() else {
            panic!()
        };
        let (meta, version) = (Meta::default(), Version([1; 16]));
        peer.reply(id, &Reply::Found { size: u64::MAX >> 1, meta, version });
        peer.reply(id, &Reply::Cvs { first: 0, cvs: vec![Cv([1; 32]); 100] });
        peer.reply(id, &Reply::End { digest: Some(Digest([1; 32])) });
        // The client has finished and leaves.
        while peer.request().is_some() {}
    });
    let mut config = config(carrier);
    config.dialect = DialectChoice::Native;
    let mut client = BlockingClient::new(address, config).unwrap();
    let error = client.download(&name(), &path).unwrap_err();
    assert_eq!(error.reason(), Reason::LocalNoSpace, "{error}");
    drop(client);
    server.join().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "something to compare with");
}
