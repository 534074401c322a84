//! Directories, many files, and file attributes.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Proxy, Server};
use tempfile::tempdir;

use super::setting::names_in;
use super::{MIB, Setting, Way};

/// Names and lengths of a small tree; the seeds are their places.
const FILES: [(&str, u64); 8] = [
    ("a.bin", 1000),
    ("empty", 0),
    ("large.bin", 3 * MIB + 5),
    ("one block", MIB),
    ("sub/deeper/x", 10),
    ("sub/deeper/y.bin", MIB + 1),
    ("sub/报告 2024.pdf", 2000),
    ("sub/😀.txt", 3),
];

fn time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_500_000_000, 123_456_789)
}

/// Makes the tree in `dir`, all files of the same time, one of them executable.
fn make(dir: &Path) {
    for (seed, (name, len)) in (0..).zip(FILES) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_file(&path, content(seed, len));
        let mode = if name.ends_with("/x") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time()).unwrap();
    }
    fs::create_dir(dir.join("sub/nothing in it")).unwrap();
}

fn assert_made(dir: &Path) {
    for (seed, (name, len)) in (0..).zip(FILES) {
        let path = dir.join(name);
        assert_content(&path, content(seed, len));
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.modified().unwrap(), time(), "{name}");
        let is_executable = metadata.permissions().mode() & 0o111 != 0;
        assert_eq!(is_executable, name.ends_with("/x"), "{name}");
    }
    assert_eq!(names_in(&dir.join("sub/nothing in it")), [""; 0]);
}

#[test]
fn a_tree_goes_up_and_comes_down() {
    for streams in [1, 3] {
        let setting = Setting::new();
        make(&setting.local.path().join("tree"));
        let run = |way: Way, args: &[&str]| {
            let client = way.client(setting.server.addr()).args(args).streams(streams);
            client.current_dir(setting.local.path()).run().assert_done();
        };
        run(Way::Up, &["tree"]);
        assert_made(&setting.root.path().join("tree"));
        run(Way::Down, &["tree/", "--out-dir", "out"]);
        assert_made(&setting.local.path().join("out/tree"));
        run(Way::Down, &["tree/", "-o", "named"]);
        assert_made(&setting.local.path().join("named"));
        run(Way::Up, &["tree", "--as", "other/place"]);
        assert_made(&setting.root.path().join("other/place"));
        run(Way::Down, &["/", "--out-dir", "all"]);
        assert_made(&setting.local.path().join("all/other/place"));
        assert_eq!(names_in(setting.root.path()), ["other", "tree"]);
        // Nothing of ours is left beside the files.
        assert_eq!(names_in(&setting.local.path().join("named/sub/deeper")), ["x", "y.bin"]);
    }
}

#[test]
fn directories_without_files_go_both_ways() {
    let setting = Setting::new();
    let run = |way: Way, args: &[&str]| {
        let client = way.client(setting.server.addr()).args(args);
        client.current_dir(setting.local.path()).run()
    };
    fs::create_dir_all(setting.local.path().join("tree/a/b")).unwrap();
    run(Way::Up, &["tree"]).assert_done();
    assert!(setting.root.path().join("tree/a/b").is_dir());
    run(Way::Down, &["tree/", "--out-dir", "out"]).assert_done();
    assert!(setting.local.path().join("out/tree/a/b").is_dir());
    run(Way::Down, &["tree/a/b/", "-o", "named"]).assert_done();
    assert_eq!(names_in(&setting.local.path().join("named")), [""; 0]);
    // A file is in the way, here or there.
    fs::create_dir(setting.local.path().join("file")).unwrap();
    write_file(&setting.root.path().join("file"), content(1, 10));
    let outcome = run(Way::Up, &["file"]);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("\"file\""), "{outcome:#?}");
    write_file(&setting.local.path().join("out/tree/a/c"), content(1, 10));
    fs::create_dir(setting.root.path().join("tree/a/c")).unwrap();
    let outcome = run(Way::Down, &["tree/", "--out-dir", "out"]);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("out/tree/a/c"), "{outcome:#?}");
    assert_content(&setting.local.path().join("out/tree/a/c"), content(1, 10));
}

#[test]
fn a_directory_can_be_named_in_any_way() {
    let setting = Setting::new();
    make(&setting.local.path().join("tree"));
    for (index, name) in ["tree/", "./tree", "sub/../tree/.", "."].into_iter().enumerate() {
        let dir = if name == "." {
            setting.local.path().join("tree")
        } else {
            setting.local.path().to_owned()
        };
        fs::create_dir_all(dir.join("sub")).unwrap();
        let client = Way::Up.client(setting.server.addr()).args([name, "--retries", "0"]);
        let outcome = client.current_dir(&dir).run();
        assert_eq!(outcome.code, Some(0), "{name}: {outcome:#?}");
        assert_content(&setting.root.path().join("tree/a.bin"), content(0, 1000));
        fs::remove_dir_all(setting.root.path().join("tree")).unwrap();
        assert!(names_in(setting.root.path()).is_empty(), "{index}");
    }
}

#[test]
fn a_link_is_left_out_by_name_unless_it_is_to_be_followed() {
    let setting = Setting::new();
    let tree = setting.local.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for (seed, name) in (0..).zip(["a", "z"]) {
        write_file(&tree.join(name), content(seed, 100));
    }
    write_file(&setting.local.path().join("outside"), content(7, 100));
    symlink("../outside", tree.join("link")).unwrap();
    let upload = |args: &[&str]| {
        let client = Way::Up.client(setting.server.addr()).arg("tree").args(args);
        client.current_dir(setting.local.path()).run()
    };
    let stored = setting.root.path().join("tree");
    let outcome = upload(&[]);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("tree/link"), "{outcome:#?}");
    assert!(outcome.stderr.contains("--follow"), "{outcome:#?}");
    assert_eq!(names_in(&stored), ["a", "z"]);
    upload(&["--follow"]).assert_done();
    assert_content(&stored.join("link"), content(7, 100));
}

#[test]
fn a_link_that_is_named_is_meant() {
    let setting = Setting::new();
    write_file(&setting.local.path().join("file"), content(1, 100));
    symlink("file", setting.local.path().join("link")).unwrap();
    let client = Way::Up.client(setting.server.addr()).arg("link");
    client.current_dir(setting.local.path()).run().assert_done();
    assert_content(&setting.root.path().join("link"), content(1, 100));
}

#[test]
fn thousands_of_small_files_go_both_ways() {
    let setting = Setting::new();
    let tree = setting.local.path().join("many");
    for index in 0..3000_u64 {
        let dir = tree.join(format!("{:02}", index % 30));
        if index < 30 {
            fs::create_dir_all(&dir).unwrap();
        }
        write_file(&dir.join(index.to_string()), content(index, index % 700));
    }
    let run = |way: Way, args: &[&str]| {
        let client = way.client(setting.server.addr()).args(args).arg("--quiet");
        client.current_dir(setting.local.path()).run().assert_done();
    };
    run(Way::Up, &["many"]);
    run(Way::Down, &["many/", "-o", "back"]);
    for index in 0..3000_u64 {
        let name = format!("{:02}/{index}", index % 30);
        let whole = content(index, index % 700).bytes();
        assert!(fs::read(setting.root.path().join("many").join(&name)).unwrap() == whole, "{name}");
        assert!(
            fs::read(setting.local.path().join("back").join(&name)).unwrap() == whole,
            "{name}"
        );
    }
}

/// An interrupted tree resumes where it was, file by file.
#[test]
fn files_in_the_middle_that_are_refused_do_not_take_others_with_them() {
    let setting = Setting::new();
    let tree = setting.local.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for index in 0..300 {
        write_file(&tree.join(format!("{index:03}")), content(index, 50));
    }
    // There it can't be stored: a directory has the name, and a file that of a directory.
    for index in [100, 200] {
        fs::create_dir_all(setting.root.path().join(format!("tree/{index}"))).unwrap();
    }
    let upload = |args: &[&str]| {
        let client = Way::Up.client(setting.server.addr()).arg("tree").args(args);
        client.current_dir(setting.local.path()).run()
    };
    let outcome = upload(&["--keep-going"]);
    outcome.assert_code(1);
    for name in ["tree/100", "tree/200"] {
        assert!(outcome.stderr.contains(name), "{outcome:#?}");
    }
    for index in (0..300).filter(|index| ![100, 200].contains(index)) {
        let stored = setting.root.path().join(format!("tree/{index:03}"));
        assert_content(&stored, content(index, 50));
    }
    upload(&[]).assert_code(1);
}

#[test]
fn names_that_no_server_takes_are_reported_in_order() {
    let setting = Setting::new();
    for name in ["1", "3"] {
        write_file(&setting.local.path().join(name), content(1, 10));
    }
    fs::create_dir(setting.local.path().join(".ftx")).unwrap();
    write_file(&setting.local.path().join(".ftx/2"), content(1, 10));
    let upload = |args: &[&str]| {
        let client = Way::Up.client(setting.server.addr()).args(["1", ".ftx", "3"]).args(args);
        client.current_dir(setting.local.path()).run()
    };
    let outcome = upload(&[]);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains(".ftx"), "{outcome:#?}");
    assert_eq!(names_in(setting.root.path()), ["1"]);
    upload(&["--keep-going"]).assert_code(1);
    assert_eq!(names_in(setting.root.path()), ["1", "3"]);
}

/// A server is killed in the middle of many files; all that it said is done, is there.
#[test]
fn a_tree_survives_a_server_that_is_killed() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let tree = local.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for index in 0..400 {
        write_file(&tree.join(format!("{index}")), content(index, 20_000));
    }
    let server = Server::start(root.path());
    let proxy = Proxy::start(server.addr(), |_| ftx_tests::Plan::default().rate(8 * MIB));
    let client = Way::Up.client(proxy.addr()).args(["tree", "--retries", "20"]);
    let client = client.current_dir(local.path()).spawn();
    ftx_tests::wait_until("some have passed", ftx_tests::DEADLINE, || {
        proxy.count(ftx_tests::Direction::ToServer) > 3 * MIB
    });
    let server = server.restart();
    proxy.set_upstream(server.addr());
    client.wait(ftx_tests::DEADLINE).assert_done();
    for index in 0..400 {
        assert_content(&root.path().join(format!("tree/{index}")), content(index, 20_000));
    }
    let sent = proxy.count(ftx_tests::Direction::ToServer);
    assert!(sent < 400 * 21_000 + 8 * MIB, "{sent} bytes were sent");
}
