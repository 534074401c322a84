//! An old client's interrupted upload resumes where it stopped, which the original never managed.

use std::path::Path;
use std::time::Duration;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::peer::Qt;
use ftx_tests::{DEADLINE, Direction, Peer, Plan, Proxy, Server, wait_until, with_every_peer};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

/// Bytes that may be sent again after an interruption.
const SLACK: u64 = 8 * MIB;

/// The bytes of a 100 request for a name of five characters and of a 101 request.
const REQUESTS: u64 = 59 + 80;

with_every_peer!(
    a_true_prefix_under_the_name_is_resumed,
    a_cut_upload_is_resumed,
    a_completely_staged_upload_is_published,
    another_file_of_the_same_name_is_not_mixed_with_the_rest,
    a_killed_server_keeps_the_staged_bytes,
);

fn a_true_prefix_under_the_name_is_resumed(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    let proxy = Proxy::plain(server.addr());
    write_file(&root.path().join("a.bin"), content(1, 3 * MIB + 5));
    write_file(&local.path().join("a.bin"), content(1, 5 * MIB));
    peer.upload(proxy.addr(), local.path(), &["a.bin"]).assert_done();
    assert_content(&root.path().join("a.bin"), content(1, 5 * MIB));
    assert_eq!(proxy.count(Direction::ToServer), REQUESTS + 2 * MIB - 5);
}

fn a_cut_upload_is_resumed(peer: &Peer) {
    let (len, cut) = (32 * MIB, 20 * MIB + 17);
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&root.path().join("a.bin"), content(7, MIB));
    write_file(&local.path().join("a.bin"), content(1, len));
    let proxy = cut_first_upload(peer, &server, local.path(), cut);
    assert_content(&root.path().join("a.bin"), content(7, MIB));

    peer.upload(proxy.addr(), local.path(), &["a.bin"]).assert_done();
    assert_content(&root.path().join("a.bin"), content(1, len));
    let again = proxy.count(Direction::ToServer) - cut - (len - cut);
    assert!(again <= SLACK + 2 * REQUESTS, "{again} bytes were sent again");
}

/// Three of four MiB are there; now the user gives the name to a file that is just these three. The
/// client says nothing more about a file of which nothing is left to send, so it is left a byte.
fn a_completely_staged_upload_is_published(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, 4 * MIB));
    write_file(&local.path().join("b.bin"), content(2, 10));
    let proxy = cut_first_upload(peer, &server, local.path(), REQUESTS + 3 * MIB);
    write_file(&local.path().join("a.bin"), content(1, 3 * MIB));
    peer.upload(proxy.addr(), local.path(), &["a.bin", "b.bin"]).assert_done();
    assert_content(&root.path().join("a.bin"), content(1, 3 * MIB));
    assert_content(&root.path().join("b.bin"), content(2, 10));
}

/// As above with a single file. Had all of the staging been offered, the client would say OK to its
/// user, and no file would be there.
#[test]
fn a_client_with_exactly_the_staged_bytes_still_has_a_byte_to_send() {
    let peer = Peer::own(Qt::Five);
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, 4 * MIB));
    let proxy = cut_first_upload(&peer, &server, local.path(), REQUESTS + 3 * MIB);
    write_file(&local.path().join("a.bin"), content(1, 3 * MIB));
    peer.upload(proxy.addr(), local.path(), &["a.bin"]).assert_done();
    let published = || root.path().join("a.bin").exists();
    wait_until("the file is published", Duration::from_secs(10), published);
}

fn another_file_of_the_same_name_is_not_mixed_with_the_rest(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, 8 * MIB));
    let proxy = cut_first_upload(peer, &server, local.path(), 6 * MIB);
    write_file(&local.path().join("a.bin"), content(2, 8 * MIB));
    peer.upload(proxy.addr(), local.path(), &["a.bin"]).assert_done();
    assert_content(&root.path().join("a.bin"), content(2, 8 * MIB));
}

fn a_killed_server_keeps_the_staged_bytes(peer: &Peer) {
    let (len, cut) = (40 * MIB, 30 * MIB);
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, len));
    let proxy = Proxy::plain(server.addr());
    // The rest stays away, or a quick client would be done before the server is killed.
    proxy.let_pass(Direction::ToServer, cut);
    let mut client = peer.spawn_upload(proxy.addr(), local.path(), &["a.bin"]);
    wait_until("most has passed", DEADLINE, || proxy.count(Direction::ToServer) >= cut);
    // Bytes in socket buffers are lost with the server. It may still wait for a whole chunk.
    wait_until("most was read", DEADLINE, || server.bytes_in() + REQUESTS + MIB >= cut);
    let server = server.restart();
    // The original would turn in a circle for ever now.
    client.kill();
    proxy.cut();
    proxy.let_pass(Direction::ToServer, u64::MAX);
    assert!(!root.path().join("a.bin").exists());

    proxy.set_upstream(server.addr());
    peer.upload(proxy.addr(), local.path(), &["a.bin"]).assert_done();
    assert_content(&root.path().join("a.bin"), content(1, len));
    let again = proxy.count(Direction::ToServer).saturating_sub(len);
    assert!(again <= SLACK + 2 * REQUESTS, "{again} bytes were sent again");
}

/// Lets a first upload of `a.bin` be cut after `cut` bytes to the server, requests included.
fn cut_first_upload(peer: &Peer, server: &Server, local: &Path, cut: u64) -> Proxy {
    let proxy = Proxy::start(server.addr(), move |index| match index {
        0 => Plan::default().cut_after(Direction::ToServer, cut),
        _ => Plan::default(),
    });
    let mut client = peer.spawn_upload(proxy.addr(), local, &["a.bin"]);
    wait_until("the upload is cut", DEADLINE, || proxy.count(Direction::ToServer) >= cut);
    // The original does not notice, and turns in a circle for ever.
    client.kill();
    proxy
}
