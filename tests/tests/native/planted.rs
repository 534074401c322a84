//! Partial downloads that another user may have written, in a world-writable directory, and the
//! permissions of a file while it arrives.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::{BlockRange, block_count};
use ftx_store::{BlockStaging, PrefixStaging, StagingFiles, hash_blocks};
use ftx_tests::content::{assert_content, content};
use ftx_tests::{Client, DEADLINE, Proxy, wait_until};
use rustix::process::geteuid;

use super::setting::NAME;
use super::{MIB, Setting, Way};

const DIALECTS: [&str; 2] = ["native", "legacy"];

const LEN: u64 = 16 * MIB;

/// Bytes that no server has sent, where the partial file says that it is the server's.
const PLANTED: &[u8] = &[0xee; 1 << 20];

/// Another user.
const NOBODY_ID: u32 = 65_534;

/// A server's file, and a directory for it like `/tmp`.
fn setting() -> Setting {
    let setting = Setting::with_file(Way::Down, 1, LEN);
    fs::set_permissions(setting.local.path(), Permissions::from_mode(0o1777)).unwrap();
    setting
}

fn part(setting: &Setting) -> [PathBuf; 2] {
    ["a.bin.ftxpart", "a.bin.ftxpart.journal"].map(|name| setting.local.path().join(name))
}

/// Plants a partial download of a dialect in `dir` that falsely claims to have the server's bytes.
fn plant(setting: &Setting, dir: &Path, dialect: &str) {
    let opened = Dir::open_ambient_dir(dir, ambient_authority()).unwrap();
    let files =
        StagingFiles { data: "a.bin.ftxpart".into(), journal: "a.bin.ftxpart.journal".into() };
    if dialect == "legacy" {
        let mut staging = PrefixStaging::create(&opened, files, NAME).unwrap();
        staging.write(&content(1, LEN).bytes()[..1 << 20]).unwrap();
        staging.suspend().unwrap();
        // The journal describes the bytes.
        let data = File::options().write(true).open(dir.join("a.bin.ftxpart")).unwrap();
        data.write_all_at(PLANTED, 0).unwrap();
        return;
    }
    let source = File::open(setting.source(Way::Down)).unwrap();
    let range = BlockRange { first: 0, count: block_count(LEN) };
    let cvs = hash_blocks(&source, LEN, range, None, &mut |_| true).unwrap().unwrap();
    let staging = BlockStaging::create(&opened, files, NAME, LEN).unwrap();
    staging.write_at(0, PLANTED).unwrap();
    staging.stored(0, cvs[0]).unwrap();
    staging.suspend().unwrap();
}

fn client(setting: &Setting, dialect: &str) -> Client {
    let client = Client::download(setting.server.addr()).arg(NAME).dialect(dialect);
    client.current_dir(setting.local.path())
}

/// Downloads, and checks that the file is ours, new, and the server's.
fn assert_ours(setting: &Setting, dialect: &str) {
    let planted = fs::metadata(&part(setting)[0]).unwrap().ino();
    // Held, so that its number is not given to the next file.
    let _held = File::open(&part(setting)[0]);
    client(setting, dialect).run().assert_done();
    assert_content(&setting.target(Way::Down), content(1, LEN));
    // Another user owns it, or may own it.
    assert_eq!(fs::metadata(&part(setting)[0]).unwrap().ino(), planted);
    let arrived = fs::metadata(setting.target(Way::Down)).unwrap();
    assert_eq!(arrived.uid(), geteuid().as_raw());
    assert_ne!(arrived.ino(), planted, "the planted file was published");
    assert_eq!(arrived.mode(), mode_of_a_new_file(setting), "{:o}", arrived.mode());
}

fn mode_of_a_new_file(setting: &Setting) -> u32 {
    let path = setting.root.path().join("new");
    File::create(&path).unwrap().metadata().unwrap().mode()
}

/// The planted bytes are believed, or else the other tests here would show nothing.
#[test]
fn a_partial_download_of_our_own_is_resumed() {
    for dialect in DIALECTS {
        let setting = setting();
        plant(&setting, setting.local.path(), dialect);
        let proxy = Proxy::plain(setting.server.addr());
        let client = Client::download(proxy.addr()).arg(NAME).dialect(dialect);
        let client = client.args(["--retries", "0"]).current_dir(setting.local.path());
        let outcome = client.run();
        let moved = proxy.count(Way::Down.direction());
        assert!(moved < LEN, "{dialect}: {moved} bytes, {outcome:#?}");
    }
}

#[test]
fn a_world_writable_partial_download_is_not_resumed() {
    for dialect in DIALECTS {
        for writable in [&[0, 1][..], &[0]] {
            let setting = setting();
            plant(&setting, setting.local.path(), dialect);
            for index in writable {
                let path = &part(&setting)[*index];
                fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
            }
            assert_ours(&setting, dialect);
        }
    }
}

/// Only root can give a file away.
#[test]
fn a_partial_download_of_another_user_is_not_resumed() {
    if !geteuid().is_root() {
        return;
    }
    for dialect in DIALECTS {
        for mode in [0o600, 0o644] {
            let setting = setting();
            plant(&setting, setting.local.path(), dialect);
            for path in part(&setting) {
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
                chown(&path, Some(NOBODY_ID), Some(NOBODY_ID)).unwrap();
            }
            assert_ours(&setting, dialect);
        }
    }
}

/// Links lead to files of ours, which must stay as they are.
#[test]
fn a_partial_download_that_is_a_link_is_not_resumed_and_not_written_through() {
    for dialect in DIALECTS {
        let setting = setting();
        let aside = setting.local.path().join("aside");
        fs::create_dir(&aside).unwrap();
        plant(&setting, &aside, dialect);
        let victims = ["a.bin.ftxpart", "a.bin.ftxpart.journal"].map(|name| aside.join(name));
        let before = victims.clone().map(|path| fs::read(path).unwrap());
        for link in part(&setting) {
            symlink(Path::new("aside").join(link.file_name().unwrap()), link).unwrap();
        }
        client(&setting, dialect).run().assert_done();
        assert!(victims.map(|path| fs::read(path).unwrap()) == before, "{dialect}");
        assert_content(&setting.target(Way::Down), content(1, LEN));
        assert!(fs::symlink_metadata(setting.target(Way::Down)).unwrap().is_file());
    }
}

/// The server's file may be readable by few; its mode is known only at the end.
#[test]
fn a_partial_download_is_private_while_it_arrives() {
    for dialect in DIALECTS {
        let setting = setting();
        let proxy = Proxy::plain(setting.server.addr());
        proxy.let_pass(Way::Down.direction(), LEN / 2);
        let client = Client::download(proxy.addr()).arg(NAME).dialect(dialect);
        let client = client.current_dir(setting.local.path()).spawn();
        wait_until("half has passed", DEADLINE, || proxy.count(Way::Down.direction()) >= LEN / 2);
        for path in part(&setting) {
            wait_until("it is there", DEADLINE, || path.exists());
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{dialect}: {} has {mode:o}", path.display());
        }
        proxy.let_pass(Way::Down.direction(), u64::MAX);
        client.wait(DEADLINE).assert_done();
        setting.assert_arrived(Way::Down, 1, LEN);
        let mode = fs::metadata(setting.target(Way::Down)).unwrap().mode();
        assert_eq!(mode, mode_of_a_new_file(&setting), "{dialect}: {mode:o}");
    }
}
