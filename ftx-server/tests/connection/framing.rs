//! Messages and bytes of files, cut and joined in every way.

use std::time::Duration;

use ftx_core::Status;
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest, QString};
use ftx_tests::{Carrier, with_each_carrier};

use crate::client::{BEGUN, CONTENT, STORED, TAIL, ask_download, ask_upload, begin, encoded};
use crate::running::Running;
use crate::{MIB, content, md5, wait_until};

with_each_carrier!(
    a_conversation_can_be_cut_at_every_byte,
    whole_conversations_can_come_in_one_piece,
    negative_numbers_are_refused,
    a_client_that_shuts_its_side_is_still_answered,
);

fn offer_of(pos: usize, md5: QString) -> LegacyReply {
    let pos = i64::try_from(pos).unwrap();
    LegacyReply::UploadHeader { status: Status::Ok, pos, md5, extended: false, published: false }
}

fn a_conversation_can_be_cut_at_every_byte(carrier: Carrier) {
    let server = Running::over(carrier);
    let body = b"hello";
    let mut talk = encoded(&[ask_upload("a.bin"), begin(0, body.len())]);
    talk.extend(body);
    let tail = encoded(&[ask_download("a.bin"), CONTENT]);
    let whole = talk.len() + tail.len();
    for cut in 1..whole {
        let mut client = server.client();
        let bytes = [talk.as_slice(), &tail].concat();
        client.send_bytes(&bytes[..cut]);
        // The server sees a cut only behind bytes that it has certainly read.
        let early = [encoded(&[ask_upload("a.bin")]).len(), talk.len() - body.len(), talk.len()];
        let due = early.iter().filter(|end| **end <= cut).count();
        let mut replies: Vec<_> = (0..due).map(|_| client.reply()).collect();
        client.send_bytes(&bytes[cut..]);
        replies.extend((due..3).map(|_| client.reply()));
        assert!(
            matches!(replies[0], LegacyReply::UploadHeader { status: Status::Ok, .. }),
            "{cut}"
        );
        assert_eq!(replies[1..], [BEGUN, STORED], "{cut}");
        let header = client.reply();
        assert!(
            matches!(header, LegacyReply::DownloadHeader { status: Status::Ok, len: 5, .. }),
            "{cut}: {header:?}"
        );
        assert_eq!(client.file_bytes(5), body, "{cut}");
    }
    assert_eq!(server.read("a.bin"), body);
}

#[test]
fn a_conversation_can_come_byte_by_byte() {
    let server = Running::start();
    let mut client = server.client();
    let mut bytes = encoded(&[ask_upload("a.bin"), begin(0, 3)]);
    bytes.extend(b"abc");
    for byte in bytes.chunks(1) {
        client.send_bytes(byte);
    }
    assert_eq!(client.reply(), offer_of(0, QString::NULL));
    assert_eq!(client.reply(), BEGUN);
    assert_eq!(client.reply(), STORED);
    assert_eq!(server.read("a.bin"), b"abc");
}

/// Requests, bodies and the requests after them, all in one write, for several files in a row.
fn whole_conversations_can_come_in_one_piece(carrier: Carrier) {
    let server = Running::over(carrier);
    let files: Vec<_> = [5, 70_000, 128 * 1024, 300_000, 1]
        .into_iter()
        .enumerate()
        .map(|(index, len)| (format!("{index}.bin"), content(index as u64, len)))
        .collect();
    let mut bytes = Vec::new();
    for (name, body) in &files {
        bytes.extend(encoded(&[ask_upload(name), begin(0, body.len())]));
        bytes.extend(body);
    }
    for (name, _) in &files {
        bytes.extend(encoded(&[ask_download(name), CONTENT, TAIL]));
    }
    let mut client = server.client();
    client.send_bytes(&bytes);
    for (name, body) in &files {
        assert_eq!(client.reply(), offer_of(0, QString::NULL), "{name}");
        assert_eq!(client.reply(), BEGUN, "{name}");
        assert_eq!(client.reply(), STORED, "{name}");
        assert!(server.read(name) == *body, "{name}");
    }
    for (name, body) in &files {
        let header = client.reply();
        assert!(matches!(header, LegacyReply::DownloadHeader { status: Status::Ok, .. }), "{name}");
        assert!(client.file_bytes(body.len()) == *body, "{name}");
        assert_eq!(client.reply(), LegacyReply::DownloadTail { status: Status::Ok }, "{name}");
    }
}

#[test]
fn many_requests_in_one_piece_are_all_answered() {
    let server = Running::start();
    let mut client = server.client();
    let requests: Vec<_> =
        (0..500).map(|id| LegacyRequest::Unknown { id: 1000 + id }).chain([TAIL]).collect();
    let mut bytes = encoded(&[TAIL]);
    bytes.extend(encoded(&requests));
    client.send_bytes(&bytes);
    assert_eq!(client.reply(), LegacyReply::DownloadTail { status: Status::Ok });
    for id in 0..500 {
        assert_eq!(client.reply(), LegacyReply::Unknown { id: 1000 + id });
    }
    assert_eq!(client.reply(), LegacyReply::DownloadTail { status: Status::Ok });
}

#[test]
fn an_upload_resumes_from_the_offer() {
    let server = Running::start();
    let bytes = content(1, 3 * MIB);
    let mut client = server.client();
    client.begin_upload("a.bin", bytes.len());
    client.send_bytes(&bytes[..2 * MIB]);
    drop(client);
    // An earlier request is offered the bytes that have arrived by then.
    wait_until("all of it is received", || server.active() == 0);
    let mut client = server.client();
    let (len, digest) = client.offered("a.bin");
    assert!(len > MIB && len < 2 * MIB, "{len}");
    assert_eq!(digest, md5(&bytes[..len]));
    // A position that was not offered is refused, and the offer stays good.
    let refused = client.ask(&begin(len - 1, bytes.len() - len + 1));
    assert_eq!(refused, LegacyReply::UploadPos { status: Status::SeekError });
    assert_eq!(client.ask(&begin(len, bytes.len() - len)), BEGUN);
    client.send_bytes(&bytes[len..]);
    assert_eq!(client.reply(), STORED);
    assert!(server.read("a.bin") == bytes);
    // And is used up.
    let refused = client.ask(&begin(len, 10));
    assert_eq!(refused, LegacyReply::UploadPos { status: Status::OpenError });
}

fn negative_numbers_are_refused(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client();
    client.offered("a.bin");
    for (pos, len) in [(-1, 10), (0, -1), (i64::MIN, i64::MIN), (i64::MAX, 1)] {
        let reply = client.ask(&LegacyRequest::UploadPos { pos, len });
        assert!(
            matches!(reply, LegacyReply::UploadPos { status } if status != Status::Ok),
            "{pos} {len}: {reply:?}"
        );
    }
    let (name, md5) = (QString::from("a.bin"), QString::NULL);
    let download = LegacyRequest::DownloadHeader { name, pos: -1, md5, extended: false };
    let reply = client.ask(&download);
    assert!(
        matches!(reply, LegacyReply::DownloadHeader { status, .. } if status != Status::Ok),
        "{reply:?}"
    );
    client.upload("a.bin", b"still served");
}

#[test]
fn an_empty_file_is_confirmed_on_its_own() {
    let server = Running::start();
    let mut client = server.client();
    // Who looks late finds the confirmation there already, so several times.
    let apart = (0..10).any(|n| {
        let name = format!("empty{n}");
        client.begin_upload(&name, 0);
        let silent = client.is_silent_for(Duration::from_millis(50));
        assert_eq!(client.reply(), STORED);
        assert_eq!(server.read(&name), b"");
        silent
    });
    assert!(apart, "the confirmation came together with the reply before it");
}

fn a_client_that_shuts_its_side_is_still_answered(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client();
    let mut bytes = encoded(&[ask_upload("a.bin"), begin(0, 300_000)]);
    bytes.extend(content(1, 300_000));
    client.send_bytes(&bytes);
    client.shut_write();
    assert_eq!(client.reply(), offer_of(0, QString::NULL));
    assert_eq!(client.reply(), BEGUN);
    assert_eq!(client.reply(), STORED);
    assert!(client.is_closed_within(crate::DEADLINE));
}
