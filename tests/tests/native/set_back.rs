//! Files that another program writes to in place while they are moved, and whose time of modification it
//! sets back, as `rsync --inplace --times` does.

use std::fs::{self, File};
use std::path::Path;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, Process, Proxy, wait_until};

use super::setting::{NAME, age};
use super::{MIB, Setting, Way};

const DIALECTS: [&str; 2] = ["native", "legacy"];

/// More than is on its way when a quarter of it has passed: the end of it has not been read.
const LEN: u64 = 64 * MIB;

/// The content before and after.
const OLD: u64 = 1;
const NEW: u64 = 2;

/// Writes all of a file anew, without making it shorter in between, and sets its time back.
fn write_in_place(path: &Path) {
    let mut file = File::options().write(true).open(path).unwrap();
    std::io::copy(&mut content(NEW, LEN), &mut file).unwrap();
    drop(file);
    age(path);
}

fn setting(way: Way) -> Setting {
    let setting = Setting::with_file(way, OLD, LEN);
    age(&setting.source(way));
    setting
}

fn client(setting: &Setting, way: Way, dialect: &str, proxy: &Proxy) -> Client {
    let client = match way {
        Way::Up => Client::upload(proxy.addr()),
        Way::Down => Client::download(proxy.addr()),
    };
    let client = client.arg(NAME).dialect(dialect).current_dir(setting.local.path());
    if dialect == "native" { client.streams(1) } else { client }
}

/// Has the source change when a quarter of it has passed.
fn changes_meanwhile(setting: &Setting, way: Way, dialect: &str, proxy: &Proxy) -> Process {
    proxy.let_pass(way.direction(), LEN / 4);
    let client = client(setting, way, dialect, proxy).spawn();
    wait_until("some has passed", DEADLINE, || proxy.count(way.direction()) >= LEN / 4);
    write_in_place(&setting.source(way));
    proxy.let_pass(way.direction(), u64::MAX);
    client
}

#[test]
fn a_source_whose_time_is_set_back_is_not_published_as_a_mixture() {
    for dialect in DIALECTS {
        let setting = setting(Way::Up);
        write_file(&setting.target(Way::Up), content(9, 1000));
        let proxy = Proxy::plain(setting.server.addr());
        let outcome = changes_meanwhile(&setting, Way::Up, dialect, &proxy).wait(DEADLINE);
        outcome.assert_code(1);
        let said = &outcome.stderr;
        assert!(said.contains(NAME) && said.contains("changed"), "{dialect}: {outcome:#?}");
        assert_content(&setting.target(Way::Up), content(9, 1000));
        client(&setting, Way::Up, dialect, &proxy).run().assert_done();
        setting.assert_arrived(Way::Up, NEW, LEN);
    }
}

#[test]
fn a_file_of_the_server_whose_time_is_set_back_does_not_arrive_as_a_mixture() {
    for dialect in DIALECTS {
        let setting = setting(Way::Down);
        let proxy = Proxy::plain(setting.server.addr());
        let outcome = changes_meanwhile(&setting, Way::Down, dialect, &proxy).wait(DEADLINE);
        assert_eq!(outcome.code, Some(0), "{dialect}: {outcome:#?}");
        setting.assert_arrived(Way::Down, NEW, LEN);
    }
}

/// The client has no other try.
#[test]
fn a_download_that_fails_for_it_leaves_nothing_under_the_name() {
    for dialect in DIALECTS {
        let setting = setting(Way::Down);
        let proxy = Proxy::plain(setting.server.addr());
        proxy.let_pass(Way::Down.direction(), LEN / 4);
        let client = client(&setting, Way::Down, dialect, &proxy).args(["--retries", "0"]).spawn();
        wait_until("some has passed", DEADLINE, || proxy.count(Way::Down.direction()) >= LEN / 4);
        write_in_place(&setting.source(Way::Down));
        proxy.let_pass(Way::Down.direction(), u64::MAX);
        client.wait(DEADLINE).assert_code(1);
        assert!(!fs::exists(setting.target(Way::Down)).unwrap(), "{dialect}");
    }
}
