//! Tests of classification, texts and the tables of kinds.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use ftx_core::Status;
use ftx_core::native::Reason;

use super::{Side, StoreError, StoreErrorKind};

#[test]
fn kinds_are_distinguished_and_have_a_status() {
    for (kind, op, variant, status) in [
        (ErrorKind::AlreadyExists, "rename", "AlreadyExists", Status::OpenError),
        (ErrorKind::NotFound, "open", "NotFound", Status::OpenError),
        (ErrorKind::IsADirectory, "rename", "IsDirectory", Status::OpenError),
        (ErrorKind::NotADirectory, "open", "NotDirectory", Status::OpenError),
        (ErrorKind::PermissionDenied, "create", "PermissionDenied", Status::OpenError),
        (ErrorKind::ReadOnlyFilesystem, "create", "ReadOnly", Status::OpenError),
        (ErrorKind::StorageFull, "write", "NoSpace", Status::WriteError),
        (ErrorKind::QuotaExceeded, "write", "NoSpace", Status::WriteError),
        (ErrorKind::FileTooLarge, "write", "TooLarge", Status::WriteError),
        (ErrorKind::ResourceBusy, "rename", "MountPoint", Status::OpenError),
        (ErrorKind::ResourceBusy, "open", "Io", Status::OpenError),
        (ErrorKind::ExecutableFileBusy, "open", "Running", Status::OpenError),
        (ErrorKind::WouldBlock, "read", "Io", Status::OpenError),
        (ErrorKind::UnexpectedEof, "read", "Changed", Status::OpenError),
        (ErrorKind::WouldBlock, "lock", "InUse", Status::OpenError),
        (ErrorKind::Other, "open", "Io", Status::OpenError),
        (ErrorKind::Other, "sync", "Io", Status::WriteError),
    ] {
        let error = StoreError::io(op, "a/b", io::Error::from(kind));
        assert!(format!("{error:?}").starts_with(variant), "{kind}: {error:?}");
        assert_eq!(error.status(), status, "{error}");
        assert!(error.to_string().contains("\"a/b\""), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn general_errors_are_distinguished_and_stay_general() {
    for code in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOMEM] {
        let error = StoreError::io("open", "a", code.into());
        assert!(matches!(error, StoreError::Exhausted { .. }) && error.is_general());
        let error = StoreError::io("list", "b", error.into_io());
        assert!(matches!(error, StoreError::Exhausted { .. }), "{error:?}");
    }
    let gone = StoreError::RootGone { path: "a".into() };
    let error = StoreError::io("list", "b", gone.into_io());
    assert!(matches!(error, StoreError::RootGone { .. }) && error.is_general(), "{error:?}");
    assert!(!StoreError::io("open", "a", ErrorKind::NotFound.into()).is_general());
}

#[test]
fn an_error_can_be_moved_to_another_file() {
    let error = StoreError::io("write", ".ftx/x", io::Error::from(ErrorKind::StorageFull));
    assert!(error.with_path("a/b").to_string().contains("cannot write \"a/b\""));
}

#[test]
fn an_error_can_show_the_path_that_the_user_knows() {
    let error = StoreError::Link { path: "a/b".into() }.beneath("out");
    assert!(error.to_string().contains("\"out/a/b\" is a symbolic link"), "{error}");
    assert_eq!(error.status(), Status::OpenError);
}

#[test]
fn the_systems_reason_is_kept() {
    let error = StoreError::io("write", "x", io::Error::from_raw_os_error(28));
    assert!(matches!(error, StoreError::NoSpace { .. }));
    assert!(error.source().unwrap().to_string().contains("28"));
}

#[test]
fn every_kind_has_reasons_of_the_right_side_and_no_status_of_success() {
    for kind in StoreErrorKind::TABLE.iter().copied() {
        assert!(!matches!(kind.status(), Status::Ok | Status::AlreadyExists), "{kind:?}");
        let server = kind.reason(Side::Server).code();
        assert!((-499..=-401).contains(&server), "{kind:?}");
        let client = kind.reason(Side::Client);
        let by_caller = matches!(client, Reason::Cancelled | Reason::InvalidArgument);
        assert!(by_caller || (-399..=-301).contains(&client.code()), "{kind:?}");
    }
}

#[test]
fn failed_reads_and_unopenable_files_are_kinds_of_their_own() {
    for (source, op, kind) in [
        (ErrorKind::InvalidInput, "open", StoreErrorKind::Unopenable),
        (ErrorKind::InvalidInput, "read", StoreErrorKind::Unreadable),
        (ErrorKind::Other, "open", StoreErrorKind::Unreadable),
        (ErrorKind::Other, "stat", StoreErrorKind::Unreadable),
        (ErrorKind::Other, "write", StoreErrorKind::Io),
    ] {
        assert_eq!(StoreError::io(op, "a", io::Error::from(source)).kind(), kind, "{op}");
    }
}
