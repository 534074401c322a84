//! Targets that are no regular file: devices, pipes, sockets and directories stay, and a link is written
//! through only where that is safe. In both dialects.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use ftx_tests::Proxy;
use ftx_tests::content::{assert_content, content, write_file};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::process::geteuid;

use super::setting::{NAME, names_in};
use super::{MIB, Setting, Way};

use super::permissions::{
    DIALECTS, USER, assert_refused, cases, client, mode, run, set_mode, transfers,
};

/// Only root can make a device.
fn strangers() -> Vec<&'static str> {
    let mut kinds = vec!["a pipe", "a socket"];
    if geteuid().is_root() {
        kinds.push("a character device");
    }
    kinds
}

fn make(kind: &str, path: &Path) {
    let null = makedev(1, 3);
    match kind {
        "a pipe" => mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
        "a character device" => {
            mknodat(CWD, path, FileType::CharacterDevice, Mode::RWXU, null).unwrap()
        }
        _ => drop(UnixListener::bind(path).unwrap()),
    }
}

fn is_a(kind: &str, metadata: &Metadata) -> bool {
    let found = metadata.file_type();
    match kind {
        "a pipe" => found.is_fifo(),
        "a character device" => found.is_char_device(),
        _ => found.is_socket(),
    }
}

#[test]
fn a_name_that_is_no_file_is_reported_and_stays() {
    for (way, dialect, len) in cases() {
        for kind in strangers() {
            let setting = Setting::with_file(way, 1, len);
            let target = setting.target(way);
            make(kind, &target);
            let proxy = Proxy::plain(setting.server.addr());
            let outcome = client(&setting, way, dialect, proxy.addr()).run();
            outcome.assert_code(1);
            // An old server's reasons are numbers.
            if way == Way::Down || dialect == "native" {
                assert_refused(&outcome, &format!("{kind}, not a regular file"));
            }
            let found = fs::symlink_metadata(&target).unwrap();
            assert!(is_a(kind, &found), "{way:?} {dialect} {len} {kind}");
            assert_eq!(names_in(target.parent().unwrap()), [NAME]);
            // Small files come with their names.
            if way == Way::Down || len > MIB {
                let moved = proxy.count(way.direction());
                assert!(moved < 1000, "{way:?} {dialect} {len} {kind}: {moved} bytes were sent");
            }
        }
    }
}

/// By a link, or in a directory, a device is one, too.
#[test]
fn a_device_is_recognised_by_any_name() {
    let setting = Setting::with_file(Way::Down, 1, 1000);
    let local = setting.local.path();
    fs::create_dir(local.join("out")).unwrap();
    make("a pipe", &local.join(format!("out/{NAME}")));
    symlink("/dev/null", local.join("null")).unwrap();
    symlink(format!("out/{NAME}"), local.join("pipe")).unwrap();
    for dialect in DIALECTS {
        for (args, kind) in [
            (["-o", "/dev/null"], "a character device"),
            (["-o", "null"], "a character device"),
            (["-o", "/dev/stdout"], "a pipe"),
            (["-o", "pipe"], "a pipe"),
            (["--out-dir", "out"], "a pipe"),
        ] {
            let client = client(&setting, Way::Down, dialect, setting.server.addr());
            let outcome = client.args(args).run();
            assert_refused(&outcome, &format!("it is {kind}, not a regular file"));
        }
    }
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert_eq!(names_in(local), ["null", "out", "pipe"]);
}

#[test]
fn a_directory_is_not_replaced_by_a_file() {
    for (way, dialect, len) in cases() {
        let setting = Setting::with_file(way, 1, len);
        fs::create_dir(setting.target(way)).unwrap();
        let outcome = run(&setting, way, dialect);
        outcome.assert_code(1);
        if way == Way::Down || dialect == "native" {
            assert_refused(&outcome, "it is a directory");
        }
        assert!(setting.target(way).is_dir());
    }
}

#[test]
fn a_link_that_is_named_is_written_through() {
    for (way, dialect, len) in cases() {
        let setting = Setting::with_file(way, 1, len);
        let link = setting.target(way);
        let dir = link.parent().unwrap();
        fs::create_dir(dir.join("sub")).unwrap();
        symlink("sub/link", &link).unwrap();
        symlink("../file", dir.join("sub/link")).unwrap();
        // Once without the file, and once with one.
        for seed in [1, 2] {
            write_file(&setting.source(way), content(seed, len));
            run(&setting, way, dialect).assert_done();
            assert_content(&dir.join("file"), content(seed, len));
            assert_eq!(fs::read_link(&link).unwrap(), Path::new("sub/link"), "{way:?} {dialect}");
            assert_eq!(names_in(dir), [NAME, "file", "sub"], "{way:?} {dialect} {len}");
            assert_eq!(names_in(&dir.join("sub")), ["link"]);
            if seed == 1 {
                set_mode(&dir.join("file"), 0o600);
            }
        }
        assert_eq!(mode(&dir.join("file")), 0o600, "{way:?} {dialect} {len}");
    }
}

/// No client can make a server write outside its root.
#[test]
fn a_link_on_the_server_is_written_through_only_inside_the_root() {
    for (dialect, len) in transfers() {
        let setting = Setting::with_file(Way::Up, 1, len);
        let link = setting.target(Way::Up);
        let outside = setting.local.path().join("outside");
        fs::write(&outside, "old").unwrap();
        for to in [outside.clone(), "../outside".into(), ".ftx/lock".into(), ".ftx/new".into()] {
            symlink(&to, &link).unwrap();
            let outcome = run(&setting, Way::Up, dialect);
            outcome.assert_code(1);
            if dialect == "native" {
                assert_refused(&outcome, "symbolic link");
            }
            assert_eq!(fs::read_link(&link).unwrap(), to, "{dialect} {len}");
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(fs::read(&outside).unwrap(), b"old");
        assert!(!setting.root.path().join(".ftx/new").exists());
    }
}

/// Another user must not have us write to a file of ours. Only root can give a link away.
#[test]
fn a_link_that_another_user_has_planted_is_not_written_through() {
    if !geteuid().is_root() {
        println!("skipped: this user cannot give links away");
        return;
    }
    for (dialect, len) in transfers() {
        let setting = Setting::with_file(Way::Down, 1, len);
        let (local, link) = (setting.local.path(), setting.target(Way::Down));
        fs::create_dir(local.join("ours")).unwrap();
        fs::write(local.join("ours/file"), "old").unwrap();
        symlink("ours/file", &link).unwrap();
        lchown(&link, Some(USER), Some(USER)).unwrap();
        set_mode(local, 0o1777);
        assert_refused(&run(&setting, Way::Down, dialect), "symbolic link");
        assert_eq!(fs::read(local.join("ours/file")).unwrap(), b"old");
        // In a directory that is not world-writable, its owner has permitted the writers.
        set_mode(local, 0o755);
        run(&setting, Way::Down, dialect).assert_done();
        assert_content(&local.join("ours/file"), content(1, len));
    }
}
