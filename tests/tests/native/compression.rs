//! Compression, counted in bytes on the line.

use std::fs;
use std::path::Path;

use ftx_tests::content::content;
use ftx_tests::{Client, Direction, Plan, Proxy, Server};

use super::setting::{NAME, WAYS};
use super::{MIB, Setting, Way};

/// Source text, more or less: it shrinks to about a third.
fn text(len: u64) -> Vec<u8> {
    let words =
        ["let ", "self.", "match ", "fn ", "(value)", "Some(", " => ", "\n    ", "return ", ";\n"];
    let numbers = content(11, len).bytes();
    let text = numbers.iter().flat_map(|number| {
        let word = words[usize::from(*number) % words.len()];
        [word.as_bytes(), if number % 7 == 0 { b"x1" } else { b"" }].concat()
    });
    text.take(usize::try_from(len).unwrap()).collect()
}

/// The bytes on the line, all of them.
fn line(proxy: &Proxy) -> u64 {
    proxy.count(Direction::ToServer) + proxy.count(Direction::ToClient)
}

/// Moves a file, and returns the bytes on the line.
fn moved(setting: &Setting, way: Way, bytes: &[u8], compress: &str) -> u64 {
    let _ = fs::remove_file(setting.target(way));
    fs::write(setting.source(way), bytes).unwrap();
    let proxy = Proxy::plain(setting.server.addr());
    setting.client(way, proxy.addr()).args(["--compress", compress]).run().assert_done();
    assert_same(&setting.target(way), bytes);
    line(&proxy)
}

fn assert_same(path: &Path, bytes: &[u8]) {
    assert!(fs::read(path).unwrap() == bytes, "{}", path.display());
}

#[test]
fn text_shrinks_random_bytes_stay_raw_and_never_is_never() {
    const LEN: u64 = 8 * MIB;
    let (text, random) = (text(LEN), content(5, LEN).bytes());
    for way in WAYS {
        let setting = Setting::new();
        for level in ["1", "9"] {
            let bytes = moved(&setting, way, &text, level);
            assert!(bytes < LEN / 2, "{way:?} at {level}: {bytes}");
        }
        for (bytes, compress) in [(&random, "3"), (&text, "never")] {
            let moved = moved(&setting, way, bytes, compress);
            assert!((LEN..LEN + LEN / 100).contains(&moved), "{way:?} {compress}: {moved}");
        }
    }
}

#[test]
fn a_slow_line_is_compressed_without_being_asked() {
    // The buffers of the system take some MiB before the line is noticed.
    const LEN: u64 = 32 * MIB;
    let text = text(LEN);
    for way in WAYS {
        let setting = Setting::new();
        fs::write(setting.source(way), &text).unwrap();
        let proxy = Proxy::start(setting.server.addr(), |_| Plan::default().rate(8 * MIB));
        setting.client(way, proxy.addr()).streams(1).run().assert_done();
        assert_same(&setting.target(way), &text);
        assert!(line(&proxy) < LEN * 3 / 4, "{way:?}: {}", line(&proxy));
    }
}

/// Names in a listing as well, and messages.
#[test]
fn small_files_shrink_together() {
    const FILES: usize = 500;
    let (setting, text) = (Setting::new(), text(1024));
    let tree = setting.local.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for number in 0..FILES {
        let bytes = [number.to_string().as_bytes(), &text].concat();
        fs::write(tree.join(format!("file-{number}")), bytes).unwrap();
    }
    let plain = (FILES * 1024) as u64;
    let up = Proxy::plain(setting.server.addr());
    let client = Client::upload(up.addr()).args(["--compress", "3", "tree"]);
    client.current_dir(setting.local.path()).run().assert_done();
    assert!(up.count(Direction::ToServer) < plain / 3, "{}", up.count(Direction::ToServer));

    let down = Proxy::plain(setting.server.addr());
    let client =
        Client::download(down.addr()).args(["--compress", "3", "tree/", "--out-dir", "copy"]);
    client.current_dir(setting.local.path()).run().assert_done();
    assert!(down.count(Direction::ToClient) < plain / 3, "{}", down.count(Direction::ToClient));
    for number in [0, 1, FILES - 1] {
        let name = format!("file-{number}");
        let copy = fs::read(setting.local.path().join("copy/tree").join(&name)).unwrap();
        assert!(copy == fs::read(tree.join(&name)).unwrap(), "{name}");
    }
}

#[test]
fn either_side_may_refuse() {
    const LEN: u64 = 4 * MIB;
    let text = text(LEN);
    for way in WAYS {
        let mut setting = Setting::new();
        setting.server.kill();
        setting.server = Server::builder(setting.root.path()).args(["--compress", "never"]).start();
        let bytes = moved(&setting, way, &text, "9");
        assert!((LEN..LEN + LEN / 100).contains(&bytes), "{way:?}: {bytes}");
    }
}

/// Cut in the middle, it sends the rest; what arrived compressed is not sent again.
#[test]
fn a_compressed_transfer_resumes() {
    const LEN: u64 = 24 * MIB;
    let text = text(LEN);
    for way in WAYS {
        let setting = Setting::new();
        let whole = moved(&setting, way, &text, "3");
        fs::remove_file(setting.target(way)).unwrap();
        let proxy = Proxy::start(setting.server.addr(), move |connection| match connection {
            0 => Plan::default().cut_after(way.direction(), whole * 3 / 4),
            _ => Plan::default(),
        });
        let client = setting.client(way, proxy.addr()).streams(1).args(["--compress", "3"]);
        client.run().assert_done();
        assert_same(&setting.target(way), &text);
        assert_eq!(proxy.struck(), 1);
        // At most the blocks in flight go twice.
        assert!(line(&proxy) < whole * 3 / 2, "{way:?}: {} of {whole}", line(&proxy));
    }
}

#[test]
fn tls_carries_fewer_bytes_too() {
    const LEN: u64 = 4 * MIB;
    let (text, state) = (text(LEN), tempfile::tempdir().unwrap());
    for way in WAYS {
        let mut setting = Setting::new();
        setting.server.kill();
        setting.server =
            Server::builder(setting.root.path()).arg("--state").arg(state.path()).start();
        fs::write(setting.source(way), &text).unwrap();
        let proxy = Proxy::plain(setting.server.addr());
        let client = setting.client(way, proxy.addr()).args(["--compress", "3"]);
        client.args(["--fingerprint", &setting.server.fingerprint()]).run().assert_done();
        assert_same(&setting.target(way), &text);
        assert!(line(&proxy) < LEN / 2, "{way:?}: {}", line(&proxy));
    }
}

#[test]
fn a_wrong_value_is_explained() {
    for value in ["0", "20", "fast", ""] {
        let client = Client::new().args(["stat", "127.0.0.1", NAME, "--compress", value]);
        let outcome = client.run();
        assert!(
            outcome.stderr.contains("auto, never, or a level from 1 to 19"),
            "{}",
            outcome.stderr
        );
    }
}
