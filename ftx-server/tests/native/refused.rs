//! A refused or abandoned request leaves no directories behind.

use std::fs;

use ftx_core::native::Reason;
use ftx_core::native::wire::{Overwrite, Reply, Request};
use ftx_tests::{Carrier, with_each_carrier};

use crate::client::{new_id, offer};
use crate::frame::{put_frame, put_frame_if};
use crate::running::Running;
use crate::{MIB, content, digest, wait_until};

with_each_carrier!(
    an_offer_that_is_refused_or_given_up_leaves_nothing,
    a_small_file_that_is_not_stored_leaves_nothing,
);

/// The entries of the root except the server's own.
fn names(server: &Running) -> Vec<String> {
    let entries = fs::read_dir(server.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != ".ftx").collect()
}

fn an_offer_that_is_refused_or_given_up_leaves_nothing(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client().greet(None);
    let too_large = offer("new/a", 1 << 60, Overwrite::Replace, 1);
    assert_eq!(client.offer(&too_large).unwrap_err(), Reason::NoSpace);
    let unchanged = Overwrite::IfUnchanged(digest(b"x"));
    let missing = offer("new/a", MIB, unchanged, 1);
    assert_eq!(client.offer(&missing).unwrap_err(), Reason::PreconditionFailed);
    for discard in [false, true] {
        let id = client.begin("new/below/a", &content(1, 2 * MIB), 1).id;
        client.send(id, &Request::Abandon { discard });
        assert_eq!(client.failure(id), Reason::Cancelled);
    }
    client.begin("new/below/a", &content(1, 2 * MIB), 1);
    drop(client);
    wait_until("it is gone", || server.active() == 0);
    assert!(names(&server).is_empty(), "{:?}", names(&server));
}

fn a_small_file_that_is_not_stored_leaves_nothing(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client().greet(None);
    for len in [5, 300_000] {
        let (file, id) = (content(1, len), new_id());
        let mut frame = put_frame(id, "new/below/a", &file);
        *frame.last_mut().unwrap() ^= 1;
        client.send_bytes(&frame);
        assert_eq!(client.failure(id), Reason::DigestMismatch);
        let if_old = Overwrite::IfUnchanged(digest(b"old"));
        client.send_bytes(&put_frame_if(id, "new/below/a", &file, if_old));
        assert_eq!(client.failure(id), Reason::PreconditionFailed);
    }
    assert!(names(&server).is_empty(), "{:?}", names(&server));
}

#[test]
fn an_error_is_still_reported_before_anything_is_sent() {
    let server = Running::start();
    fs::write(server.path().join("file"), "").unwrap();
    let mut client = server.client().greet(None);
    for name in ["file/a", "file/below/a"] {
        let refused = client.offer(&offer(name, 2 * MIB, Overwrite::Replace, 1));
        assert_eq!(refused.unwrap_err(), Reason::NotAFile, "{name}");
    }
}

#[test]
fn a_requested_directory_outlives_the_files_in_it() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let id = client.begin("wanted/a", &content(1, 2 * MIB), 1).id;
    let made = client.ask(&Request::MakeDirectory { name: "wanted".to_owned() });
    assert!(matches!(made, Reply::Entry(_)), "{made:?}");
    client.send(id, &Request::Abandon { discard: true });
    assert_eq!(client.failure(id), Reason::Cancelled);
    assert_eq!(names(&server), ["wanted"]);
}
