//! Few descriptors: a request that finds none left is refused for now, and other requests are served.

use ftx_core::native::Reason;
use ftx_core::native::wire::Overwrite;
use ftx_server::Descriptors;

use crate::client::{Client, offer};
use crate::running::Running;
use crate::{DEADLINE, MIB, content, wait_until};

fn begin_until_refused(client: &mut Client, name: &str) -> (Vec<u32>, Reason) {
    let mut begun = Vec::new();
    loop {
        let (number, size) = (begun.len(), 2 * MIB);
        let offered = client.offer(&offer(&format!("{name}{number}"), size, Overwrite::Replace, 1));
        match offered {
            Ok(offered) => begun.push(offered.id),
            Err(reason) => return (begun, reason),
        }
    }
}

#[test]
fn uploads_leave_descriptors_for_others() {
    let server = Running::with(|config| config.descriptors = Descriptors::of(256));
    let mut greedy = server.client().greet(None);
    let (begun, reason) = begin_until_refused(&mut greedy, "a");
    assert_eq!(reason, Reason::TooManyRequests);
    assert!(reason.may_pass());
    // Not the bound of a single connection.
    assert!((10..64).contains(&begun.len()), "{}", begun.len());

    let mut other = server.client().greet(None);
    let file = content(1, 300_000);
    other.put("small", b"hello");
    assert!(other.download("small") == b"hello");
    std::fs::write(server.path().join("large"), &file).unwrap();
    assert!(other.download("large") == file);
    assert_eq!(begin_until_refused(&mut other, "b").0.len(), 0);

    drop(greedy);
    wait_until("it is gone", || server.active() == 1);
    other.upload("b", &file, 2);
    assert!(server.read("b") == file);
}

#[test]
fn connections_are_no_more_than_descriptors_allow() {
    let server = Running::with(|config| config.descriptors = Descriptors::of(100));
    let most = Descriptors::of(100).for_connections();
    let mut clients: Vec<_> = (0..most).map(|_| server.client().greet(None)).collect();
    assert!(server.client().is_closed_within(DEADLINE));
    clients[0].put("a", b"hello");
    drop(clients.pop());
    wait_until("it is gone", || server.active() < most);
    server.client().greet(None).put("b", b"hello");
}
