//! Error texts and exit codes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ftx_tests::content::{assert_content, content, sparse_file, write_file};
use ftx_tests::{Plan, Proxy};

use super::{MIB, Setting, Way};

#[test]
fn a_file_that_is_not_there_is_named() {
    let setting = Setting::new();
    for way in [Way::Up, Way::Down] {
        let client = way.client(setting.server.addr()).args(["none", "--retries", "0"]);
        let outcome = client.current_dir(setting.local.path()).run();
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("none"), "{outcome:#?}");
        assert!(!setting.local.path().join("none").exists());
    }
}

/// A directory is downloaded with a slash at its end; without it the client prints a hint.
#[test]
fn a_directory_without_its_slash_is_named_with_the_remedy() {
    let setting = Setting::new();
    fs::create_dir(setting.root.path().join("dir")).unwrap();
    let client = Way::Down.client(setting.server.addr()).args(["dir", "--retries", "0"]);
    let outcome = client.current_dir(setting.local.path()).run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("dir"), "{outcome:#?}");
    assert!(outcome.stderr.contains("dir/"), "{outcome:#?}");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let setting = Setting::new();
    let client = Way::Down.client(setting.server.addr()).args(["none/", "--retries", "0"]);
    let outcome = client.current_dir(setting.local.path()).run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("none"), "{outcome:#?}");
}

#[test]
fn a_line_that_stays_broken_ends_with_1_and_keeps_the_received_bytes() {
    for way in [Way::Up, Way::Down] {
        let setting = Setting::with_file(way, 1, 4 * MIB);
        let proxy = Proxy::start(setting.server.addr(), move |_| {
            Plan::default().cut_after(way.direction(), 50_000)
        });
        let outcome = setting.client(way, proxy.addr()).args(["--retries", "2"]).run();
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("a.bin"), "{outcome:#?}");
        assert_eq!(outcome.stderr.matches("retry").count(), 2, "{outcome:#?}");
    }
}

#[test]
fn a_name_too_long_is_refused_by_name() {
    let setting = Setting::with_file(Way::Up, 1, 10);
    for name in ["x".repeat(256), "d/".repeat(2048) + "x"] {
        let outcome = setting.client(Way::Up, setting.server.addr()).args(["--as", &name]).run();
        outcome.assert_code(1);
        assert!(outcome.stderr.contains(&name[..20]), "{outcome:#?}");
    }
}

/// As root nothing is forbidden, so there is nothing to be seen then.
#[test]
fn unreadable_and_unwritable_files_are_named() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    for way in [Way::Up, Way::Down] {
        let setting = Setting::with_file(way, 1, 10);
        fs::set_permissions(setting.source(way), fs::Permissions::from_mode(0o0)).unwrap();
        let outcome = setting.client(way, setting.server.addr()).run();
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("a.bin"), "{outcome:#?}");
    }
}

/// A file where a directory would have to be.
#[test]
fn a_file_in_the_way_is_named() {
    for len in [10, 2 * MIB] {
        for way in [Way::Up, Way::Down] {
            let setting = Setting::with_file(way, 1, len);
            let blocked = match way {
                Way::Up => setting.root.path().join("file"),
                Way::Down => setting.local.path().join("file"),
            };
            write_file(&blocked, content(2, 5));
            let args = match way {
                Way::Up => ["--as", "file/x"],
                Way::Down => ["-o", "file/x"],
            };
            let outcome = setting.client(way, setting.server.addr()).args(args).run();
            outcome.assert_code(1);
            assert!(outcome.stderr.contains("file"), "{outcome:#?}");
        }
    }
}

/// There is no space for the first file. The bytes that the server sends of it anyway do not block the
/// other files.
#[test]
fn a_file_that_has_no_place_stops_no_other() {
    let setting = Setting::new();
    let (root, local) = (setting.root.path(), setting.local.path());
    fs::create_dir(root.join("sub")).unwrap();
    sparse_file(&root.join("sub/a.bin"), 8 << 40);
    for (seed, name) in (2..).zip(["b.bin", "c.bin"]) {
        write_file(&root.join(name), content(seed, 3 * MIB));
    }
    let client = Way::Down.client(setting.server.addr()).streams(1);
    let client = client.args(["sub/a.bin", "b.bin", "c.bin", "--keep-going", "--retries", "0"]);
    let outcome = client.current_dir(local).run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("no space"), "{outcome:#?}");
    assert_eq!(outcome.stderr.matches("download failed").count(), 1, "{outcome:#?}");
    assert_content(&local.join("b.bin"), content(2, 3 * MIB));
    assert_content(&local.join("c.bin"), content(3, 3 * MIB));
}
