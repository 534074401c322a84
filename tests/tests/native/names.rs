//! Names as they come.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, Direction, Proxy, wait_until};

use super::setting::names_in;
use super::{MIB, Setting};

const LEN: u64 = 16 * MIB;

/// As long as a name can be.
fn longest() -> String {
    "報".repeat(85)
}

/// Bytes that the files of a directory take on the disk.
fn bytes_in(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata());
    files.filter_map(|metadata| Some(metadata.ok()?.blocks() * 512)).sum()
}

#[test]
fn names_go_both_ways_as_they_are() {
    let longest = longest();
    let names =
        ["报告 2024.pdf", "😀.txt", " two  spaces ", "cafe\u{301}", "back\\slash", &longest];
    for dialect in ["native", "legacy"] {
        let setting = Setting::new();
        let (local, addr) = (setting.local.path(), setting.server.addr());
        for (name, seed) in names.into_iter().zip(1..) {
            write_file(&local.join(name), content(seed, 3 * MIB));
        }
        let upload = Client::upload(addr).dialect(dialect).args(names).current_dir(local);
        upload.run().assert_done();
        let there = tempfile::tempdir().unwrap();
        let download = Client::download(addr).dialect(dialect).args(names);
        download.current_dir(there.path()).run().assert_done();
        for (name, seed) in names.into_iter().zip(1..) {
            assert_content(&setting.root.path().join(name), content(seed, 3 * MIB));
            assert_content(&there.path().join(name), content(seed, 3 * MIB));
        }
        assert_eq!(names_in(there.path()).len(), names.len(), "something is left");
    }
}

/// The partial file lies under a shorter name.
#[test]
fn a_download_of_the_longest_name_is_resumed() {
    for dialect in ["native", "legacy"] {
        let setting = Setting::new();
        let (local, name) = (setting.local.path(), longest());
        write_file(&setting.root.path().join(&name), content(1, LEN));
        let download = |addr| {
            let client = Client::download(addr).dialect(dialect).arg(&name).current_dir(local);
            if dialect == "native" { client.streams(1) } else { client }
        };
        let half = Proxy::plain(setting.server.addr());
        half.let_pass(Direction::ToClient, LEN / 2);
        let mut client = download(half.addr()).spawn();
        // A block that has not come to its end may not count.
        let arrived = || bytes_in(local) >= LEN / 2 - 2 * MIB;
        wait_until("half has arrived", DEADLINE, arrived);
        client.kill();
        assert!(!local.join(&name).exists());
        let proxy = Proxy::plain(setting.server.addr());
        download(proxy.addr()).run().assert_done();
        assert!(proxy.count(Direction::ToClient) < LEN * 3 / 4, "it began anew, {dialect}");
        assert_content(&local.join(&name), content(1, LEN));
        assert_eq!(names_in(local), std::slice::from_ref(&name));
    }
    // And it is still distinct from another name with the same beginning.
    let setting = Setting::new();
    let names = ["a", "b"].map(|end| format!("{}{end}", "x".repeat(254)));
    for (name, seed) in names.iter().zip(1..) {
        fs::write(setting.root.path().join(name), content(seed, 2 * MIB).bytes()).unwrap();
    }
    let download = Client::download(setting.server.addr()).dialect("native").args(&names);
    download.current_dir(setting.local.path()).run().assert_done();
    for (name, seed) in names.iter().zip(1..) {
        assert_content(&setting.local.path().join(name), content(seed, 2 * MIB));
    }
}
