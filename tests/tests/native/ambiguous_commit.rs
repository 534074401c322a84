//! Uploads that the server published, whose answer is lost with the connection. Where an existing file is
//! not to be replaced, the next try finds its own file in the way.

use std::fs;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, Direction, Outcome, Proxy, wait_until};

use super::setting::{b3sum, names_in};
use super::{MIB, Setting, Way};

const SIZES: [u64; 3] = [100, MIB - 1, 3 * MIB + 5];

/// A server with or without a file of the name, and another version of it here.
fn setting(len: u64, is_there: bool) -> Setting {
    let setting = Setting::with_file(Way::Up, 2, len);
    if is_there {
        write_file(&setting.target(Way::Up), content(1, len));
    }
    setting
}

/// The policy that lets this upload be published.
fn policy(setting: &Setting, is_there: bool) -> String {
    if is_there { b3sum(&setting.target(Way::Up)) } else { "fail".to_owned() }
}

/// How many bytes a server says to such an upload that nothing disturbs.
fn said(len: u64, is_there: bool) -> u64 {
    let setting = setting(len, is_there);
    let proxy = Proxy::plain(setting.server.addr());
    let policy = policy(&setting, is_there);
    upload(&setting, &proxy, &policy).run().assert_done();
    proxy.count(Direction::ToClient)
}

fn upload(setting: &Setting, proxy: &Proxy, policy: &str) -> ftx_tests::Client {
    setting.client(Way::Up, proxy.addr()).streams(1).args(["--overwrite", policy])
}

/// Uploads, and loses the end of the last answer. `before_next` runs before the next attempt. Returns
/// the client's final output, unless it had received the answer: a slow server sends more.
fn lose_answer(
    len: u64,
    is_there: bool,
    before_next: impl FnOnce(&Setting),
) -> Option<(Setting, Outcome)> {
    let said = said(len, is_there);
    let setting = setting(len, is_there);
    let policy = policy(&setting, is_there);
    let proxy = Proxy::plain(setting.server.addr());
    proxy.let_pass(Direction::ToClient, said - 1);
    let mut client = upload(&setting, &proxy, &policy).spawn();
    let wanted = content(2, len).bytes();
    wait_until("it is published", DEADLINE, || {
        fs::read(setting.target(Way::Up)).is_ok_and(|bytes| bytes == wanted)
    });
    wait_until("nearly all is said", DEADLINE, || {
        proxy.count(Direction::ToClient) == said - 1 || client.ended().is_some()
    });
    before_next(&setting);
    proxy.cut();
    proxy.let_pass(Direction::ToClient, u64::MAX);
    let outcome = client.wait(DEADLINE);
    (proxy.connections() > 1).then_some((setting, outcome))
}

/// As [`lose_answer`], until it is lost.
fn lost(len: u64, is_there: bool, before_next: impl Fn(&Setting)) -> (Setting, Outcome) {
    (0..10).find_map(|_| lose_answer(len, is_there, &before_next)).expect("it is heard each time")
}

#[test]
fn an_upload_with_a_lost_answer_learns_of_its_own_success() {
    for len in SIZES {
        for is_there in [true, false] {
            let (setting, outcome) = lost(len, is_there, |_| {});
            assert_eq!(outcome.code, Some(0), "{len} bytes, {is_there}: {outcome:#?}");
            setting.assert_arrived(Way::Up, 2, len);
        }
    }
}

/// Another client has stored its own file meanwhile: that one is in the way.
#[test]
fn another_file_that_was_stored_meanwhile_is_in_the_way() {
    for len in SIZES {
        for is_there in [true, false] {
            let (setting, outcome) = lost(len, is_there, |setting| {
                let beside = setting.root.path().join(".ftx/another");
                write_file(&beside, content(3, len));
                fs::rename(beside, setting.target(Way::Up)).unwrap();
            });
            assert_eq!(outcome.code, Some(1), "{len} bytes, {is_there}: {outcome:#?}");
            assert_content(&setting.target(Way::Up), content(3, len));
            assert_eq!(names_in(setting.root.path()), ["a.bin"]);
        }
    }
}
