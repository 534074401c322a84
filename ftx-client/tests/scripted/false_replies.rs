//! Servers whose replies do not fit the request.

use std::fs::File;
use std::thread::{self, JoinHandle};

use ftx_client::blocking::BlockingClient;
use ftx_client::{DialectChoice, TransferError};
use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, Digest};
use ftx_core::native::wire::{Entry, EntryKind, Listed, Meta, Reply, Request};
use ftx_tests::{Carrier, with_each_carrier};

use crate::native_peer::NativePeer;
use crate::server::listen;
use crate::{config, name};

with_each_carrier!(
    of_a_page_with_a_bad_name_nothing_is_shown,
    a_listing_in_pages_is_shown_to_its_end,
    a_reply_about_another_name_is_refused,
    a_server_that_stored_other_bytes_is_not_believed,
    the_texts_of_a_server_are_escaped_and_shortened,
);

fn entry(name: &str, kind: EntryKind) -> Entry {
    Entry { name: name.parse().unwrap(), kind, size: 1, meta: Meta::default() }
}

fn page(names: &[&str], more: bool) -> Reply {
    let entries = names.iter().map(|name| Listed::Entry(entry(name, EntryKind::File))).collect();
    Reply::Entries { entries, more }
}

/// A client, and a server that gives these replies, one to each request of one connection. After the
/// last one the client must leave the connection.
fn setting(carrier: Carrier, answers: Vec<Reply>) -> (BlockingClient, JoinHandle<Vec<Request>>) {
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        let requests = answers.iter().map(|answer| {
            let (id, request) = peer.request().unwrap();
            peer.reply(id, answer);
            request
        });
        let requests = requests.collect();
        assert!(peer.request().is_none(), "it sends another request");
        requests
    });
    let mut config = config(carrier);
    config.dialect = DialectChoice::Native;
    (BlockingClient::new(address, config).unwrap(), server)
}

/// The entries that a listing of `docs` shows, and its result.
fn listed(carrier: Carrier, pages: Vec<Reply>) -> (Vec<String>, Result<(), TransferError>) {
    let (mut client, server) = setting(carrier, pages);
    let mut shown = Vec::new();
    let docs = RemoteName::parse("docs").unwrap();
    let result = client.list(Some(&docs), true, |listed| shown.push(listed.raw_name().into()));
    // If the client had kept the connection, the server would receive this request.
    if result.is_err() {
        let _ = client.stat(&docs);
    }
    drop(client);
    server.join().unwrap();
    (shown, result)
}

fn of_a_page_with_a_bad_name_nothing_is_shown(carrier: Carrier) {
    let pages: [&[&str]; 5] = [
        &["docs/c", "elsewhere/x"],
        &["docs/c", ".bashrc"],
        &["docs/d", "docs/c"],
        &["docs/c", "docs/c"],
        &["docs/a", "docs/b"],
    ];
    for bad in pages {
        let (shown, result) =
            listed(carrier, vec![page(&["docs/a", "docs/b"], true), page(bad, false)]);
        assert_eq!(shown, ["docs/a", "docs/b"], "{bad:?}");
        assert_eq!(result.unwrap_err().reason(), Reason::OutOfStep, "{bad:?}");
    }
}

fn a_listing_in_pages_is_shown_to_its_end(carrier: Carrier) {
    let pages =
        vec![page(&["docs/a", "docs/a/b"], true), page(&["docs/c"], true), page(&[], false)];
    let (shown, result) = listed(carrier, pages);
    result.unwrap();
    assert_eq!(shown, ["docs/a", "docs/a/b", "docs/c"]);
}

fn a_reply_about_another_name_is_refused(carrier: Carrier) {
    type Ask = fn(&mut BlockingClient) -> Result<Entry, TransferError>;
    const STAT: Ask = |client| client.stat(&name());
    const MAKE: Ask = |client| client.make_directory(&name());
    let answered = |ask: Ask, answer: Entry| {
        let (mut client, server) = setting(carrier, vec![Reply::Entry(answer)]);
        let result = ask(&mut client).map(|_| ()).map_err(|error| error.reason());
        if result.is_err() {
            let _ = client.stat(&name());
        }
        drop(client);
        server.join().unwrap();
        result
    };
    for kind in [EntryKind::File, EntryKind::Directory] {
        assert_eq!(answered(STAT, entry("a.bin", kind)), Ok(()));
        assert_eq!(answered(STAT, entry("b.bin", kind)), Err(Reason::OutOfStep));
        assert_eq!(answered(MAKE, entry("a.bin/b", kind)), Err(Reason::OutOfStep));
    }
    assert_eq!(answered(MAKE, entry("a.bin", EntryKind::Directory)), Ok(()));
    assert_eq!(answered(MAKE, entry("a.bin", EntryKind::File)), Err(Reason::OutOfStep));
}

/// Uploads a file of zeros of this size to a server that confirms it with the digest `stored`.
fn uploaded(carrier: Carrier, size: u64, stored: Digest) -> Result<(), TransferError> {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    File::create(&path).unwrap().set_len(size).unwrap();
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        let id = if size > BLOCK_BYTES {
            let id = peer.offered(size);
            peer.published(id, 0..2);
            id
        } else {
            peer.frame().unwrap().0.request
        };
        peer.reply(id, &Reply::Done { digest: stored, unchanged: false });
        while peer.frame().is_some() {}
    });
    let mut config = config(carrier);
    config.dialect = DialectChoice::Native;
    let mut client = BlockingClient::new(address, config).unwrap();
    let result = client.upload(&path, &name());
    drop(client);
    server.join().unwrap();
    result.map(|_| ())
}

fn a_server_that_stored_other_bytes_is_not_believed(carrier: Carrier) {
    for size in [100, 2 * BLOCK_BYTES] {
        uploaded(carrier, size, Digest::of(&vec![0; usize::try_from(size).unwrap()])).unwrap();
        let error = uploaded(carrier, size, Digest([1; 32])).unwrap_err();
        assert_eq!(error.reason(), Reason::DigestMismatch);
        assert!(!error.is_transient(), "{error}");
    }
}

fn the_texts_of_a_server_are_escaped_and_shortened(carrier: Carrier) {
    let text = "no\n\u{1b}[2J\u{202e}".to_owned() + &"x".repeat(100_000);
    for answer in [
        Reply::failed(Reason::PermissionDenied, text.clone()),
        Reply::goodbye(Reason::PermissionDenied, text),
    ] {
        let (listener, address) = listen(carrier);
        let server = thread::spawn(move || {
            let mut peer = NativePeer::accept(&listener);
            let (id, _) = peer.request().unwrap();
            peer.reply(if matches!(answer, Reply::Goodbye { .. }) { 0 } else { id }, &answer);
            while peer.request().is_some() {}
        });
        let mut config = config(carrier);
        config.dialect = DialectChoice::Native;
        let mut client = BlockingClient::new(address, config).unwrap();
        let error = client.stat(&name()).unwrap_err().to_string();
        drop(client);
        server.join().unwrap();
        let said = error.strip_prefix("the server refused: ").unwrap();
        assert!(said.starts_with("no\\n\\u{1b}[2J\\u{202e}xxx") && said.ends_with("x…"), "{said}");
        assert_eq!(said.chars().count(), 1025);
    }
}
