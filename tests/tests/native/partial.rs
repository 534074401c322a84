//! Data that the other side already has is not sent.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, Direction, Plan, Proxy, wait_until};
use rustix::fs::{Timespec, Timestamps, futimens};

use super::setting::WAYS;
use super::{MIB, Setting, Way};

const LEN: u64 = 64 * MIB;

/// Bytes of messages for a file of this size, at most: its chaining values, and some.
const TALK: u64 = 10_000;

fn both_ways(proxy: &Proxy) -> u64 {
    proxy.count(Direction::ToServer) + proxy.count(Direction::ToClient)
}

/// Turns over the bytes of one block in a hundred.
fn change_a_little(path: &Path) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, LEN / 3).unwrap();
    file.write_all_at(&[!byte[0]], LEN / 3).unwrap();
}

#[test]
fn an_identical_file_is_not_moved_again() {
    for way in WAYS {
        for streams in [1, 3] {
            let setting = Setting::with_file(way, 1, LEN);
            setting.client(way, setting.server.addr()).run().assert_done();
            let proxy = Proxy::plain(setting.server.addr());
            let outcome = setting.client(way, proxy.addr()).streams(streams).arg("--json").run();
            outcome.assert_done();
            assert!(outcome.stdout.contains("\"already_there\":true"), "{outcome:#?}");
            let moved = both_ways(&proxy);
            assert!(moved < TALK, "{moved} bytes for nothing, {way:?}");
            setting.assert_arrived(way, 1, LEN);
        }
    }
}

#[test]
fn where_little_changed_little_is_moved() {
    for way in WAYS {
        let setting = Setting::with_file(way, 1, LEN);
        setting.client(way, setting.server.addr()).run().assert_done();
        change_a_little(&setting.source(way));
        let proxy = Proxy::plain(setting.server.addr());
        setting.client(way, proxy.addr()).run().assert_done();
        let (source, target) = (setting.source(way), setting.target(way));
        assert!(fs::read(source).unwrap() == fs::read(target).unwrap(), "{way:?}");
        let moved = both_ways(&proxy);
        assert!(moved < LEN / 50, "{moved} bytes for one block of {LEN} bytes, {way:?}");
    }
}

#[test]
fn appended_bytes_are_moved() {
    for way in WAYS {
        let setting = Setting::with_file(way, 1, LEN / 2);
        setting.client(way, setting.server.addr()).run().assert_done();
        write_file(&setting.source(way), content(1, LEN / 2 + 3 * MIB));
        let proxy = Proxy::plain(setting.server.addr());
        setting.client(way, proxy.addr()).run().assert_done();
        setting.assert_arrived(way, 1, LEN / 2 + 3 * MIB);
        let moved = both_ways(&proxy);
        assert!(moved < 4 * MIB, "{moved} bytes for 3 MiB, {way:?}");
    }
}

/// The original leaves its partial file under the name itself when it is interrupted.
#[test]
fn a_beginning_under_the_name_itself_is_resumed() {
    for way in WAYS {
        let setting = Setting::with_file(way, 1, LEN);
        write_file(&setting.target(way), content(1, 50 * MIB + 321));
        let proxy = Proxy::plain(setting.server.addr());
        setting.client(way, proxy.addr()).run().assert_done();
        setting.assert_arrived(way, 1, LEN);
        let moved = both_ways(&proxy);
        assert!(moved < 14 * MIB + TALK, "{moved} bytes for 14 MiB, {way:?}");
    }
}

/// Some programs give a partial file its length first, and leave holes.
#[test]
fn a_partial_file_of_the_whole_length_is_resumed() {
    for way in WAYS {
        let setting = Setting::with_file(way, 1, LEN);
        let target = setting.target(way);
        write_file(&target, content(1, LEN));
        let partial = OpenOptions::new().write(true).open(target).unwrap();
        for hole in [0, 40 * MIB] {
            partial.write_all_at(&vec![0; 6 << 20], hole + 5).unwrap();
        }
        drop(partial);
        let proxy = Proxy::plain(setting.server.addr());
        setting.client(way, proxy.addr()).run().assert_done();
        setting.assert_arrived(way, 1, LEN);
        let moved = both_ways(&proxy);
        assert!(moved < 14 * MIB + TALK, "{moved} bytes for 14 MiB, {way:?}");
    }
}

/// Only its modification time shows that it is another version.
#[test]
fn a_file_that_was_touched_is_known_again() {
    let setting = Setting::with_file(Way::Up, 1, LEN);
    setting.client(Way::Up, setting.server.addr()).run().assert_done();
    let time = Timespec { tv_sec: 1_000_000_000, tv_nsec: 5 };
    let times = Timestamps { last_access: time, last_modification: time };
    futimens(File::open(setting.source(Way::Up)).unwrap(), &times).unwrap();
    let proxy = Proxy::plain(setting.server.addr());
    setting.client(Way::Up, proxy.addr()).run().assert_done();
    assert!(both_ways(&proxy) < TALK);
    let metadata = fs::metadata(setting.target(Way::Up)).unwrap();
    let since = metadata.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!((since.as_secs(), since.subsec_nanos()), (1_000_000_000, 5));
}

/// A staging that is damaged is found out block by block.
#[test]
fn a_staging_written_by_another_program_does_not_spoil_the_file() {
    let setting = Setting::with_file(Way::Down, 1, LEN);
    let proxy = Proxy::start(setting.server.addr(), |_| {
        Plan::default().cut_after(Direction::ToClient, LEN / 2)
    });
    let client = setting.client(Way::Down, proxy.addr()).args(["--retries", "0"]).streams(1);
    client.run().assert_code(1);
    let journal = setting.local.path().join("a.bin.ftxpart.journal");
    fs::remove_file(journal).unwrap();
    setting.client(Way::Down, setting.server.addr()).run().assert_done();
    assert_content(&setting.target(Way::Down), content(1, LEN));
}

/// A killed client leaves its hashes of the file in the cache.
#[test]
fn sent_blocks_are_not_even_read_again() {
    let (len, sent) = (300 * MIB, 280 * MIB);
    let setting = Setting::with_file(Way::Up, 1, len);
    // A very recent change makes the hashes untrusted.
    let time = Timespec { tv_sec: 1_000_000_000, tv_nsec: 5 };
    let times = Timestamps { last_access: time, last_modification: time };
    futimens(File::open(setting.source(Way::Up)).unwrap(), &times).unwrap();
    let up_to = |bytes| {
        let plan = move |_| Plan::default().hang_after(Direction::ToServer, bytes);
        let proxy = Proxy::start(setting.server.addr(), plan);
        let client = setting.client(Way::Up, proxy.addr()).streams(1).spawn();
        wait_until("some of it is sent", DEADLINE, || proxy.count(Direction::ToServer) >= bytes);
        client.bytes_read()
    };
    assert!(up_to(sent) > sent / 2);
    let read = up_to(15 * MIB);
    assert!(read < 100 * MIB, "{read} bytes were read to send 15 MiB");
    setting.client(Way::Up, setting.server.addr()).run().assert_done();
    setting.assert_arrived(Way::Up, 1, len);
}
