//! Questions, removing, overwriting.

use std::fs;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Outcome};
use serde_json::Value;

use super::{MIB, Setting, Way};

/// A server with some files.
fn stocked() -> Setting {
    let setting = Setting::new();
    for (seed, (name, len)) in (0..).zip([("a.bin", 3 * MIB + 7), ("d/b", 5), ("d/e/c", 0)]) {
        let path = setting.root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_file(&path, content(seed, len));
    }
    fs::create_dir(setting.root.path().join("d/none")).unwrap();
    setting
}

fn ask(setting: &Setting, verb: &str, args: &[&str]) -> Outcome {
    let client = Client::new().arg(verb).arg(setting.server.addr().to_string()).args(args);
    client.current_dir(setting.local.path()).run()
}

fn values(outcome: &Outcome) -> Vec<Value> {
    outcome.assert_done();
    outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(outcome: &Outcome) -> Vec<String> {
    outcome.assert_done();
    let last = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    outcome.stdout.lines().map(last).collect()
}

fn b3sum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[test]
fn a_directory_is_listed() {
    let setting = stocked();
    assert_eq!(names(&ask(&setting, "ls", &[])), ["a.bin", "d/"]);
    assert_eq!(names(&ask(&setting, "ls", &["/"])), ["a.bin", "d/"]);
    assert_eq!(names(&ask(&setting, "ls", &["d"])), ["d/b", "d/e/", "d/none/"]);
    assert_eq!(names(&ask(&setting, "ls", &["d/"])), ["d/b", "d/e/", "d/none/"]);
    let all = ["a.bin", "d/", "d/b", "d/e/", "d/e/c", "d/none/"];
    assert_eq!(names(&ask(&setting, "ls", &["-R"])), all);
    assert_eq!(names(&ask(&setting, "ls", &["d/none"])), [""; 0]);
    let entries = values(&ask(&setting, "ls", &["-R", "--json"]));
    let told: Vec<_> = entries
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["size"].as_u64().unwrap()))
        .collect();
    let wanted =
        [("a.bin", 3 * MIB + 7), ("d", 0), ("d/b", 5), ("d/e", 0), ("d/e/c", 0), ("d/none", 0)];
    assert_eq!(told, wanted);
    assert_eq!(entries[0]["kind"], "file");
    assert_eq!(entries[1]["kind"], "directory");
}

/// More than one answer holds.
#[test]
fn a_long_list_arrives_complete_and_in_order() {
    let setting = Setting::new();
    let dir = setting.root.path().join("long");
    fs::create_dir(&dir).unwrap();
    let name = |index: usize| format!("{index:05}{}", "x".repeat(200));
    for index in 0..6000 {
        fs::File::create(dir.join(name(index))).unwrap();
    }
    let wanted: Vec<_> = (0..6000).map(|index| format!("long/{}", name(index))).collect();
    assert_eq!(names(&ask(&setting, "ls", &["long"])), wanted);
}

#[test]
fn missing_files_are_named() {
    let setting = stocked();
    for (verb, args) in
        [("ls", ["none"]), ("stat", ["none"]), ("digest", ["none"]), ("rm", ["none"])]
    {
        let outcome = ask(&setting, verb, &args);
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("none"), "{verb}: {outcome:#?}");
    }
    for verb in ["stat", "digest", "rm"] {
        let outcome = ask(&setting, verb, &["../a.bin"]);
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("../a.bin"), "{verb}: {outcome:#?}");
    }
}

#[test]
fn a_name_is_looked_at() {
    let setting = stocked();
    let entries = values(&ask(&setting, "stat", &["a.bin", "d", "--json"]));
    assert_eq!((&entries[0]["size"], &entries[0]["kind"]), (&(3 * MIB + 7).into(), &"file".into()));
    assert_eq!(entries[1]["kind"], "directory");
    assert!(entries[0]["mtime"].is_array() && entries[0]["executable"] == false);
    // Existing names are reported, even if others are missing.
    let outcome = ask(&setting, "stat", &["none", "a.bin"]);
    outcome.assert_code(1);
    assert!(outcome.stdout.contains("a.bin"), "{outcome:#?}");
}

#[test]
fn digests_are_those_of_b3sum() {
    let setting = Setting::new();
    for (seed, len) in (0..).zip([0, 1, 1024, 1025, MIB - 1, MIB, MIB + 1, 3 * MIB, 7 * MIB + 13]) {
        let name = format!("{len}");
        write_file(&setting.local.path().join(&name), content(seed, len));
        let client = Way::Up.client(setting.server.addr()).arg(&name);
        client.current_dir(setting.local.path()).run().assert_done();
        let line = format!("{}  {name}", b3sum(&content(seed, len).bytes()));
        let remote = ask(&setting, "digest", &[&name]);
        remote.assert_done();
        assert_eq!(remote.stdout, line);
        let local = Client::new().args(["digest", "--local", &name]);
        let local = local.current_dir(setting.local.path()).run();
        local.assert_done();
        assert_eq!(local.stdout, line);
        // One that the server has never seen before.
        let unseen = format!("unseen-{len}");
        write_file(&setting.root.path().join(&unseen), content(seed, len));
        let value = values(&ask(&setting, "digest", &[&unseen, "--json"])).remove(0);
        assert_eq!(value["digest"], b3sum(&content(seed, len).bytes()));
    }
}

#[test]
fn a_file_is_removed_and_a_directory_is_not() {
    let setting = stocked();
    ask(&setting, "rm", &["a.bin"]).assert_done();
    assert!(!setting.root.path().join("a.bin").exists());
    let outcome = ask(&setting, "rm", &["d", "d/b"]);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains('d'), "{outcome:#?}");
    assert!(
        !setting.root.path().join("d/b").exists() && setting.root.path().join("d/e/c").exists()
    );
}

#[test]
fn an_existing_file_is_replaced_only_on_request() {
    for (old, new) in [(1000, 2000), (2 * MIB, 3 * MIB)] {
        let setting = Setting::with_file(Way::Up, 1, new);
        let upload = |policy: &str| {
            setting.client(Way::Up, setting.server.addr()).args(["--overwrite", policy]).run()
        };
        let target = setting.target(Way::Up);
        write_file(&target, content(9, old));
        let outcome = upload("fail");
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("a.bin"), "{outcome:#?}");
        assert_content(&target, content(9, old));
        let outcome = upload(&b3sum(b"another"));
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("a.bin"), "{outcome:#?}");
        assert_content(&target, content(9, old));
        upload(&b3sum(&content(9, old).bytes())).assert_done();
        setting.assert_arrived(Way::Up, 1, new);
        fs::remove_file(&target).unwrap();
        upload(&b3sum(b"another")).assert_code(1);
        upload("fail").assert_done();
        setting.assert_arrived(Way::Up, 1, new);
    }
}
