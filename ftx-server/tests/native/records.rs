//! Bad clients below the frames: records of TLS.

use std::io::Write as _;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use ftx_core::native::wire::{CLIENT_PREFACE, Overwrite, Request};
use ftx_tests::{Carrier, RecordForger, client_hello};
use rustls::ContentType;

use crate::client::{Client, hello, new_id, offer};
use crate::frame::{block_frame, put_frame};
use crate::running::Running;
use crate::{MIB, content, digest, wait_until};

const LEN: usize = 2 * MIB + 5;

/// For clients that do nothing in time.
const SHORT: Duration = Duration::from_millis(300);

/// Far more than [`SHORT`], on a busy machine too, and less than the default.
const LATE: Duration = Duration::from_secs(20);

/// An alert that announces the end of the client's bytes.
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

/// A client that has sent block 0 of a file and half of block 1.
fn halfway(server: &Running, file: &[u8]) -> Client {
    let mut client = server.client().greet(None);
    let id = client.begin("a", file, 1).id;
    client.send_blocks(id, file, [0]);
    client.send_bytes(&block_frame(id, file, 1)[..500_000]);
    client
}

/// No file is published, and the upload resumes with the blocks that arrived whole.
fn assert_resumes(server: &Running, file: &[u8]) {
    wait_until("it is gone", || server.active() == 0);
    assert!(!server.exists("a"));
    assert_eq!(server.client().greet(None).upload("a", file, 1), (vec![1, 2], false));
    assert!(server.read("a") == file);
    std::fs::remove_file(server.path().join("a")).unwrap();
}

#[test]
fn garbage_records_end_the_connection_and_store_nothing() {
    let server = Running::over(Carrier::Tls);
    let file = content(1, LEN);
    let record = |typ: u8, payload: &[u8]| {
        [&[typ, 3, 3][..], &u16::try_from(payload.len()).unwrap().to_be_bytes(), payload].concat()
    };
    let plain = [&CLIENT_PREFACE[..], &hello(None).encode(0).unwrap()].concat();
    let garbage = [
        vec![0xff; 64],
        vec![0; 64],
        // Without the right tag, and too short for one.
        record(23, &content(2, 1000)),
        record(23, b"x"),
        // Longer than a record may be.
        vec![23, 3, 3, 0xff, 0xff, 0],
        // Types that are never sent without encryption after a handshake.
        client_hello(),
        record(21, &CLOSE_NOTIFY),
        record(20, &[1]),
        record(24, &[1, 0x40, 0]),
        // The dialects without TLS.
        plain,
        put_frame(new_id(), "b", b"hello"),
    ];
    for bytes in garbage {
        let mut client = halfway(&server, &file);
        client.socket().write_all(&bytes).unwrap();
        client.socket().shutdown(Shutdown::Write).unwrap();
        assert!(client.is_closed_within(LATE), "{bytes:x?}");
        assert_resumes(&server, &file);
        let mut idle = server.client().greet(None);
        idle.socket().write_all(&bytes).unwrap();
        // The last ones may be the beginning of a longer record.
        idle.socket().shutdown(Shutdown::Write).unwrap();
        assert!(idle.is_closed_within(LATE), "{bytes:x?}");
    }
    assert!(!server.exists("b"));
}

/// It does not wait for the client to close.
#[test]
fn a_record_with_a_wrong_tag_is_answered_with_the_end() {
    let server = Running::over(Carrier::Tls);
    for is_busy in [false, true] {
        let mut client = match is_busy {
            false => server.client().greet(None),
            true => halfway(&server, &content(1, LEN)),
        };
        let mut record = client.stream().encrypt(&Request::Ping { payload: 1 }.encode(1).unwrap());
        *record.last_mut().unwrap() ^= 1;
        client.socket().write_all(&record).unwrap();
        assert!(client.is_closed_within(LATE), "{is_busy}");
    }
}

#[test]
fn a_record_that_is_cut_short_is_no_message() {
    let server = Running::over(Carrier::Tls);
    let file = content(1, 100);
    let frames = |id| {
        let commit = Request::Commit { digest: digest(&file) }.encode(id).unwrap();
        [
            offer("a", file.len(), Overwrite::Replace, 1).encode(id).unwrap(),
            block_frame(id, &file, 0),
            commit,
        ]
        .concat()
    };
    let len = server.client().greet(None).stream().encrypt(&frames(new_id())).len();
    for cut in [0, 1, 4, 5, 6, len / 2, len - 1] {
        let mut client = server.client().greet(None);
        let record = client.stream().encrypt(&frames(new_id()));
        client.socket().write_all(&record[..cut]).unwrap();
        client.socket().shutdown(Shutdown::Write).unwrap();
        assert!(client.is_closed_within(LATE), "{cut}");
        assert!(!server.exists("a"), "{cut} of {len}");
    }
    let mut client = server.client().greet(None);
    let record = client.stream().encrypt(&frames(new_id()));
    client.socket().write_all(&record).unwrap();
    client.socket().shutdown(Shutdown::Write).unwrap();
    assert!(client.is_closed_within(LATE));
    assert!(server.read("a") == file);
}

/// Half of a record is no plaintext, and no reason to wait longer.
#[test]
fn a_record_that_stalls_is_closed() {
    let server = Running::over_with(Carrier::Tls, |config| {
        (config.timeouts.stall, config.timeouts.idle) = (SHORT, SHORT);
    });
    let start = Instant::now();
    let stalled = [1, 5, 100].map(|sent| {
        [false, true].map(|is_busy| {
            let mut client = server.client().greet(None);
            if is_busy {
                client.send_bytes(&block_frame(1, &content(1, MIB), 0)[..1000]);
            }
            let record = client.stream().encrypt(&[0; 1000]);
            client.socket().write_all(&record[..sent]).unwrap();
            client
        })
    });
    for mut client in stalled.into_iter().flatten() {
        let after = client.closed_after(start);
        assert!((SHORT / 2..LATE).contains(&after), "{after:?}");
    }
    wait_until("all are gone", || server.active() == 0);
}

/// Only whole messages count, whatever the client says at its end.
#[test]
fn the_end_counts_the_same_with_and_without_a_close_notify() {
    let server = Running::over(Carrier::Tls);
    let file = content(1, LEN);
    for is_announced in [false, true] {
        let shut = |client: &Client| match is_announced {
            true => client.shut_write(),
            false => client.socket().shutdown(Shutdown::Write).unwrap(),
        };
        let mut client = halfway(&server, &file);
        shut(&client);
        assert!(client.is_closed_within(LATE));
        assert_resumes(&server, &file);
        // All blocks and no commit.
        let mut client = server.client().greet(None);
        let id = client.begin("a", &file, 1).id;
        client.send_blocks(id, &file, 0..3);
        shut(&client);
        assert!(client.is_closed_within(LATE));
        assert!(!server.exists("a"));
        let mut client = server.client().greet(None);
        assert_eq!(client.upload("a", &file, 1), (vec![], false));
        std::fs::remove_file(server.path().join("a")).unwrap();
    }
}

/// A client after a greeting, whose next records are forged.
fn forger(server: &Running) -> RecordForger {
    server.client().greet(None).into_stream().forge()
}

#[test]
fn bytes_behind_a_close_notify_do_not_count() {
    let server = Running::over(Carrier::Tls);
    let mut forger = forger(&server);
    let put = |name| put_frame(new_id(), name, b"hello");
    let records = [
        forger.record(ContentType::ApplicationData, &put("before")),
        forger.record(ContentType::Alert, &CLOSE_NOTIFY),
        forger.record(ContentType::ApplicationData, &put("behind")),
    ];
    forger.send_raw(&records.concat()).unwrap();
    assert!(forger.is_closed_within(LATE));
    wait_until("it is gone", || server.active() == 0);
    assert_eq!(server.read("before"), b"hello");
    assert!(!server.exists("behind"));
}

#[test]
fn messages_that_no_client_sends_end_the_connection() {
    let server = Running::over(Carrier::Tls);
    let handshake = |typ: u8, body: &[u8]| {
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        (ContentType::Handshake, [&[typ], &len[1..], body].concat())
    };
    let messages = [
        // A request to negotiate again, of which TLS 1.3 has none, and what once would follow it.
        handshake(0, b""),
        (ContentType::Handshake, client_hello()[5..].to_vec()),
        handshake(2, &[3; 40]),
        // A ticket, a request for a certificate, a certificate, and the end of a handshake.
        handshake(4, &[0; 20]),
        handshake(13, &[0, 0, 0]),
        handshake(11, &[0, 0, 0, 0]),
        handshake(20, &[0; 32]),
        // New keys with an unknown request, and an unknown message.
        handshake(24, &[7]),
        handshake(99, b"anything"),
        // Longer than any message.
        (ContentType::Handshake, vec![11, 0xff, 0xff, 0xff, 0]),
        (ContentType::ChangeCipherSpec, vec![1]),
        (ContentType::Alert, vec![1, 100]),
        (ContentType::Alert, vec![2, 40]),
        (ContentType::Alert, vec![9]),
        (ContentType::Heartbeat, vec![1, 0x40, 0]),
        (ContentType::Unknown(99), b"anything".to_vec()),
    ];
    for (typ, content) in messages {
        let mut forger = forger(&server);
        let put = put_frame(new_id(), "a", b"hello");
        let (half, rest) = put.split_at(put.len() / 2);
        forger.send(ContentType::ApplicationData, half).unwrap();
        forger.send(typ, &content).unwrap();
        // The server may be gone.
        let _ = forger.send(ContentType::ApplicationData, rest);
        assert!(forger.is_closed_within(LATE), "{typ:?} {content:?}");
        wait_until("it is gone", || server.active() == 0);
        assert!(!server.exists("a"), "{typ:?} {content:?}");
    }
    server.client().greet(None).put("a", b"hello");
}

/// Records without plaintext are no sign of life, and cost the server more than the client.
#[test]
fn records_without_plaintext_are_not_taken_endlessly() {
    const ENDLESS: usize = 10_000;
    let server = Running::over(Carrier::Tls);
    // Nothing, and a warning that TLS 1.3 still knows.
    let empty = [
        (ContentType::ApplicationData, &[][..]),
        (ContentType::Handshake, &[]),
        (ContentType::Alert, &[1, 90]),
    ];
    for (typ, content) in empty {
        let mut forger = forger(&server);
        let is_taken = (0..ENDLESS).all(|_| forger.send(typ, content).is_ok());
        assert!(!is_taken || forger.is_closed_within(LATE), "{typ:?}");
        wait_until("it is gone", || server.active() == 0);
    }
    let mut client = server.client().greet(None);
    let is_taken = (0..ENDLESS).all(|_| client.stream().update_keys().is_ok());
    assert!(!is_taken || client.is_closed_within(LATE), "new keys");
}

#[test]
fn keys_may_change_at_any_time() {
    let server = Running::over(Carrier::Tls);
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    let id = client.begin("a", &file, 1).id;
    for index in 0..3 {
        let frame = block_frame(id, &file, index);
        let (head, tail) = frame.split_at(frame.len() / 2);
        client.send_bytes(head);
        client.stream().update_keys().unwrap();
        client.send_bytes(tail);
        let stored = client.reply_to(id);
        assert_eq!(stored, ftx_core::native::wire::Reply::Stored { index });
    }
    client.commit(id, &file);
    client.stream().update_keys().unwrap();
    assert!(client.download("a") == file);
}

/// Its bytes are no plaintext, so they are no sign of life either.
#[test]
fn a_record_that_drips_is_closed() {
    let server = Running::over_with(Carrier::Tls, |config| {
        (config.timeouts.stall, config.timeouts.idle) = (SHORT, SHORT);
        config.limits.min_speed = None;
    });
    for is_busy in [false, true] {
        let mut client = server.client().greet(None);
        if is_busy {
            client.send_bytes(&block_frame(1, &content(1, MIB), 0)[..1000]);
        }
        let record = client.stream().encrypt(&[0; 1000]);
        let is_closed = record.chunks(1).any(|byte| {
            client.socket().write_all(byte).is_err()
                || client.is_closed_within(Duration::from_millis(10))
        });
        assert!(is_closed, "it was waited for, within a frame: {is_busy}");
    }
}
