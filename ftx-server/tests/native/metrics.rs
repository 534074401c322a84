//! The counters, as transfers change them.

use ftx_core::native::Reason;
use ftx_core::native::wire::{GetScope, Meta, Overwrite, Reply, Request};

use crate::client::{get, new_id, offer};
use crate::running::Running;
use crate::{MIB, content, digest, wait_until};

#[test]
fn uploads_and_downloads_are_counted_by_dialect() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    client.put("a.bin", b"hello");
    client.download("a.bin");
    let now = server.monitor.snapshot();
    let native = now.native;
    assert_eq!((native.connections, native.uploads, native.downloads), (1, 1, 1));
    assert_eq!((native.bytes_in, native.bytes_out), (5, 5));
    assert_eq!((now.legacy.connections, now.legacy.uploads, now.legacy.bytes_in), (0, 0, 0));
    assert_eq!(now.publishes.count(), 1);
    // The first bytes of a legacy upload.
    let mut legacy = server.client();
    legacy.send_bytes(&[0, 0, 0, 0, 0, 0, 0, 0x64]);
    wait_until("it is counted", || server.monitor.snapshot().legacy.connections == 1);
}

#[test]
fn a_confirmed_file_counts_as_an_upload_however_it_came() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let file = content(1, 3 * MIB);
    // In a batch, alone, by blocks, and not at all.
    client.put("small", b"hello");
    client.put("single", &file[..MIB]);
    client.upload("large", &file, 1);
    let (name, size, digest) = ("large".to_owned(), file.len() as u64, digest(&file));
    let check = Request::Check { name, size, meta: Meta::default(), digest };
    assert_eq!(client.ask(&check), Reply::Done { digest, unchanged: true });
    assert_eq!(server.monitor.snapshot().native.uploads, 4);
}

#[test]
fn refusals_are_counted_by_reason() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for _ in 0..2 {
        let id = new_id();
        client.send(id, &get("missing", None, GetScope::Whole));
        assert_eq!(client.failure(id), Reason::NotFound);
    }
    assert!(client.offer(&offer("../a", 5, Overwrite::Replace, 1)).is_err());
    let now = server.monitor.snapshot();
    assert_eq!(now.failures, [(Reason::NameRefused, 1), (Reason::NotFound, 2)]);
    assert_eq!(now.errors, 3);
}

#[test]
fn a_resumed_upload_counts_the_bytes_it_saves() {
    let server = Running::start();
    let file = content(1, 3 * MIB);
    let mut client = server.client().greet(None);
    let id = client.begin("a.bin", &file, 1).id;
    client.send_blocks(id, &file, 0..2);
    assert_eq!(server.monitor.snapshot().open_stagings, 1);
    drop(client);
    wait_until("the staging is idle", || server.monitor.snapshot().open_stagings == 0);
    let (sent, _) = server.client().greet(None).upload("a.bin", &file, 1);
    assert_eq!(sent, [2]);
    let now = server.monitor.snapshot();
    assert_eq!(now.native.bytes_resumed, 2 * MIB as u64);
    assert_eq!((now.publishes.count(), now.open_stagings), (1, 0));
}
