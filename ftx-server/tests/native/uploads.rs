//! Uploads of files of many blocks.

use ftx_core::native::Reason;
use ftx_core::native::blocks::block_count;
use ftx_core::native::wire::{Meta, Mtime, Overwrite, Reply, Request, Token};

use crate::frame::block_frame;
use crate::running::Running;
use crate::{MIB, content, cv, digest, wait_until};

/// Not whole blocks.
const LEN: usize = 6 * MIB + 12_345;

#[test]
fn blocks_in_any_order_make_the_file() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    let offered = client.begin("d/a.bin", &file, 1);
    assert!(offered.have.is_empty());
    assert_eq!(offered.resumed, 0);
    for index in [6, 0, 3, 5, 1, 2, 4] {
        client.send_blocks(offered.id, &file, [index]);
        assert!(!server.exists("d/a.bin"));
    }
    assert!(!client.commit(offered.id, &file));
    assert!(server.read("d/a.bin") == file);
    assert_eq!(digest(&file).0, *blake3::hash(&file).as_bytes());
    let snapshot = server.monitor.snapshot();
    assert_eq!((snapshot.uploads, snapshot.bytes_in, snapshot.errors), (1, LEN as u64, 0));
}

#[test]
fn blocks_can_be_on_their_way_together() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    let id = client.begin("a.bin", &file, 1).id;
    let count = block_count(file.len() as u64);
    for index in 0..count {
        client.send_bytes(&block_frame(id, &file, index));
    }
    for index in 0..count {
        assert_eq!(client.reply_to(id), Reply::Stored { index });
    }
    client.commit(id, &file);
    assert!(server.read("a.bin") == file);
}

#[test]
fn three_connections_bring_one_file() {
    let server = Running::threads(2);
    let file = content(1, 12 * MIB + 5);
    let mut first = server.client().greet(None);
    let mut others: Vec<_> = (0..2).map(|_| server.client().greet(Some(first.session()))).collect();
    let id = first.begin("a.bin", &file, 1).id;
    std::thread::scope(|scope| {
        for (at, client) in others.iter_mut().enumerate() {
            let file = &file;
            let own = (0..13).filter(move |index| index % 3 == at as u64 + 1);
            scope.spawn(move || client.send_blocks(id, file, own));
        }
        first.send_blocks(id, &file, (0..13).filter(|index| index % 3 == 0));
    });
    assert!(!server.exists("a.bin"));
    first.commit(id, &file);
    assert!(server.read("a.bin") == file);
}

#[test]
fn an_upload_survives_the_loss_of_a_connection_that_is_not_its_own() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut first = server.client().greet(None);
    let mut second = server.client().greet(Some(first.session()));
    let id = first.begin("a.bin", &file, 1).id;
    first.send_blocks(id, &file, 0..3);
    second.send_blocks(id, &file, 4..7);
    // Lost in the middle of a block, of which it brings no more.
    second.send_bytes(&block_frame(id, &file, 3)[..500_000]);
    wait_until("half of it is received", || {
        server.monitor.snapshot().bytes_in > 5 * MIB as u64 + 300_000
    });
    drop(second);
    wait_until("it is gone", || server.active() == 1);
    first.send_blocks(id, &file, [3]);
    first.commit(id, &file);
    assert!(server.read("a.bin") == file);
}

/// A second connection may not send a block that another one is sending; a new offer resumes with the
/// blocks that arrived.
#[test]
fn a_block_that_another_connection_is_sending_is_refused() {
    let server = Running::start();
    let file = content(1, 2 * MIB);
    let mut first = server.client().greet(None);
    let mut second = server.client().greet(Some(first.session()));
    let id = first.begin("a.bin", &file, 1).id;
    let frame = block_frame(id, &file, 1);
    first.send_blocks(id, &file, [0]);
    let before = server.monitor.snapshot().bytes_in;
    second.send_bytes(&frame[..600_000]);
    wait_until("half of it is received", || server.monitor.snapshot().bytes_in >= before + 400_000);
    first.send_bytes(&frame);
    assert_eq!(first.failure(id), Reason::Busy);
    // The upload has ended: the rest of the block is read and discarded without an answer.
    second.send_bytes(&frame[600_000..]);
    assert_eq!(second.ask(&Request::Ping { payload: 1 }), Reply::Pong { payload: 1 });
    let again = first.begin("a.bin", &file, 1);
    assert_eq!(again.resumed, MIB as u64);
    first.send_blocks(again.id, &file, [1]);
    first.commit(again.id, &file);
    assert!(server.read("a.bin") == file);
}

/// A block that arrives late, after another connection has stored it.
#[test]
fn a_block_that_is_stored_already_is_discarded() {
    let server = Running::start();
    let file = content(1, 2 * MIB);
    let mut first = server.client().greet(None);
    let mut second = server.client().greet(Some(first.session()));
    let id = first.begin("a.bin", &file, 1).id;
    first.send_blocks(id, &file, 0..2);
    second.send_blocks(id, &file, [1]);
    second.send_bytes(&block_frame(id, &file, 1)[..600_000]);
    first.commit(id, &file);
    second.send_bytes(&block_frame(id, &file, 1)[600_000..]);
    assert_eq!(second.ask(&Request::Ping { payload: 1 }), Reply::Pong { payload: 1 });
    assert!(server.read("a.bin") == file);
}

#[test]
fn a_file_without_a_byte_and_one_of_a_block_are_offered_too() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for (name, len) in [("empty", 0), ("one", 1), ("block", MIB), ("more", MIB + 1)] {
        let file = content(len as u64, len);
        let (sent, unchanged) = client.upload(name, &file, 1);
        assert_eq!((sent.len(), unchanged), (len.div_ceil(MIB), false), "{name}");
        assert!(server.read(name) == file, "{name}");
    }
}

#[test]
fn of_an_identical_file_no_block_is_sent() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    client.upload("a.bin", &file, 1);
    let offered = client.begin("a.bin", &file, 2);
    assert_eq!(offered.have.len(), 7);
    assert_eq!(offered.resumed, 0);
    assert!(client.commit(offered.id, &file), "it was the same before");
    assert!(server.read("a.bin") == file);
    for (name, len) in [("empty", 0), ("one", 1)] {
        let file = content(9, len);
        assert!(!client.upload(name, &file, 1).1);
        let (sent, unchanged) = client.upload(name, &file, 1);
        assert_eq!((sent, unchanged), (Vec::new(), len > 0), "{name}");
    }
}

#[test]
fn of_a_changed_file_only_the_changed_blocks_are_sent() {
    let server = Running::start();
    let mut file = content(1, LEN);
    let mut client = server.client().greet(None);
    client.upload("a.bin", &file, 1);
    file[2 * MIB + 7] ^= 1;
    file[LEN - 1] ^= 1;
    assert_eq!(client.upload("a.bin", &file, 1), (vec![2, 6], false));
    assert!(server.read("a.bin") == file);
}

#[test]
fn a_file_that_grows_or_shrinks_keeps_its_blocks() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    client.upload("a.bin", &file, 1);
    let mut longer = file.clone();
    longer.extend(content(2, 2 * MIB));
    // The block that was the last one is longer now.
    assert_eq!(client.upload("a.bin", &longer, 1).0, [6, 7, 8]);
    assert!(server.read("a.bin") == longer);
    let shorter = &longer[..3 * MIB];
    assert_eq!(client.upload("a.bin", shorter, 1), (vec![], false));
    assert!(server.read("a.bin") == shorter);
    let tiny = &longer[..1000];
    assert_eq!(client.upload("a.bin", tiny, 1).0, [0]);
    assert!(server.read("a.bin") == tiny);
    assert!(client.upload("a.bin", &[], 1).0.is_empty());
    assert!(server.read("a.bin").is_empty());
}

#[test]
fn time_and_mode_are_kept() {
    let server = Running::start();
    let file = content(1, MIB + 1);
    let mut client = server.client().greet(None);
    let mtime = Mtime::new(1_600_000_000, 123_000_000);
    for executable in [true, false] {
        let name = format!("{executable}");
        let meta = Meta { mtime, executable, ..Meta::default() };
        let request = Request::Offer {
            name: name.clone(),
            size: file.len() as u64,
            meta,
            overwrite: Overwrite::Replace,
            run: Token([1; 16]),
            source: None,
        };
        let id = client.offer(&request).unwrap().id;
        client.send_blocks(id, &file, 0..2);
        client.commit(id, &file);
        match client.ask(&Request::Stat { name }) {
            Reply::Entry(entry) => assert_eq!(entry.meta, meta),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn several_files_can_be_under_way_at_a_time() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let files: Vec<_> = (0..5).map(|seed| content(seed, 2 * MIB + 9)).collect();
    let names: Vec<_> = (0..5).map(|seed| format!("{seed}.bin")).collect();
    let offered: Vec<_> =
        names.iter().zip(&files).map(|(name, file)| client.begin(name, file, 1)).collect();
    for index in 0..3 {
        for (offered, file) in offered.iter().zip(&files) {
            client.send_blocks(offered.id, file, [index]);
        }
    }
    for ((offered, file), name) in offered.iter().zip(&files).zip(&names) {
        client.commit(offered.id, file);
        assert!(server.read(name) == *file);
    }
}

#[test]
fn the_known_blocks_are_reported_one_by_one() {
    let server = Running::start();
    let file = content(1, 40 * MIB);
    let mut client = server.client().greet(None);
    let id = client.begin("a.bin", &file, 1).id;
    client.send_blocks(id, &file, [0, 1, 39]);
    client.send(id, &Request::Abandon { discard: false });
    client.reply_to(id);
    let offered = client.begin("a.bin", &file, 1);
    let expected = [0, 1, 39].map(|index| (index, cv(&file, index)));
    assert_eq!(offered.have, expected.into());
    assert_eq!(offered.resumed, 3 * MIB as u64);
}
