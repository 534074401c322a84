//! A client that a limit keeps out.

use std::net::TcpStream;

use ftx_tests::content::{content, write_file};
use ftx_tests::{Client, DEADLINE, Proxy, Server, wait_until};
use rustix::process::Signal;
use tempfile::tempdir;

/// The name of the limit comes through, and a retry succeeds as soon as there is room.
#[test]
fn it_is_told_and_retries() {
    let dir = tempdir().unwrap();
    let server = Server::builder(&dir.path().join("root"));
    let mut server = server.args(["--max-connections-per-address", "1"]).start();
    write_file(&dir.path().join("source"), content(1, 300_000));
    let other = TcpStream::connect(server.addr()).unwrap();
    let proxy = Proxy::plain(server.addr());
    let upload = |retries| {
        let client = Client::upload(proxy.addr()).args(["--retries", retries]);
        client.arg(dir.path().join("source")).args(["--as", "a"])
    };
    let outcome = upload("0").run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("max_connections_per_address"), "{outcome:#?}");
    let running = upload("1000").spawn();
    wait_until("it has tried", DEADLINE, || proxy.connections() >= 2);
    drop(other);
    running.wait(DEADLINE).assert_done();
    server.signal(Signal::USR1);
    let mut lines = (1..).map(|index| server.stdout_line(index, DEADLINE));
    assert!(lines.any(|line| line.starts_with("limit=max_connections_per_address met=")));
}
