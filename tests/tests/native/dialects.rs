//! Downloads resumed in the other dialect. A server keeps an interrupted upload for the dialect it came
//! in, since the two dialects offer it in different forms.

use ftx_tests::{Client, Plan, Proxy};

use super::setting::WAYS;
use super::{MIB, Setting, Way};

const LEN: u64 = 32 * MIB;

/// Where the first transfer is cut.
const CUT: u64 = 24 * MIB;

/// Bytes that may be sent in both dialects.
const SLACK: u64 = 8 * MIB;

fn client(setting: &Setting, way: Way, proxy: &Proxy, dialect: &str) -> Client {
    let client = match way {
        Way::Up => Client::upload(proxy.addr()),
        Way::Down => Client::download(proxy.addr()),
    };
    client.args(["a.bin", "--retries", "0"]).dialect(dialect).current_dir(setting.local.path())
}

/// Cut in the one, ended in the other. Returns how many bytes were sent again.
fn ends(way: Way, first: &str, then: &str) -> u64 {
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
    proxy.count(way.direction()) - LEN
}

#[test]
fn a_legacy_download_is_resumed_in_the_native_dialect() {
    let again = ends(Way::Down, "legacy", "native");
    assert!(again <= SLACK, "{again} bytes were sent again");
}

#[test]
fn a_native_download_is_resumed_in_the_legacy_dialect() {
    let again = ends(Way::Down, "native", "legacy");
    assert!(again <= SLACK, "{again} bytes were sent again");
}

#[test]
fn an_upload_of_one_dialect_ends_well_in_the_other() {
    ends(Way::Up, "legacy", "native");
    ends(Way::Up, "native", "legacy");
}

/// A whole file is up to date in either dialect.
#[test]
fn a_file_stored_in_one_dialect_is_up_to_date_in_the_other() {
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
