//! Files and directories that change while they are moved, or between two tries.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, Process, Proxy, wait_until};

use super::setting::{NAME, names_in};
use super::{MIB, Setting, Way};

const LEN: u64 = 16 * MIB;

/// More than one connection has on its way, to a distant peer too (which a busy machine can look like):
/// when half of `LEN` has passed, the end of it has not been read.
const LONG: u64 = 64 * MIB;

/// Starts a client whose line lets half of `LEN` pass, and no more until [`let_rest_pass`].
fn half_way(setting: &Setting, proxy: &Proxy, way: Way, args: &[&str]) -> Process {
    proxy.let_pass(way.direction(), LEN / 2);
    let client = setting.client(way, proxy.addr()).args(args).spawn();
    wait_until("half has passed", DEADLINE, || proxy.count(way.direction()) >= LEN / 2);
    client
}

fn let_rest_pass(proxy: &Proxy, way: Way) {
    proxy.let_pass(way.direction(), u64::MAX);
}

/// The server reports the change, so the client does not learn of it by a timeout.
fn assert_arrives(client: Process) {
    let outcome = client.wait(DEADLINE);
    outcome.assert_done();
    assert!(!outcome.stderr.contains("said nothing"), "{outcome:#?}");
}

/// Another version, to take the place of the file with one step, as every upload does it.
fn next_version(setting: &Setting, seed: u64, len: u64) -> PathBuf {
    let path = setting.root.path().join(".ftx/next");
    write_file(&path, content(seed, len));
    path
}

#[test]
fn a_file_that_is_replaced_between_two_tries_of_a_download_is_not_mixed() {
    for len in [LEN, LEN + 3 * MIB, LEN - 3 * MIB] {
        let setting = Setting::with_file(Way::Down, 1, LEN);
        let proxy = Proxy::plain(setting.server.addr());
        half_way(&setting, &proxy, Way::Down, &[]).kill();
        fs::rename(next_version(&setting, 2, len), setting.source(Way::Down)).unwrap();
        setting.client(Way::Down, setting.server.addr()).run().assert_done();
        setting.assert_arrived(Way::Down, 2, len);
    }
}

#[test]
fn a_file_that_is_replaced_during_a_download_arrives_in_one_version() {
    for streams in ["1", "3"] {
        let setting = Setting::with_file(Way::Down, 1, LONG);
        let next = next_version(&setting, 2, LONG);
        let proxy = Proxy::plain(setting.server.addr());
        let client = half_way(&setting, &proxy, Way::Down, &["--streams", streams]);
        fs::rename(next, setting.source(Way::Down)).unwrap();
        let_rest_pass(&proxy, Way::Down);
        assert_arrives(client);
        // The first version may have been across by then; either version is fine.
        let mut head = [0; 64];
        File::open(setting.target(Way::Down)).unwrap().read_exact(&mut head).unwrap();
        let seed = if content(1, 64).bytes() == head { 1 } else { 2 };
        setting.assert_arrived(Way::Down, seed, LONG);
    }
}

/// The file is written in place, which no program should do.
#[test]
fn a_file_that_is_written_to_during_a_download_is_not_mixed() {
    written_to_meanwhile(&Setting::with_file(Way::Down, 1, LONG));
}

/// The server knows the hashes before it reads the bytes.
#[test]
fn a_file_that_is_known_and_written_to_during_a_download_is_not_mixed() {
    let setting = Setting::with_file(Way::Down, 1, LONG);
    // A very recent change makes the hashes untrusted.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = File::options().write(true).open(setting.source(Way::Down)).unwrap();
    file.set_modified(time).unwrap();
    let addr = setting.server.addr().to_string();
    Client::new().args(["digest", &addr, NAME]).run().assert_done();
    written_to_meanwhile(&setting);
}

fn written_to_meanwhile(setting: &Setting) {
    let proxy = Proxy::plain(setting.server.addr());
    let client = half_way(setting, &proxy, Way::Down, &["--streams", "1"]);
    write_file(&setting.source(Way::Down), content(2, LONG));
    let_rest_pass(&proxy, Way::Down);
    assert_arrives(client);
    setting.assert_arrived(Way::Down, 2, LONG);
}

#[test]
fn a_file_that_is_removed_during_a_download_ends_it() {
    let setting = Setting::with_file(Way::Down, 1, LEN);
    let proxy = Proxy::plain(setting.server.addr());
    let client = half_way(&setting, &proxy, Way::Down, &["--retries", "1"]);
    fs::remove_file(setting.source(Way::Down)).unwrap();
    let_rest_pass(&proxy, Way::Down);
    let outcome = client.wait(DEADLINE);
    // The server may still send the file that it has open; an incomplete file has no name.
    if outcome.code == Some(0) {
        return setting.assert_arrived(Way::Down, 1, LEN);
    }
    outcome.assert_code(1);
    assert!(outcome.stderr.contains(NAME), "{outcome:#?}");
    assert!(!setting.target(Way::Down).exists());
}

#[test]
fn a_source_that_changes_during_an_upload_is_not_published() {
    let setting = Setting::with_file(Way::Up, 1, LONG);
    write_file(&setting.target(Way::Up), content(9, 1000));
    let proxy = Proxy::plain(setting.server.addr());
    let client = half_way(&setting, &proxy, Way::Up, &["--streams", "1"]);
    write_file(&setting.source(Way::Up), content(2, LONG));
    let_rest_pass(&proxy, Way::Up);
    let outcome = client.wait(DEADLINE);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("a.bin") && outcome.stderr.contains("changed"), "{outcome:#?}");
    assert_content(&setting.target(Way::Up), content(9, 1000));
    setting.client(Way::Up, setting.server.addr()).run().assert_done();
    setting.assert_arrived(Way::Up, 2, LONG);
}

#[test]
fn a_source_that_shrinks_during_an_upload_is_not_published() {
    let setting = Setting::with_file(Way::Up, 1, LONG);
    let proxy = Proxy::plain(setting.server.addr());
    let client = half_way(&setting, &proxy, Way::Up, &["--streams", "1", "--retries", "1"]);
    File::options().write(true).open(setting.source(Way::Up)).unwrap().set_len(MIB).unwrap();
    let_rest_pass(&proxy, Way::Up);
    let outcome = client.wait(DEADLINE);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains(NAME), "{outcome:#?}");
    assert!(!setting.target(Way::Up).exists());
}

/// Takes a directory away. Who was sent enough to make it may not have come to that yet.
fn remove_when_there(dir: &Path) {
    wait_until("it is there", DEADLINE, || dir.exists());
    // Something may be put there meanwhile.
    wait_until("it is gone", DEADLINE, || fs::remove_dir_all(dir).is_ok());
}

/// The whole directory goes, with the staging in it.
#[test]
fn a_target_directory_that_vanishes_fails_the_download_by_name() {
    let setting = Setting::with_file(Way::Down, 1, LEN);
    let proxy = Proxy::plain(setting.server.addr());
    let client = half_way(&setting, &proxy, Way::Down, &["--out-dir", "out"]);
    remove_when_there(&setting.local.path().join("out"));
    let_rest_pass(&proxy, Way::Down);
    let outcome = client.wait(DEADLINE);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains(NAME), "{outcome:#?}");
    let again = setting.client(Way::Down, setting.server.addr()).args(["--out-dir", "out"]);
    again.run().assert_done();
    assert_content(&setting.local.path().join("out/a.bin"), content(1, LEN));
}

#[test]
fn a_directory_of_the_server_that_vanishes_is_made_again() {
    let setting = Setting::with_file(Way::Up, 1, LEN);
    let deep = setting.root.path().join("deep");
    fs::create_dir(&deep).unwrap();
    let proxy = Proxy::plain(setting.server.addr());
    let client = half_way(&setting, &proxy, Way::Up, &["--as", "deep/a.bin"]);
    fs::remove_dir(&deep).unwrap();
    let_rest_pass(&proxy, Way::Up);
    client.wait(DEADLINE).assert_done();
    assert_content(&setting.root.path().join("deep/a.bin"), content(1, LEN));
    assert_eq!(names_in(setting.root.path()), ["deep"]);
}

/// A large file of which another version is here takes long to compare, so that waits until the small
/// ones asked for with it have come.
#[test]
fn a_large_file_that_changed_among_small_ones_is_compared() {
    const LARGE: u64 = 70 * MIB;
    let setting = Setting::new();
    let (root, local) = (setting.root.path().join("dir"), setting.local.path().join("dir"));
    for dir in [&root, &local] {
        fs::create_dir(dir).unwrap();
        write_file(&dir.join("large"), content(1, LARGE));
    }
    for index in 0..300 {
        write_file(&root.join(format!("small {index}")), content(index, 1000));
    }
    let mut changed = content(1, LARGE).bytes();
    changed[5 << 20] ^= 1;
    fs::write(root.join("large"), &changed).unwrap();
    for streams in [1, 3] {
        let proxy = Proxy::plain(setting.server.addr());
        let client = Way::Down.client(proxy.addr()).arg("dir/").streams(streams);
        client.arg("--no-cache").current_dir(setting.local.path()).run().assert_done();
        assert!(fs::read(local.join("large")).unwrap() == changed);
        for index in 0..300 {
            assert_content(&local.join(format!("small {index}")), content(index, 1000));
        }
        let moved = proxy.count(Way::Down.direction());
        assert!(moved < 3 * MIB, "{moved} bytes over {streams} connections");
        write_file(&local.join("large"), content(1, LARGE));
    }
}
