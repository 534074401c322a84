//! The client's limit on the rate.
//!
//! A slow machine makes a limited transfer slower still, so these tests only say how long it takes at
//! least. `ftx-client/src/native/sending.rs` has tests with a clock of their own, which say both.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;
use std::time::{Duration, Instant};

use ftx_client::blocking::BlockingClient;
use ftx_client::{ClientConfig, DialectChoice, RemoteName};
use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Proxy, Server};

use super::setting::{NAME, WAYS};
use super::{MIB, Setting, Way};

const KIB: u64 = 1 << 10;
const DIALECTS: [&str; 2] = ["native", "legacy"];

/// The least time for so many bytes over so many connections: a tenth of a second's bytes may move at
/// once, and each connection does not wait behind its last piece, of another tenth.
fn least(len: u64, rate: u64, connections: u32) -> Duration {
    let ideal = Duration::from_millis(1000 * len / rate);
    ideal.saturating_sub(Duration::from_millis(100) * (1 + connections))
}

fn assert_limited(start: Instant, least: Duration, what: &str) {
    let took = start.elapsed();
    println!("{what}: {took:?}, at least {least:?}");
    assert!(took >= least, "{what}: {took:?} instead of at least {least:?}");
}

fn client(setting: &Setting, way: Way, dialect: &str) -> Client {
    let addr = setting.server.addr();
    let client = match way {
        Way::Up => Client::upload(addr),
        Way::Down => Client::download(addr),
    };
    client.dialect(dialect).arg(NAME).current_dir(setting.local.path())
}

/// A server with TLS, and a file to be moved.
fn secured(way: Way, seed: u64, len: u64) -> (Setting, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let mut setting = Setting::with_file(way, seed, len);
    setting.server.kill();
    let builder = Server::builder(setting.root.path());
    setting.server = builder.arg("--state").arg(state.path()).start();
    (setting, state)
}

/// Moves a file of two seconds with a limit.
fn moves_at_the_rate(way: Way, dialect: &str, is_encrypted: bool) {
    const LEN: u64 = 2 * MIB;
    let (setting, _state) = secured(way, 1, LEN);
    let client = client(&setting, way, dialect).args(["--limit-rate", "1MiB"]);
    let client = match is_encrypted {
        true => client.args(["--fingerprint", &setting.server.fingerprint()]),
        false => client,
    };
    let start = Instant::now();
    client.run().assert_done();
    let what = format!("{way:?} {dialect}, encrypted: {is_encrypted}");
    assert_limited(start, least(LEN, MIB, 1), &what);
    setting.assert_arrived(way, 1, LEN);
}

#[test]
fn an_upload_moves_at_the_rate() {
    DIALECTS.iter().for_each(|dialect| moves_at_the_rate(Way::Up, dialect, false));
}

#[test]
fn a_download_moves_at_the_rate() {
    DIALECTS.iter().for_each(|dialect| moves_at_the_rate(Way::Down, dialect, false));
}

#[test]
fn tls_changes_nothing_about_the_rate() {
    for way in WAYS {
        DIALECTS.iter().for_each(|dialect| moves_at_the_rate(way, dialect, true));
    }
}

#[test]
fn connections_share_the_rate() {
    const LEN: u64 = 16 * MIB;
    for way in WAYS {
        let setting = Setting::with_file(way, 1, LEN);
        let proxy = Proxy::plain(setting.server.addr());
        let client = setting.client(way, proxy.addr()).streams(4).args(["--limit-rate", "8MiB"]);
        let start = Instant::now();
        client.run().assert_done();
        assert_limited(start, least(LEN, 8 * MIB, 4), &format!("{way:?} over four"));
        assert_eq!(proxy.connections(), 4);
        setting.assert_arrived(way, 1, LEN);
    }
}

/// A connection below the least rate might look stalled.
#[test]
fn a_low_rate_opens_few_connections() {
    let setting = Setting::new();
    for seed in 0..2 {
        write_file(&setting.local.path().join(seed.to_string()), content(seed, 8 * KIB));
    }
    let proxy = Proxy::plain(setting.server.addr());
    let client = Way::Up.client(proxy.addr()).streams(4).args(["--limit-rate", "16KiB", "0", "1"]);
    client.current_dir(setting.local.path()).run().assert_done();
    assert!(proxy.connections() <= 2, "{} connections", proxy.connections());
}

#[test]
fn small_files_move_at_the_rate() {
    const FILES: u64 = 100;
    const LEN: u64 = 20 * KIB;
    for way in WAYS {
        let setting = Setting::new();
        let (source, target) = match way {
            Way::Up => (setting.local.path().join("tree"), setting.root.path().join("tree")),
            Way::Down => (setting.root.path().join("tree"), setting.local.path().join("tree")),
        };
        fs::create_dir(&source).unwrap();
        for seed in 0..FILES {
            write_file(&source.join(seed.to_string()), content(seed, LEN));
        }
        let name = if way == Way::Up { "tree" } else { "tree/" };
        let client = way.client(setting.server.addr()).arg(name).args(["--limit-rate", "1MiB"]);
        let start = Instant::now();
        client.current_dir(setting.local.path()).run().assert_done();
        assert_limited(start, least(FILES * LEN, MIB, 2), &format!("{way:?} small files"));
        for seed in 0..FILES {
            assert_content(&target.join(seed.to_string()), content(seed, LEN));
        }
    }
}

/// Without a retry, though the bytes take longer than every time limit.
fn is_not_stalled(setting: &Setting, client: Client, way: Way, len: u64, sent: u64) {
    let limits = ["--limit-rate", "8KiB", "--timeout", "1s", "--stall-timeout", "1s"];
    let start = Instant::now();
    client.args(limits).args(["--retries", "0"]).run().assert_done();
    assert_limited(start, least(sent, 8 * KIB, 1), &format!("{way:?} at the least rate"));
    setting.assert_arrived(way, 1, len);
}

#[test]
fn the_least_rate_is_no_stall() {
    for way in WAYS {
        for dialect in DIALECTS {
            let setting = Setting::with_file(way, 1, 24 * KIB);
            let client = client(&setting, way, dialect);
            is_not_stalled(&setting, client, way, 24 * KIB, 24 * KIB);
        }
    }
}

/// Of a large file only the last block differs.
#[test]
fn the_least_rate_is_no_stall_within_a_block() {
    for way in WAYS {
        let setting = Setting::with_file(way, 1, MIB + 32 * KIB);
        let before = [content(1, MIB).bytes(), content(2, 32 * KIB).bytes()].concat();
        fs::write(setting.target(way), before).unwrap();
        let client = client(&setting, way, "native");
        is_not_stalled(&setting, client, way, MIB + 32 * KIB, 32 * KIB);
    }
}

/// A client of the library, and a directory with files `0`, `1`, … of `len` bytes.
fn library(setting: &Setting, dialect: DialectChoice, files: u64, len: u64) -> BlockingClient {
    for seed in 0..files {
        write_file(&setting.local.path().join(seed.to_string()), content(seed, len));
    }
    let config = configured(dialect, None);
    BlockingClient::new(setting.server.addr().to_string().parse().unwrap(), config).unwrap()
}

fn configured(dialect: DialectChoice, rate: Option<u64>) -> ClientConfig {
    let mut config = ClientConfig::default();
    config.dialect = dialect;
    config.limit_rate = rate.and_then(NonZeroU64::new);
    config
}

fn upload(client: &mut BlockingClient, dir: &Path, file: u64) {
    let name = file.to_string();
    client.upload(&dir.join(&name), &RemoteName::parse(&name).unwrap()).unwrap();
}

#[test]
fn a_changed_rate_holds_for_the_next_transfer() {
    for dialect in [DialectChoice::Native, DialectChoice::Legacy] {
        let setting = Setting::new();
        let mut client = library(&setting, dialect, 2, MIB);
        upload(&mut client, setting.local.path(), 0);
        client.set_config(configured(dialect, Some(MIB / 2)));
        let start = Instant::now();
        upload(&mut client, setting.local.path(), 1);
        assert_limited(start, least(MIB, MIB / 2, 1), &format!("{dialect:?}"));
    }
}

/// A file of a single piece waits for those before it, whose calls have ended.
#[test]
fn calls_share_the_rate() {
    const FILES: u64 = 20;
    const LEN: u64 = 6 * KIB;
    for dialect in [DialectChoice::Native, DialectChoice::Legacy] {
        let setting = Setting::new();
        let mut client = library(&setting, dialect, FILES, LEN);
        client.set_config(configured(dialect, Some(64 * KIB)));
        let start = Instant::now();
        (0..FILES).for_each(|file| upload(&mut client, setting.local.path(), file));
        assert_limited(start, least(FILES * LEN, 64 * KIB, 1), &format!("{dialect:?}"));
    }
}

#[test]
fn a_rate_below_the_least_is_refused() {
    let outcome = Client::new().args(["upload", "--limit-rate", "1KiB", "localhost", "a"]).run();
    outcome.assert_code(2);
    let stderr = &outcome.stderr;
    assert!(stderr.contains("--limit-rate") && stderr.contains("at least 8 KiB"), "{outcome:#?}");
}
