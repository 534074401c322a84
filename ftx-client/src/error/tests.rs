//! How failures are classified, and their texts.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use ftx_core::legacy::upload::UploadError;
use ftx_core::native::Reason;
use ftx_core::{NameError, RemoteName, Status};
use ftx_io::{ErrorChain, StreamError};
use ftx_store::StoreError;

use super::TransferError;
use crate::ServerAddr;

#[test]
fn local_files_have_reasons_of_their_own() {
    let local = |kind| {
        let error = StoreError::io("open", "a", io::Error::from(kind));
        TransferError::from(error).reason()
    };
    assert_eq!(local(io::ErrorKind::NotFound), Reason::LocalNotFound);
    assert_eq!(local(io::ErrorKind::StorageFull), Reason::LocalNoSpace);
    let error = StoreError::Changed { path: "a".into() };
    let error = TransferError::from(error);
    assert_eq!((error.reason(), error.status()), (Reason::LocalChanged, Status::OpenError));
    assert!(!error.is_transient());
    let busy = TransferError::from(StoreError::PartOfAnother { path: "a".into() });
    assert!(busy.is_transient());
    let stopped = TransferError::from(StoreError::Cancelled { path: "a".into() });
    assert!(stopped.is_cancelled());
}

#[test]
fn a_changed_file_is_not_sent_again_but_an_outdated_manifest_is_read_again() {
    let path = Path::new("a");
    for (error, is_transient) in [
        (TransferError::local_changed(path), false),
        (TransferError::outdated_manifest(path), true),
    ] {
        assert_eq!(error.is_transient(), is_transient, "{error}");
        assert_eq!((error.reason(), error.status()), (Reason::LocalChanged, Status::OpenError));
    }
    assert!(TransferError::damaged("a").is_transient());
    assert!(!TransferError::stored_other().is_transient());
}

#[test]
fn a_server_cannot_speak_for_the_client() {
    for reason in [Reason::Cancelled, Reason::ConnectFailed, Reason::OtherDialect] {
        let refused = TransferError::refused(reason, "no");
        assert!(!refused.is_cancelled() && !refused.is_unreachable() && !refused.is_not_native());
        assert!(!refused.is_about_connection() && !refused.is_about_protocol());
        assert_eq!(refused.reason(), reason);
    }
    assert!(TransferError::refused(Reason::ShuttingDown, "").is_about_connection());
    assert!(TransferError::refused(Reason::TakenOver, "").is_transient());
}

#[test]
fn failures_of_connections_concern_no_file() {
    let address = ServerAddr::new("host", 1).unwrap();
    for error in [
        TransferError::closed(),
        TransferError::connect_failed(&address),
        TransferError::address_not_found(&address),
        StreamError::Timeout(Duration::from_secs(2)).into(),
        StreamError::Io(io::ErrorKind::BrokenPipe.into()).into(),
    ] {
        assert!(error.is_about_connection() && error.is_transient(), "{error}");
    }
    assert!(!TransferError::cancelled().is_about_connection());
    assert!(!TransferError::from(StoreError::BadName { path: "".into() }).is_about_connection());
}

#[test]
fn texts_name_the_thing_and_say_nothing_twice() {
    let line = |error: &TransferError| ErrorChain(error).to_string();
    let source = io::Error::other("cable cut");
    let lost = TransferError::from(StreamError::Io(source));
    assert_eq!(line(&lost), "the connection failed: cable cut");
    assert_eq!(line(&lost.clone()), line(&lost));
    let limit = StreamError::Timeout(Duration::from_secs(90));
    assert_eq!(line(&limit.into()), "the server sent nothing for 1m 30s");
    let source: NameError = RemoteName::parse("/a").unwrap_err();
    let name = TransferError::name_refused("/a").caused_by(source.clone());
    assert_eq!(line(&name), format!("the name \"/a\" cannot be used on a server: {source}"));
    let store = StoreError::BadName { path: "..".into() };
    let expected = format!("local file: {store}");
    let local = TransferError::from(store);
    assert_eq!(line(&local), expected);
    assert!(local.source().is_some_and(|source| source.is::<StoreError>()));
    let refused = UploadError::Refused(Status::OpenError);
    assert_eq!(line(&refused.clone().into()), refused.to_string());
    assert_eq!(line(&TransferError::refused(Reason::Busy, "later")), "the server refused: later");
}
