//! Downloads that resume from a local file which another program writes to after it was hashed.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread;

use ftx_client::blocking::BlockingClient;
use ftx_client::{Status, TransferError, Transferred};
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest, QString};
use ftx_store::StoreError;
use ftx_tests::Carrier;

use crate::server::{Peer, listen};
use crate::{config, name};

/// A file that is kept in memory, and one that is not.
const SIZES: [usize; 2] = [100, 3 << 20];

const TAIL: &[u8] = b"tail";

/// The bytes that another program writes to the start of the file.
const OTHER: &[u8] = b"written by another program";

/// Writes to the file in place, and sets its time back.
fn write_in_place(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(OTHER, 0).unwrap();
    file.set_modified(time).unwrap();
}

/// Downloads a file of `size` local bytes and `tail` from an original server, which runs `meanwhile`
/// before it answers. Returns the result and the bytes of the file.
fn download(
    size: usize,
    tail: &'static [u8],
    meanwhile: fn(&Path),
) -> (Result<Transferred, TransferError>, Vec<u8>) {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    fs::write(&path, vec![b'A'; size]).unwrap();
    let (listener, address) = listen(Carrier::Plain);
    let server = thread::spawn({
        let path = path.clone();
        move || {
            let mut peer = Peer::accept(&listener);
            let LegacyRequest::DownloadHeader { .. } = peer.request() else { panic!() };
            // The file has been hashed: the request has its MD5.
            meanwhile(&path);
            let (pos, len) = (i64::try_from(size).unwrap(), i64::try_from(tail.len()).unwrap());
            let (status, md5, extended) = (Status::Ok, QString::NULL, false);
            peer.reply(&LegacyReply::DownloadHeader { status, pos, len, md5, extended });
            while let Some(request) = peer.next_request() {
                match request {
                    LegacyRequest::DownloadContent { .. } => peer.send(tail),
                    LegacyRequest::DownloadTail { .. } => {
                        peer.reply(&LegacyReply::DownloadTail { status: Status::Ok });
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    });
    let mut client = BlockingClient::new(address, config(Carrier::Plain)).unwrap();
    let result = client.download(&name(), &path);
    drop(client);
    server.join().unwrap();
    let left = fs::read_dir(local.path()).unwrap().count();
    assert_eq!(left, 1, "something is left beside the file");
    (result, fs::read(&path).unwrap())
}

fn assert_changed(result: &Result<Transferred, TransferError>) {
    let error = result.as_ref().unwrap_err();
    let Some(StoreError::Changed { path }) = error.store_error() else { panic!("{error:?}") };
    assert!(path.ends_with("a.bin"), "{}", path.display());
}

#[test]
fn a_file_without_a_writer_is_resumed() {
    for size in SIZES {
        let (result, bytes) = download(size, TAIL, |_| {});
        assert_eq!(result.unwrap().moved, 4);
        assert!(bytes == [&vec![b'A'; size][..], TAIL].concat());
        let (result, bytes) = download(size, b"", |_| {});
        assert!(result.unwrap().already_there);
        assert!(bytes == vec![b'A'; size]);
    }
}

#[test]
fn a_file_that_is_written_to_after_it_was_hashed_is_not_published_as_the_start() {
    for size in SIZES {
        let (result, bytes) = download(size, TAIL, write_in_place);
        assert_changed(&result);
        assert!(bytes == [OTHER, &vec![b'A'; size - OTHER.len()]].concat());
    }
}

#[test]
fn a_file_that_is_written_to_after_it_was_hashed_is_not_already_there() {
    for size in SIZES {
        let (result, bytes) = download(size, b"", write_in_place);
        assert_changed(&result);
        assert!(bytes == [OTHER, &vec![b'A'; size - OTHER.len()]].concat());
    }
}
