//! Error causes for people and for programs: each cause has a text of its own, and unwritable output is
//! an error.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Outcome, Server, SmallDisk, bins, with_mounts};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

const DIALECTS: [&str; 2] = ["native", "legacy"];

/// Longer than any clock goes.
const ENDLESS: &str = "300000000000years";

/// The text of no cause in this test.
const IN_USE: &str = "in use by another transfer";

fn mount(from: &Path, to: &Path) {
    let status = Command::new("mount").arg("--bind").args([from, to]).status().unwrap();
    assert!(status.success(), "{} cannot be mounted", to.display());
}

fn unmount(path: &Path) {
    assert!(Command::new("umount").arg(path).status().unwrap().success());
}

fn assert_cause_reported(outcome: &Outcome, text: &str) {
    outcome.assert_code(1);
    assert!(outcome.stderr.contains(text), "{outcome:#?}");
    assert!(!outcome.stderr.contains(IN_USE), "{outcome:#?}");
    assert!(!outcome.stderr.contains("RemoteName"), "{outcome:#?}");
}

#[test]
fn a_mount_point_is_refused_before_anything_is_sent() {
    with_mounts("causes::a_mount_point_is_refused_before_anything_is_sent", || {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let server = Server::start(root.path());
        for dir in [root.path(), local.path()] {
            write_file(&dir.join("large"), content(1, 3 * MIB));
            write_file(&dir.join("small"), content(2, 1000));
            write_file(&dir.join("other"), content(3, 5));
            write_file(&dir.join("target"), content(4, 7));
            mount(&dir.join("other"), &dir.join("target"));
        }
        for dialect in DIALECTS {
            for name in ["large", "small"] {
                let down = Client::download(server.addr()).args([name, "-o", "target"]);
                let down = down.dialect(dialect).current_dir(local.path()).run();
                assert_cause_reported(&down, "\"target\": it is a mount point");
                let up = Client::upload(server.addr()).args([name, "--as", "target"]);
                let up = up.dialect(dialect).args(["--retries", "0"]).current_dir(local.path());
                match dialect {
                    // A number is all that this dialect has.
                    "legacy" => up.run().assert_code(1),
                    _ => assert_cause_reported(&up.run(), "\"target\": it is a mount point"),
                }
            }
            let names = fs::read_dir(local.path()).unwrap().count();
            assert_eq!(names, 4, "{dialect}: something is left");
        }
        for dir in [root.path(), local.path()] {
            assert_content(&dir.join("target"), content(3, 5));
            unmount(&dir.join("target"));
            assert_content(&dir.join("target"), content(4, 7));
        }
    });
}

#[test]
fn a_second_server_of_a_directory_is_refused() {
    let root = tempdir().unwrap();
    let _first = Server::start(root.path());
    let second = Server::builder(root.path()).spawn().wait(ftx_tests::DEADLINE);
    assert_cause_reported(&second, "another server serves");
}

#[test]
fn the_servers_own_directories_are_made_again() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&local.path().join("large"), content(1, 3 * MIB));
    write_file(&local.path().join("small"), content(2, 1000));
    for dialect in DIALECTS {
        for dir in ["blocks", "batch", "staging"] {
            // One that was not used since is not there.
            let _ = fs::remove_dir_all(root.path().join(".ftx").join(dir));
        }
        let upload = Client::upload(server.addr()).args(["large", "small"]).dialect(dialect);
        upload.current_dir(local.path()).run().assert_done();
        for (name, seed, len) in [("large", 1, 3 * MIB), ("small", 2, 1000)] {
            assert_content(&root.path().join(name), content(seed, len));
            fs::remove_file(root.path().join(name)).unwrap();
        }
    }
    fs::remove_dir_all(root.path().join(".ftx")).unwrap();
    let upload = Client::upload(server.addr()).args(["large", "--retries", "0"]);
    let upload = upload.dialect("native").current_dir(local.path()).run();
    assert_cause_reported(&upload, "\".ftx");
    assert_cause_reported(&upload, "restart the server");
}

#[test]
fn an_error_says_each_thing_once() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    let outcome = Client::upload(server.addr()).arg("/nowhere/a").run();
    outcome.assert_code(1);
    assert_eq!(outcome.stderr.matches("no such file").count(), 1, "{outcome:#?}");
    assert!(!outcome.stderr.contains("os error"), "{outcome:#?}");
    fs::create_dir(root.path().join("dir")).unwrap();
    let addr = server.addr().to_string();
    let outcome = Client::new().args(["stat", &addr, "none"]).run();
    assert_cause_reported(&outcome, "there is no \"none\" on the server; check the name");
    assert!(!outcome.stderr.contains("os error"), "{outcome:#?}");
}

/// Runs a program whose standard output has no room.
fn into_full(program: &Path, args: &[&str]) -> Output {
    let full = File::options().write(true).open("/dev/full").unwrap();
    Command::new(program)
        .args(args)
        .env("XDG_CACHE_HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(full)
        .output()
        .unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn unwritable_output_is_an_error() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    for dir in [root.path(), local.path()] {
        fs::write(dir.join("a"), "a").unwrap();
    }
    let (addr, path) = (server.addr().to_string(), local.path().join("a"));
    let path = path.to_str().unwrap();
    let commands = [
        vec!["ls", &addr],
        vec!["ls", "--json", &addr],
        vec!["stat", &addr, "a"],
        vec!["digest", &addr, "a"],
        vec!["digest", "--local", path],
        vec!["upload", "--json", &addr, path],
        vec!["rm", "--json", &addr, "a"],
        vec!["rm", "--json", &addr, "none"],
        vec!["--version"],
        vec!["--help"],
        vec!["ls", "--help"],
    ];
    for command in commands {
        let Output { status, stderr, .. } = into_full(&bins::client(), &command);
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{command:?}: {stderr}");
        assert_eq!(stderr.matches("cannot write to standard output").count(), 1, "{stderr}");
    }
    // A running server continues: its output is a report.
    let Output { status, stderr, .. } = into_full(&bins::server(), &["--version"]);
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write to standard output"), "{stderr}");
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    fs::write(root.path().join("a"), "a").unwrap();
    let addr = server.addr().to_string();
    for command in [vec!["ls", &addr], vec!["--version"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(bins::client()).args(&command).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{command:?}: {output:?}");
    }
}

/// Files of `/proc` say that they are empty.
#[cfg(target_os = "linux")]
#[test]
fn a_size_that_is_wrong_is_not_believed() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    let copy = local.path().join("version");
    fs::write(&copy, fs::read("/proc/version").unwrap()).unwrap();
    let digest = |stdin: Stdio, path: &str| {
        let output = Command::new(bins::client())
            .args(["digest", "--local", path])
            .stdin(stdin)
            .output()
            .unwrap();
        assert!(output.status.success(), "{path}: {output:?}");
        String::from_utf8(output.stdout).unwrap()[..64].to_owned()
    };
    let wanted = digest(Stdio::null(), copy.to_str().unwrap());
    assert_eq!(digest(Stdio::null(), "/proc/version"), wanted);
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, &fs::read(&copy).unwrap()).unwrap();
    drop(writer);
    assert_eq!(digest(reader.into(), "/dev/stdin"), wanted);
    for dialect in DIALECTS {
        let upload = Client::upload(server.addr()).arg("/proc/version").dialect(dialect);
        let outcome = upload.run();
        assert_cause_reported(&outcome, "does not contain exactly the 0 bytes");
        assert!(!root.path().join("version").exists());
    }
}

#[test]
fn any_time_is_shown() {
    with_mounts("causes::any_time_is_shown", || {
        // A file system that has such times.
        let disk = SmallDisk::mount(1);
        let root = disk.path().join("root");
        let server = Server::start(&root);
        let addr = server.addr().to_string();
        let year_10000 = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
        for (name, time) in [("a", year_10000), ("b", UNIX_EPOCH - Duration::from_secs(5))] {
            File::create(root.join(name)).unwrap().set_modified(time).unwrap();
        }
        fs::write(root.join("z"), "z").unwrap();
        let listed = Client::new().args(["ls", &addr]).run();
        listed.assert_done();
        let lines: Vec<_> = listed.stdout.lines().collect();
        assert_eq!(lines.len(), 3, "{listed:#?}");
        assert!(lines[0].contains("@253402300800") && lines[1].contains("@-5"), "{listed:#?}");
        Client::new().args(["stat", &addr, "a", "b"]).run().assert_done();
        Client::new().args(["ls", "--json", &addr]).run().assert_done();
    });
}

#[test]
fn a_limit_may_be_longer_than_any_clock_goes() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::builder(root.path())
        .args(["--hello-timeout", ENDLESS, "--stall-timeout", ENDLESS])
        .args(["--idle-timeout", ENDLESS, "--grace", ENDLESS, "--staging-ttl", ENDLESS])
        .start();
    write_file(&local.path().join("a"), content(1, 3 * MIB));
    for dialect in DIALECTS {
        let upload = Client::upload(server.addr()).args(["a", "--timeout", ENDLESS]);
        upload.dialect(dialect).current_dir(local.path()).run().assert_done();
        let download = Client::download(server.addr()).args(["a", "-o", "b", "--timeout", ENDLESS]);
        download.dialect(dialect).current_dir(local.path()).run().assert_done();
        fs::remove_file(local.path().join("b")).unwrap();
    }
    let outcome = server.terminate(ftx_tests::DEADLINE);
    outcome.assert_code(0);
    assert!(!outcome.stderr.contains("panicked"), "{outcome:#?}");
}
