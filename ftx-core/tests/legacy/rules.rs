//! The rules for facing an original program, one by one, with each machine driven by hand.

use ftx_core::legacy::download::{self, DownloadError, DownloadMachine};
use ftx_core::legacy::server::{Fact, ServerAction, ServerMachine};
use ftx_core::legacy::upload::{self, UploadError, UploadMachine};
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest, QString};
use ftx_core::legacy::{Md5Digest, Prefix, ProtocolError, Want};
use ftx_core::{RemoteName, Status};

/// The digest of no bytes.
const EMPTY: Md5Digest = Md5Digest([
    0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e,
]);

/// The largest position that an original program reads rightly.
const ORIGINAL_MAX_BYTES: u64 = 0x7fff_ffff;

const MD5: Md5Digest = Md5Digest([7; 16]);

fn name() -> RemoteName {
    RemoteName::parse("f").unwrap()
}

fn null() -> QString {
    QString::NULL
}

fn text(md5: Md5Digest) -> QString {
    Some(md5).into()
}

/// The server's actions after a request.
fn actions_after(server: &mut ServerMachine, request: LegacyRequest) -> Vec<ServerAction> {
    server.message(request).unwrap();
    std::iter::from_fn(|| server.poll()).collect()
}

fn answered(server: &mut ServerMachine, fact: Fact) -> Vec<ServerAction> {
    server.fact(fact).unwrap();
    std::iter::from_fn(|| server.poll()).collect()
}

/// A server that was asked to upload, and offered `held` bytes.
fn offering(held: u64, extended: bool) -> (ServerMachine, Vec<ServerAction>) {
    let mut server = ServerMachine::new();
    actions_after(&mut server, LegacyRequest::UploadHeader { name: "f".into(), extended });
    let held = (held > 0).then_some(Prefix { len: held, md5: MD5 });
    let said = answered(&mut server, Fact::UploadOffer { held, published: false });
    (server, said)
}

fn downloading(pos: i64, md5: QString, extended: bool, fact: Fact) -> (ServerMachine, LegacyReply) {
    let mut server = ServerMachine::new();
    actions_after(
        &mut server,
        LegacyRequest::DownloadHeader { name: "f".into(), pos, md5, extended },
    );
    let said = answered(&mut server, fact);
    let [ServerAction::Send(reply)] = said.as_slice() else { panic!("{said:?}") };
    (server, reply.clone())
}

#[test]
fn an_original_client_is_offered_no_more_than_it_can_count() {
    let mut server = ServerMachine::new();
    let said = actions_after(
        &mut server,
        LegacyRequest::UploadHeader { name: "f".into(), extended: false },
    );
    assert_eq!(said, [ServerAction::OfferUpload { name: name(), limit: ORIGINAL_MAX_BYTES }]);
}

#[test]
fn positions_that_were_not_offered_are_refused() {
    for (pos, len, status) in [
        (5, 1, Status::SeekError),
        (-1, 1, Status::SeekError),
        (i64::MIN, i64::MIN, Status::SeekError),
        (0, -1, Status::UploadError),
        (10, i64::MAX, Status::UploadError),
    ] {
        let (mut server, _) = offering(10, false);
        let said = actions_after(&mut server, LegacyRequest::UploadPos { pos, len });
        assert_eq!(said, [ServerAction::Send(LegacyReply::UploadPos { status })], "{pos} {len}");
        assert_eq!(server.want(), Want::Message);
    }
}

#[test]
fn a_101_without_a_100_is_an_open_error() {
    let said =
        actions_after(&mut ServerMachine::new(), LegacyRequest::UploadPos { pos: 0, len: 1 });
    assert_eq!(said, [ServerAction::Send(LegacyReply::UploadPos { status: Status::OpenError })]);
}

#[test]
fn a_failing_disk_is_reported_when_the_client_listens() {
    let (mut server, _) = offering(0, false);
    actions_after(&mut server, LegacyRequest::UploadPos { pos: 0, len: 10 });
    answered(&mut server, Fact::UploadBegun);
    assert_eq!(server.want(), Want::Body { left: 10 });
    assert_eq!(answered(&mut server, Fact::BodyFailed { status: Status::WriteError }), []);
    assert_eq!(server.want(), Want::Discard { left: 10 });
    assert_eq!(answered(&mut server, Fact::BodyReceived { len: 9 }), []);
    let said = answered(&mut server, Fact::BodyReceived { len: 1 });
    let tail = LegacyReply::UploadTail { status: Status::WriteError, md5: null() };
    assert_eq!(said, [ServerAction::Send(tail)]);
    assert_eq!(server.want(), Want::Message);
}

#[test]
fn more_bytes_than_announced_end_the_connection() {
    let (mut server, _) = offering(0, false);
    actions_after(&mut server, LegacyRequest::UploadPos { pos: 0, len: 10 });
    answered(&mut server, Fact::UploadBegun);
    let refused = server.fact(Fact::BodyReceived { len: 11 });
    assert_eq!(refused, Err(ProtocolError::TooManyBytes));
    assert_eq!(server.want(), Want::Nothing);
}

#[test]
fn the_end_of_an_empty_upload_comes_apart_for_an_original_only() {
    for extended in [false, true] {
        let (mut server, _) = offering(0, extended);
        actions_after(&mut server, LegacyRequest::UploadPos { pos: 0, len: 0 });
        assert_eq!(
            answered(&mut server, Fact::UploadBegun),
            [
                ServerAction::Send(LegacyReply::UploadPos { status: Status::Ok }),
                ServerAction::CommitUpload
            ]
        );
        let said = answered(&mut server, Fact::UploadPublished { md5: Some(EMPTY) });
        match said.as_slice() {
            [ServerAction::SendApart(LegacyReply::UploadTail { md5, .. })] => {
                assert!(!extended && md5.is_null());
            }
            [ServerAction::Send(LegacyReply::UploadTail { md5, .. })] => {
                assert!(extended && *md5 == text(EMPTY));
            }
            said => panic!("{said:?}"),
        }
    }
}

#[test]
fn asking_again_publishes_nothing() {
    // A client may ask only for the offer.
    let (mut server, _) = offering(10, false);
    let said = actions_after(
        &mut server,
        LegacyRequest::UploadHeader { name: "g".into(), extended: false },
    );
    let name = RemoteName::parse("g").unwrap();
    assert_eq!(said, [ServerAction::OfferUpload { name, limit: ORIGINAL_MAX_BYTES }]);
}

#[test]
fn an_original_client_never_resumes_a_download() {
    let fact = Fact::DownloadOffer { size: 10, matches: true, md5: Some(MD5) };
    let (mut server, reply) = downloading(5, text(MD5), false, fact);
    let LegacyReply::DownloadHeader { status: Status::Ok, pos: 0, len: 10, md5, .. } = reply else {
        panic!("{reply:?}")
    };
    assert!(md5.is_null());
    let said = actions_after(&mut server, LegacyRequest::DownloadContent { status: Status::Ok });
    assert_eq!(said, [ServerAction::SendBody { offset: 0, len: 10 }]);

    let (mut server, reply) = downloading(5, text(MD5), true, fact);
    assert!(matches!(reply, LegacyReply::DownloadHeader { pos: 5, len: 5, .. }));
    let said = actions_after(&mut server, LegacyRequest::DownloadContent { status: Status::Ok });
    assert_eq!(said, [ServerAction::SendBody { offset: 5, len: 5 }]);
}

#[test]
fn a_download_that_an_original_client_cannot_handle_is_an_error() {
    let offer = |size, matches| Fact::DownloadOffer { size, matches, md5: None };
    for (pos, md5, fact, expected) in [
        // Too large, even if the client has it; its size modulo 2^32 would be 0.
        (0, null(), offer(ORIGINAL_MAX_BYTES + 1, false), Status::DownloadError),
        (0, null(), offer(1 << 32, false), Status::DownloadError),
        (0, null(), offer(ORIGINAL_MAX_BYTES, false), Status::Ok),
        // An empty file, which it has or has not.
        (0, null(), offer(0, false), Status::DownloadError),
        (3, text(MD5), offer(0, false), Status::DownloadError),
        (0, text(EMPTY), offer(0, true), Status::Ok),
        // Equal.
        (10, text(MD5), offer(10, true), Status::Ok),
    ] {
        let (_, reply) = downloading(pos, md5, false, fact);
        let LegacyReply::DownloadHeader { status, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(status, expected, "{fact:?}");
    }
}

#[test]
fn an_equal_copy_gets_nothing() {
    let fact = Fact::DownloadOffer { size: 10, matches: true, md5: None };
    for extended in [false, true] {
        let (mut server, reply) = downloading(10, text(MD5), extended, fact);
        assert!(matches!(
            reply,
            LegacyReply::DownloadHeader { status: Status::Ok, pos: 10, len: 0, .. }
        ));
        assert_eq!(
            actions_after(&mut server, LegacyRequest::DownloadContent { status: Status::Ok }),
            []
        );
    }
}

#[test]
fn a_negative_position_is_refused_before_anything_is_looked_up() {
    let mut server = ServerMachine::new();
    let md5 = text(EMPTY);
    let request = LegacyRequest::DownloadHeader { name: "f".into(), pos: -1, md5, extended: false };
    let said = actions_after(&mut server, request);
    let [ServerAction::Send(LegacyReply::DownloadHeader { status: Status::SeekError, .. })] =
        said.as_slice()
    else {
        panic!("{said:?}")
    };
}

#[test]
fn refused_names_are_answered_and_logged() {
    for bad in ["", "..", "../x", "/etc/passwd", "a\0b", ".ftx/lock", "C:x"] {
        let mut server = ServerMachine::new();
        let said = actions_after(
            &mut server,
            LegacyRequest::UploadHeader { name: bad.into(), extended: false },
        );
        let [
            ServerAction::NameRefused { .. },
            ServerAction::Send(LegacyReply::UploadHeader {
                status: Status::OpenError, pos: 0, ..
            }),
        ] = said.as_slice()
        else {
            panic!("{bad:?}: {said:?}")
        };
    }
    let mut server = ServerMachine::new();
    let name = QString::from_units(vec![0xd800]);
    let said = actions_after(&mut server, LegacyRequest::UploadHeader { name, extended: false });
    assert!(matches!(said[0], ServerAction::NameRefused { .. }));
}

#[test]
fn unknown_ids_are_echoed_but_the_native_magic_is_not() {
    let mut server = ServerMachine::new();
    let said = actions_after(&mut server, LegacyRequest::Unknown { id: 900 });
    assert_eq!(said, [ServerAction::Send(LegacyReply::Unknown { id: 900 })]);
    let magic = i64::from_be_bytes(ftx_core::dialect::MAGIC);
    let refused = server.message(LegacyRequest::Unknown { id: magic });
    assert_eq!(refused, Err(ProtocolError::DialectChange));
}

/// An upload of `size` bytes to an original server that holds `held`.
fn to_original(size: u64, held: i64) -> UploadMachine {
    let mut client = UploadMachine::new(&name(), size);
    client.poll();
    let md5 = if held > 0 { text(MD5) } else { null() };
    let status = Status::Ok;
    let reply =
        LegacyReply::UploadHeader { status, pos: held, md5, extended: false, published: false };
    client.message(reply).unwrap();
    client
}

#[test]
fn an_upload_to_an_original_server_never_resumes() {
    let mut client = to_original(10, 5);
    let begin = upload::UploadAction::Send(LegacyRequest::UploadPos { pos: 0, len: 10 });
    assert_eq!(client.poll(), Some(begin.clone()));
    // As much as the local file has: it may be the same, which is worth finding out.
    let mut client = to_original(10, 10);
    assert_eq!(client.poll(), Some(upload::UploadAction::HashPrefix { len: 10 }));
    client.hashed(EMPTY).unwrap();
    assert_eq!(client.poll(), Some(begin));
}

#[test]
fn an_original_server_is_asked_for_its_stored_bytes() {
    for (pos, md5, good) in [(10, text(MD5), true), (10, text(EMPTY), false), (9, text(MD5), false)]
    {
        let mut client = to_original(10, 0);
        client.poll();
        client.message(LegacyReply::UploadPos { status: Status::Ok }).unwrap();
        assert_eq!(
            client.poll(),
            Some(upload::UploadAction::SendBody { offset: 0, len: 10, hash: true })
        );
        client.sent(Some(MD5)).unwrap();
        client.message(LegacyReply::UploadTail { status: Status::Ok, md5: null() }).unwrap();
        let Some(upload::UploadAction::Send(LegacyRequest::UploadHeader { .. })) = client.poll()
        else {
            panic!("no question")
        };
        let status = Status::Ok;
        let result = client.message(LegacyReply::UploadHeader {
            status,
            pos,
            md5,
            extended: false,
            published: false,
        });
        assert_eq!(result.is_ok(), good);
        if !good {
            assert!(matches!(result, Err(UploadError::NotStored { .. })));
        }
    }
}

#[test]
fn an_original_server_takes_no_large_file_and_loses_its_connection_to_an_empty_one() {
    let mut client = UploadMachine::new(&name(), ORIGINAL_MAX_BYTES + 1);
    client.poll();
    let (status, md5) = (Status::Ok, null());
    let reply =
        LegacyReply::UploadHeader { status, pos: 0, md5, extended: false, published: false };
    assert_eq!(client.message(reply), Err(UploadError::TooLarge { size: ORIGINAL_MAX_BYTES + 1 }));

    let mut client = to_original(0, 0);
    client.poll();
    client.message(LegacyReply::UploadPos { status }).unwrap();
    let Some(upload::UploadAction::Finish(outcome)) = client.poll() else { panic!("not finished") };
    assert!(!outcome.reusable);
}

#[test]
fn an_original_server_that_sends_is_read_to_the_end() {
    let mut client = DownloadMachine::new(&name(), None);
    client.poll();
    let (status, md5) = (Status::Ok, null());
    client
        .message(LegacyReply::DownloadHeader { status, pos: 0, len: 10, md5, extended: false })
        .unwrap();
    // Nothing is asked for before there is a place for it.
    assert_eq!(client.poll(), Some(download::DownloadAction::Prepare { start: 0, len: 10 }));
    assert_eq!(client.poll(), None);
    assert!(!client.must_read_to_end());
    client.prepared().unwrap();
    assert!(client.must_read_to_end());
    client.store_failed(Status::WriteError).unwrap();
    assert_eq!(client.want(), Want::Discard { left: 10 });
    client.received(9).unwrap();
    assert_eq!(client.received(1), Err(DownloadError::NotStored(Status::WriteError)));
}

#[test]
fn a_server_that_names_impossible_ranges_is_not_believed() {
    let held = Prefix { len: 5, md5: MD5 };
    for (pos, len) in [(3, 1), (-1, 1), (0, -1), (6, 0), (5, i64::MIN)] {
        let mut client = DownloadMachine::new(&name(), Some(held));
        let (status, md5) = (Status::Ok, null());
        let result =
            client.message(LegacyReply::DownloadHeader { status, pos, len, md5, extended: true });
        assert!(matches!(result, Err(DownloadError::Unexpected(_))), "{pos} {len}");
    }
}
