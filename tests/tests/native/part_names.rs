//! Files of users that have the names of partial downloads.

use std::fs;
use std::path::Path;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, Proxy, wait_until};

use super::setting::names_in;
use super::{MIB, Setting, Way};

const DIALECTS: [&str; 2] = ["native", "legacy"];

/// Sizes of a small file, and of one in blocks.
const LENS: [u64; 2] = [1000, 10 * MIB];

#[test]
fn a_users_file_is_left_alone() {
    for dialect in DIALECTS {
        for len in LENS {
            let setting = Setting::with_file(Way::Down, 1, len);
            let local = setting.local.path();
            for name in ["a.bin.ftxpart", "a.bin.ftxpart-1.journal"] {
                fs::write(local.join(name), "my notes").unwrap();
            }
            let client = Client::download(setting.server.addr()).arg("a.bin").dialect(dialect);
            client.current_dir(local).run().assert_done();
            assert_content(&local.join("a.bin"), content(1, len));
            let names = ["a.bin", "a.bin.ftxpart", "a.bin.ftxpart-1.journal"];
            assert_eq!(names_in(local), names, "{dialect} {len}");
            for name in &names[1..] {
                assert_eq!(fs::read_to_string(local.join(name)).unwrap(), "my notes");
            }
        }
    }
}

#[test]
fn an_interrupted_download_beside_a_users_file_goes_on() {
    for dialect in DIALECTS {
        let setting = Setting::with_file(Way::Down, 1, 10 * MIB);
        let local = setting.local.path();
        fs::write(local.join("a.bin.ftxpart"), "my notes").unwrap();
        let proxy = Proxy::plain(setting.server.addr());
        proxy.let_pass(Way::Down.direction(), 8 * MIB);
        let client = || {
            let client = Client::download(proxy.addr()).args(["a.bin", "--retries", "0"]);
            client.dialect(dialect).streams(1).current_dir(local)
        };
        let mut first = client().spawn();
        let part = local.join("a.bin.ftxpart-1");
        let has_much = || fs::metadata(&part).is_ok_and(|part| part.len() > 6 * MIB);
        wait_until("much has arrived", DEADLINE, has_much);
        first.kill();
        let before = proxy.count(Way::Down.direction());
        proxy.let_pass(Way::Down.direction(), u64::MAX);
        client().run().assert_done();
        let moved = proxy.count(Way::Down.direction()) - before;
        assert!(moved < 9 * MIB, "{dialect}: {moved} bytes came again");
        assert_content(&local.join("a.bin"), content(1, 10 * MIB));
        assert_eq!(names_in(local), ["a.bin", "a.bin.ftxpart"]);
    }
}

#[test]
fn a_tree_with_such_names_comes_back_as_it_was() {
    let setting = Setting::new();
    let local = setting.local.path();
    let names =
        ["a", "a.ftxpart", "a.ftxpart.journal", "a.ftxpart-1", "b.ftxpart", "c", "c.ftxpart"];
    fs::create_dir(local.join("tree")).unwrap();
    for (seed, name) in (0..).zip(names) {
        write_file(&local.join("tree").join(name), content(seed, LENS[usize::from(seed % 2 == 0)]));
    }
    let check = |tree: &Path| {
        for (seed, name) in (0..).zip(names) {
            assert_content(&tree.join(name), content(seed, LENS[usize::from(seed % 2 == 0)]));
        }
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        assert_eq!(names_in(tree), sorted);
    };
    for dialect in DIALECTS {
        let upload = Client::upload(setting.server.addr()).arg("tree").dialect(dialect);
        upload.current_dir(local).run().assert_done();
        check(&setting.root.path().join("tree"));
        let out = format!("out-{dialect}");
        let download = Client::download(setting.server.addr()).args(["--out-dir", &out]);
        let download = match dialect {
            "native" => download.arg("tree/"),
            _ => download.args(names.map(|name| format!("tree/{name}"))),
        };
        download.dialect(dialect).current_dir(local).run().assert_done();
        check(&local.join(out).join("tree"));
        fs::remove_dir_all(setting.root.path().join("tree")).unwrap();
    }
}

/// What has arrived of another file is not lost to a file that has the name of it.
#[test]
fn a_file_waits_for_the_partial_download_that_has_its_name() {
    let setting = Setting::with_file(Way::Down, 1, 10 * MIB);
    let local = setting.local.path();
    write_file(&setting.root.path().join("a.bin.ftxpart"), content(2, 1000));
    let proxy = Proxy::plain(setting.server.addr());
    proxy.let_pass(Way::Down.direction(), 8 * MIB);
    let client = Client::download(proxy.addr()).args(["a.bin", "--retries", "0"]).streams(1);
    let mut first = client.current_dir(local).spawn();
    let part = local.join("a.bin.ftxpart");
    let has_much = || fs::metadata(&part).is_ok_and(|part| part.len() > 6 * MIB);
    wait_until("much has arrived", DEADLINE, has_much);
    first.kill();
    for dialect in DIALECTS {
        let client =
            Client::download(setting.server.addr()).args(["a.bin.ftxpart", "--retries", "0"]);
        let outcome = client.dialect(dialect).current_dir(local).run();
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("of another download"), "{outcome:#?}");
        assert!(part.metadata().unwrap().len() > 6 * MIB);
    }
    let both = Client::download(setting.server.addr()).args(["a.bin.ftxpart", "a.bin"]);
    both.current_dir(local).run().assert_done();
    assert_content(&local.join("a.bin"), content(1, 10 * MIB));
    assert_content(&part, content(2, 1000));
}
