//! One dialect goes on with what the other left.

use ftx_tests::{Client, Plan, Proxy};

use super::setting::WAYS;
use super::{MIB, Setting, Way};

const LEN: u64 = 32 * MIB;

/// Where the first transfer is cut.
const CUT: u64 = 24 * MIB;

/// What may be sent in both.
const SLACK: u64 = 8 * MIB;

fn client(setting: &Setting, way: Way, proxy: &Proxy, dialect: &str) -> Client {
    let client = match way {
        Way::Up => Client::upload(proxy.addr()),
        Way::Down => Client::download(proxy.addr()),
    };
    client.args(["a.bin", "--retries", "0"]).dialect(dialect).current_dir(setting.local.path())
}

/// Cut in the one, gone on with in the other.
fn goes_on(way: Way, first: &str, then: &str) {
    let setting = Setting::with_file(way, 1, LEN);
    let proxy = Proxy::start(setting.server.addr(), move |index| match index {
        0 => Plan::default().cut_after(way.direction(), CUT),
        _ => Plan::default(),
    });
    let interrupted = client(&setting, way, &proxy, first);
    let interrupted = if first == "native" { interrupted.streams(1) } else { interrupted };
    interrupted.run().assert_code(1);
    client(&setting, way, &proxy, then).run().assert_done();
    setting.assert_arrived(way, 1, LEN);
    let again = proxy.count(way.direction()) - LEN;
    assert!(again <= SLACK, "{again} bytes were sent again, {way:?} {first} and then {then}");
}

#[test]
fn a_download_of_the_legacy_dialect_is_gone_on_with_in_the_native_one() {
    goes_on(Way::Down, "legacy", "native");
}

#[test]
fn a_download_of_the_native_dialect_is_gone_on_with_in_the_legacy_one() {
    goes_on(Way::Down, "native", "legacy");
}

#[test]
fn an_upload_of_the_legacy_dialect_is_gone_on_with_in_the_native_one() {
    goes_on(Way::Up, "legacy", "native");
}

#[test]
fn an_upload_of_the_native_dialect_is_gone_on_with_in_the_legacy_one() {
    goes_on(Way::Up, "native", "legacy");
}

/// A whole file is a whole file, whoever brought it.
#[test]
fn what_one_dialect_stored_the_other_knows() {
    for way in WAYS {
        for (first, then) in [("legacy", "native"), ("native", "legacy")] {
            let setting = Setting::with_file(way, 1, 4 * MIB);
            let proxy = Proxy::plain(setting.server.addr());
            client(&setting, way, &proxy, first).run().assert_done();
            let before = proxy.count(way.direction());
            client(&setting, way, &proxy, then).run().assert_done();
            let moved = proxy.count(way.direction()) - before;
            assert!(moved < 2000, "{moved} bytes, {way:?} {first} and then {then}");
        }
    }
}
