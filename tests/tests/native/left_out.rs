//! No file is left out in silence: each untransferable file is named and counted, the rest is
//! transferred, and the run ends with 1.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{FileHead, Meta, Reply, Request, Version};
use ftx_tests::stub::{self, Stub};
use ftx_tests::{Client, DEADLINE, Direction, Outcome, Proxy, wait_until};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use super::setting::names_in;
use super::{Setting, Way};

/// Untransferable entries of `with_tree`, as they are listed, and the reasons.
const ODD: [(&str, &str); 7] = [
    ("d/caf\\xe9", "not_utf8"),
    ("d/dir\\xff", "not_utf8"),
    ("d/fifo", "special"),
    ("d/link", "link"),
    ("d/linked-dir", "link"),
    ("d/sub/back\\\\slash", "link"),
    ("d/\\xff", "not_utf8"),
];

/// Makes a directory `d` with two files, an empty directory, and `ODD`.
fn with_tree(base: &Path) {
    let path = |name: &[u8]| base.join(OsStr::from_bytes(name));
    for dir in [&b"d/sub"[..], b"d/dir\xff", b"d/empty"] {
        fs::create_dir_all(path(dir)).unwrap();
    }
    for file in [&b"d/a"[..], b"d/sub/z", b"d/caf\xe9", b"d/dir\xff/below", b"d/\xff"] {
        fs::write(path(file), "bytes").unwrap();
    }
    symlink("a", path(b"d/link")).unwrap();
    symlink("sub", path(b"d/linked-dir")).unwrap();
    symlink("nowhere", path(b"d/sub/back\\slash")).unwrap();
    mknodat(CWD, path(b"d/fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// All that can be transferred of it is here.
fn assert_rest_arrived(dir: &Path) {
    assert_eq!(names_in(dir), ["a", "empty", "sub"]);
    assert_eq!(names_in(&dir.join("sub")), ["z"]);
    assert_eq!(fs::read(dir.join("sub/z")).unwrap(), b"bytes");
}

/// Each is named in a line with words that say why, and counted in the last one.
fn assert_obstacles_reported(text: &str, outcome: &Outcome) {
    outcome.assert_code(1);
    for (name, why) in ODD {
        let words = match why {
            "link" => "a symbolic link",
            "special" => "neither a file nor a directory",
            _ => "not UTF-8",
        };
        let is_reported = |line: &str| line.contains(&format!("{name} ")) && line.contains(words);
        assert!(text.lines().any(is_reported), "{name}: {outcome:#?}");
    }
    assert!(!text.contains("below"), "{outcome:#?}");
    let last = outcome.stderr.lines().last();
    assert_eq!(last, Some("7 entries cannot be transferred"), "{outcome:#?}");
}

fn events(outcome: &Outcome) -> Vec<Value> {
    outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn list(setting: &Setting, args: &[&str]) -> Outcome {
    let addr = setting.server.addr().to_string();
    Client::new().args(["ls", &addr]).args(args).run()
}

#[test]
fn a_listing_names_untransferable_files() {
    let setting = Setting::new();
    with_tree(setting.root.path());
    let outcome = list(&setting, &["-R", "d"]);
    assert_obstacles_reported(&outcome.stdout, &outcome);
    let outcome = list(&setting, &["d", "-R", "--json"]);
    outcome.assert_code(1);
    let mut events = events(&outcome);
    assert_eq!(events.pop(), Some(json!({ "event": "incomplete", "skipped": 7 })));
    let names: Vec<_> = events.iter().map(|event| event["name"].as_str().unwrap()).collect();
    let order = [
        "d/a",
        "d/caf\\xe9",
        "d/dir\\xff",
        "d/empty",
        "d/fifo",
        "d/link",
        "d/linked-dir",
        "d/sub",
        "d/sub/back\\\\slash",
        "d/sub/z",
        "d/\\xff",
    ];
    assert_eq!(names, order);
    let odd = events.iter().filter(|event| event["kind"] == "untransferable");
    let odd: Vec<_> =
        odd.map(|event| ["name", "reason"].map(|field| event[field].as_str().unwrap())).collect();
    assert_eq!(odd, ODD.map(|(name, why)| [name, why]));
    // Where there is nothing of the kind nothing is said.
    list(&setting, &["d/empty"]).assert_done();
    let outcome = list(&setting, &[]);
    outcome.assert_done();
    assert_eq!(outcome.stderr, "");
}

#[test]
fn a_download_of_a_directory_names_them_and_brings_the_rest() {
    for args in [&[][..], &["--quiet"]] {
        let setting = Setting::new();
        with_tree(setting.root.path());
        let client = Way::Down.client(setting.server.addr()).arg("d/").args(args);
        let outcome = client.current_dir(setting.local.path()).run();
        assert_obstacles_reported(&outcome.stderr, &outcome);
        assert_rest_arrived(&setting.local.path().join("d"));
    }
}

/// Fields of the events for omitted files, and of the last event.
fn assert_events(outcome: &Outcome, direction: &str) {
    outcome.assert_code(1);
    let mut events = events(outcome);
    assert_eq!(events.pop(), Some(json!({ "event": "incomplete", "skipped": 7 })));
    let skipped = events.iter().filter(|event| event["event"] == "skipped");
    let skipped: Vec<_> = skipped
        .map(|event| {
            assert_eq!(event["direction"], direction);
            assert!(!event["error"].as_str().unwrap().is_empty());
            ["name", "reason"].map(|field| event[field].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(skipped, ODD.map(|(name, why)| [name.to_owned(), why.to_owned()]));
    let finished = events.iter().filter(|event| event["event"] == "finished").count();
    assert_eq!(finished, 2);
}

#[test]
fn programs_learn_which_and_why() {
    for way in super::setting::WAYS {
        let setting = Setting::new();
        let (base, name, direction) = match way {
            Way::Up => (setting.local.path(), "d", "upload"),
            Way::Down => (setting.root.path(), "d/", "download"),
        };
        with_tree(base);
        let client = way.client(setting.server.addr()).args([name, "--json"]);
        assert_events(&client.current_dir(setting.local.path()).run(), direction);
    }
}

#[test]
fn an_upload_of_a_tree_names_them_and_sends_the_rest() {
    for dialect in ["native", "legacy"] {
        for args in [&[][..], &["--quiet"], &["--keep-going"]] {
            let setting = Setting::new();
            with_tree(setting.local.path());
            if dialect == "legacy" {
                // It cannot be asked for empty directories.
                fs::remove_dir(setting.local.path().join("d/empty")).unwrap();
                fs::create_dir_all(setting.root.path().join("d/empty")).unwrap();
            }
            let client = Client::upload(setting.server.addr()).dialect(dialect).arg("d").args(args);
            let outcome = client.current_dir(setting.local.path()).run();
            assert_obstacles_reported(&outcome.stderr, &outcome);
            assert!(outcome.stderr.contains("--follow"), "{outcome:#?}");
            assert_rest_arrived(&setting.root.path().join("d"));
        }
    }
}

#[test]
fn a_followed_link_is_no_link() {
    let setting = Setting::new();
    let tree = setting.local.path().join("d");
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::write(tree.join("a"), "bytes").unwrap();
    symlink("../d", tree.join("loop")).unwrap();
    symlink("nowhere", tree.join("dangling")).unwrap();
    symlink("a", tree.join("link")).unwrap();
    let client = Way::Up.client(setting.server.addr()).args(["d", "--follow"]);
    let outcome = client.current_dir(setting.local.path()).run();
    outcome.assert_code(1);
    for name in ["d/loop", "d/dangling"] {
        let told =
            format!("{name} cannot be transferred: it is a symbolic link that leads nowhere");
        assert!(outcome.stderr.contains(&told), "{outcome:#?}");
    }
    assert!(outcome.stderr.ends_with("2 entries cannot be transferred"), "{outcome:#?}");
    assert_eq!(names_in(&setting.root.path().join("d")), ["a", "link", "sub"]);
}

/// One that is named by itself is meant, and fails.
#[test]
fn a_name_on_the_command_line_that_is_not_utf8_is_an_error() {
    let setting = Setting::new();
    let name = OsStr::from_bytes(b"caf\xe9");
    fs::write(setting.local.path().join(name), "bytes").unwrap();
    let client = Way::Up.client(setting.server.addr()).arg(name);
    let outcome = client.current_dir(setting.local.path()).run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains(r"caf\xe9"), "{outcome:#?}");
    assert!(outcome.stderr.contains("unicode"), "{outcome:#?}");
    let client = Way::Up.client(setting.server.addr()).arg(name).args(["--as", "cafe"]);
    client.current_dir(setting.local.path()).run().assert_done();
    assert_eq!(names_in(setting.root.path()), ["cafe"]);
    let client = Way::Down.client(setting.server.addr()).arg(name);
    client.current_dir(setting.local.path()).run().assert_code(2);
}

/// A file that has gone when its turn comes is named, and the others are sent.
#[test]
fn a_file_that_vanishes_before_it_is_sent_does_not_stop_the_others() {
    for dialect in ["native", "legacy"] {
        let setting = Setting::new();
        let tree = setting.local.path().join("d");
        fs::create_dir(&tree).unwrap();
        for name in ["a", "b", "c", "d"] {
            fs::write(tree.join(name), name).unwrap();
        }
        let proxy = Proxy::plain(setting.server.addr());
        proxy.hold(true);
        let client = Client::upload(proxy.addr()).dialect(dialect).arg("d").streams(1);
        let client = client.current_dir(setting.local.path()).spawn();
        // By then it has gone through the tree.
        wait_until("it has connected", DEADLINE, || proxy.connections() > 0);
        if dialect == "native" {
            fs::remove_file(tree.join("a")).unwrap();
        }
        fs::remove_file(tree.join("c")).unwrap();
        proxy.hold(false);
        let outcome = client.wait(DEADLINE);
        outcome.assert_code(1);
        let (left, told) = match dialect {
            "native" => (&["b", "d"][..], "2 entries cannot be transferred"),
            _ => (&["a", "b", "d"][..], "1 entry cannot be transferred"),
        };
        assert!(outcome.stderr.contains("d/c"), "{outcome:#?}");
        assert_eq!(outcome.stderr.lines().last(), Some(told), "{outcome:#?}");
        assert_eq!(names_in(&setting.root.path().join("d")), left, "{outcome:#?}");
        assert!(proxy.count(Direction::ToServer) > 0);
    }
}

/// The same of a file that the server has listed.
#[test]
fn a_file_that_vanishes_before_the_request_does_not_stop_the_others() {
    let stub = Stub::start(|id, request| match request {
        Request::List { .. } => stub::listing(id, &["d/a", "d/b", "d/c"]),
        Request::Get { name, .. } if name == "d/b" => {
            Reply::failed(Reason::NotFound, "gone").encode(id).unwrap()
        }
        Request::Get { .. } => {
            let head = FileHead::Got { meta: Meta::default(), version: Version([1; 16]) };
            let digest: Digest =
                "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262".parse().unwrap();
            [head.encode(id, 0).unwrap(), digest.0.to_vec()].concat()
        }
        Request::Ping { payload } => Reply::Pong { payload: *payload }.encode(id).unwrap(),
        _ => Reply::failed(Reason::Unsupported, "not here").encode(id).unwrap(),
    });
    let local = tempfile::tempdir().unwrap();
    let client = Way::Down.client(stub.addr()).arg("d/").streams(1).current_dir(local.path());
    let outcome = client.run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("d/b: download failed"), "{outcome:#?}");
    assert!(outcome.stderr.ends_with("1 entry cannot be transferred"), "{outcome:#?}");
    assert_eq!(names_in(&local.path().join("d")), ["a", "c"]);
}

/// The directories of one client, however deep, do not keep others from their files.
#[test]
fn a_tree_that_is_too_deep_is_listed_and_the_rest_transferred() {
    let setting = Setting::new();
    let mut dir = fs::File::open(setting.root.path()).unwrap();
    for _ in 0..20 {
        let part = "x".repeat(255);
        rustix::fs::mkdirat(&dir, &part, Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        dir = rustix::fs::openat(&dir, &part, flags, Mode::empty()).unwrap().into();
    }
    fs::write(setting.root.path().join("zz"), "bytes").unwrap();
    let outcome = list(&setting, &["-R", "--json"]);
    outcome.assert_code(1);
    let mut events = events(&outcome);
    events.pop();
    assert_eq!(events.len(), 18);
    assert_eq!(
        (&events[16]["kind"], &events[16]["reason"]),
        (&json!("untransferable"), &json!("too_long"))
    );
    assert_eq!(events[17]["name"], "zz");
    let client = Way::Down.client(setting.server.addr()).arg("/");
    let outcome = client.current_dir(setting.local.path()).run();
    outcome.assert_code(1);
    assert!(outcome.stderr.ends_with("1 entry cannot be transferred"), "{outcome:#?}");
    assert_eq!(fs::read(setting.local.path().join("zz")).unwrap(), b"bytes");
}
