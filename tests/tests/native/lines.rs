//! Connections that break, hang, or are many.

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, Plan, Proxy, Server, wait_until};
use tempfile::tempdir;

use super::setting::{NAME, WAYS};
use super::{MIB, Setting, Way};

const LEN: u64 = 16 * MIB;

#[test]
fn any_number_of_connections_will_do() {
    for way in WAYS {
        for streams in [1, 3, 8] {
            let setting = Setting::with_file(way, 1, LEN);
            // How large a download is, is known too late to open fewer.
            let most = if way == Way::Up { streams.min(4) } else { streams };
            let proxy = Proxy::plain(setting.server.addr());
            // The first of them could be done before the last one is there.
            proxy.let_pass(way.direction(), MIB);
            let client = setting.client(way, proxy.addr()).streams(streams).spawn();
            wait_until("all are there", DEADLINE, || proxy.connections() == most);
            proxy.let_pass(way.direction(), u64::MAX);
            client.wait(DEADLINE).assert_done();
            setting.assert_arrived(way, 1, LEN);
            assert_eq!(proxy.connections(), most, "{way:?}");
            let moved = proxy.count(way.direction());
            assert!(moved < LEN + 20_000, "{moved} bytes, {way:?} over {streams}");
        }
    }
}

/// One of three is cut at a time, each at another place; the others are left alone. Downloads meet cuts
/// at every place in `ftx-core/tests/native_pair`.
#[test]
fn any_connection_can_break() {
    let way = Way::Up;
    for broken in 0..3 {
        for place in [5000, MIB / 2, 2 * MIB + 77] {
            let setting = Setting::with_file(way, 1, LEN);
            let proxy = Proxy::start(setting.server.addr(), move |index| {
                let plan = Plan::default().rate(64 * MIB);
                if index == broken { plan.cut_after(way.direction(), place) } else { plan }
            });
            let outcome = setting.client(way, proxy.addr()).streams(3).run();
            assert_eq!(outcome.code, Some(0), "{broken} {place}: {outcome:#?}");
            setting.assert_arrived(way, 1, LEN);
            let again = proxy.count(way.direction()).saturating_sub(LEN);
            assert!(again <= 3 * 8 * MIB, "{again} bytes again, {broken} {place}");
        }
    }
}

/// All of them break, again and again.
#[test]
fn all_connections_break_all_the_time() {
    for way in WAYS {
        let setting = Setting::with_file(way, 1, LEN);
        let plan = Plan::default().cut_after(way.direction(), 2 * MIB + 4321);
        let proxy = Proxy::start(setting.server.addr(), move |_| plan);
        let outcome = setting.client(way, proxy.addr()).streams(3).run();
        assert_eq!(outcome.code, Some(0), "{way:?}: {outcome:#?}");
        setting.assert_arrived(way, 1, LEN);
    }
}

/// The server does not learn that the client is gone: it sees a hanging connection, and another run
/// waits until that stalls.
#[test]
fn an_upload_is_taken_over_from_a_connection_that_hangs() {
    for streams in [1, 3] {
        let mut setting = Setting::with_file(Way::Up, 1, LEN);
        let server = Server::builder(setting.root.path()).args(["--stall-timeout", "2s"]);
        setting.server.kill();
        setting.server = server.start();
        let proxy = Proxy::start(setting.server.addr(), move |index| {
            let plan = Plan::default().rate(64 * MIB);
            let share = 12 * MIB / streams as u64;
            if index < streams { plan.hang_after(Way::Up.direction(), share) } else { plan }
        });
        let start = || {
            let client = setting.client(Way::Up, proxy.addr());
            client.streams(streams).args(["--timeout", "3s"]).spawn()
        };
        let mut client = start();
        wait_until("it hangs", DEADLINE, || proxy.count(Way::Up.direction()) >= 11 * MIB);
        client.kill();
        start().wait(DEADLINE).assert_done();
        setting.assert_arrived(Way::Up, 1, LEN);
        let again = proxy.count(Way::Up.direction()).saturating_sub(LEN);
        assert!(again <= MIB + 8 * MIB * streams as u64, "{again} bytes again, {streams} streams");
    }
}

/// The client notices by itself that nothing comes any more, and comes back.
#[test]
fn a_client_leaves_a_connection_that_hangs() {
    for way in WAYS {
        let setting = Setting::with_file(way, 1, LEN);
        let proxy = Proxy::start(setting.server.addr(), move |index| match index {
            0 => Plan::default().hang_after(way.direction(), 5 * MIB),
            _ => Plan::default(),
        });
        let client = setting.client(way, proxy.addr()).streams(1);
        client.args(["--timeout", "3s"]).run().assert_done();
        setting.assert_arrived(way, 1, LEN);
        let again = proxy.count(way.direction()).saturating_sub(LEN);
        // A machine that stands still for that long makes it leave another one.
        let most = 8 * MIB * (proxy.connections() as u64 - 1);
        assert!(again <= most, "{again} bytes again, {way:?}");
    }
}

/// The server gets everything sent to it, but none of its replies comes back. Downloads meet every such
/// silence in `ftx-core/tests/native_pair`.
#[test]
fn a_client_leaves_a_server_that_does_not_answer() {
    let way = Way::Up;
    for streams in [1, 3] {
        let setting = Setting::with_file(way, 1, LEN);
        let proxy = Proxy::start(setting.server.addr(), move |index| match index {
            0 => Plan::default().hang_after(way.direction().opposite(), 300),
            _ => Plan::default(),
        });
        let client = setting.client(way, proxy.addr()).streams(streams);
        client.args(["--timeout", "3s"]).run().assert_done();
        setting.assert_arrived(way, 1, LEN);
    }
}

/// The second connection is slow, and the first one has nothing to do for longer than a server may be
/// silent.
#[test]
fn a_connection_that_waits_for_another_is_no_failure() {
    let setting = Setting::with_file(Way::Up, 1, LEN);
    let proxy = Proxy::start(setting.server.addr(), move |index| {
        let plan = Plan::default();
        if index == 1 { plan.rate(MIB) } else { plan }
    });
    let client = setting.client(Way::Up, proxy.addr()).streams(2);
    client.args(["--timeout", "4s"]).run().assert_done();
    setting.assert_arrived(Way::Up, 1, LEN);
    assert_eq!(proxy.connections(), 2);
}

/// A block takes longer than a server may be silent; but it is not.
#[test]
fn a_slow_line_is_no_failure() {
    for way in WAYS {
        for len in [MIB - 1, MIB + MIB / 2] {
            let setting = Setting::with_file(way, 1, len);
            let plan = Plan::default().rate(192 * 1024);
            let proxy = Proxy::start(setting.server.addr(), move |_| plan);
            let client = setting.client(way, proxy.addr()).streams(1);
            client.args(["--timeout", "4s"]).run().assert_done();
            setting.assert_arrived(way, 1, len);
            assert_eq!(proxy.connections(), 1, "{way:?}, {len} bytes");
        }
    }
}

/// The last commit wins the name; the file is one of the two.
#[test]
fn of_two_clients_at_one_name_one_has_it() {
    let setting = Setting::new();
    let others = [tempdir().unwrap(), tempdir().unwrap()];
    let lens = [LEN, LEN + 5 * MIB];
    for (seed, (dir, len)) in (1..).zip(others.iter().zip(lens)) {
        write_file(&dir.path().join(NAME), content(seed, len));
    }
    let proxy = Proxy::start(setting.server.addr(), |_| Plan::default().rate(24 * MIB));
    let clients = others.each_ref().map(|dir| {
        let client = Way::Up.client(proxy.addr()).arg(NAME).streams(2);
        client.current_dir(dir.path()).spawn()
    });
    for client in clients {
        client.wait(DEADLINE).assert_done();
    }
    let len = std::fs::metadata(setting.target(Way::Up)).unwrap().len();
    let winner = lens.iter().position(|&own| own == len).expect("it is neither of the two");
    assert_content(&setting.target(Way::Up), content(winner as u64 + 1, len));
    let again = proxy.count(Way::Up.direction()) - lens.iter().sum::<u64>();
    assert!(again <= MIB, "{again} bytes again: they disturbed each other");
}

/// Two downloads to one file: the second one says so, and harms nothing.
#[test]
fn of_two_downloads_to_one_file_one_is_refused() {
    let setting = Setting::with_file(Way::Down, 1, LEN);
    let proxy = Proxy::plain(setting.server.addr());
    proxy.let_pass(Way::Down.direction(), 2 * MIB);
    let first = setting.client(Way::Down, proxy.addr()).spawn();
    wait_until("it has begun", DEADLINE, || setting.local.path().join("a.bin.ftxpart").exists());
    let direct = setting.server.addr();
    let second = setting.client(Way::Down, direct).args(["--retries", "0"]).run();
    second.assert_code(1);
    assert!(second.stderr.contains("in use"), "{second:#?}");
    proxy.let_pass(Way::Down.direction(), u64::MAX);
    first.wait(DEADLINE).assert_done();
    setting.assert_arrived(Way::Down, 1, LEN);
}

/// The second one waits for the first.
#[test]
fn the_same_command_given_twice_at_a_time_ends_with_the_file() {
    let setting = Setting::with_file(Way::Up, 1, LEN);
    let proxy = Proxy::start(setting.server.addr(), |_| Plan::default().rate(16 * MIB));
    let start = || setting.client(Way::Up, proxy.addr()).spawn();
    let first = start();
    wait_until("it has begun", DEADLINE, || proxy.count(Way::Up.direction()) > 4 * MIB);
    for client in [start(), first] {
        client.wait(DEADLINE).assert_done();
    }
    setting.assert_arrived(Way::Up, 1, LEN);
    let again = proxy.count(Way::Up.direction()).saturating_sub(LEN);
    assert!(again <= MIB / 4, "{again} bytes again");
}
