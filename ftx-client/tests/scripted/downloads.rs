//! Cancelling downloads while local bytes are hashed.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_client::blocking::BlockingClient;
use ftx_client::{Cancel, Event, Observer, ServerAddr, Status};
use ftx_core::legacy::Md5Digest;
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest};
use ftx_store::{PrefixStaging, StagingFiles};
use ftx_tests::Carrier;

use crate::server::{Peer, listen};
use crate::{config, name};

/// The age of a transfer from which arriving bytes are hashed in the background.
const HASHED_BESIDE_AFTER: Duration = Duration::from_secs(2);

/// Bytes of a staging; fewer are hashed between two checks for cancellation.
const LEN: u64 = 4 << 20;

/// Bytes of a file; fewer are hashed between two checks.
const WHOLE: u64 = 64 << 20;

/// A client whose observer passes the hashed bytes and their total to `hashing`.
fn client(
    address: ServerAddr,
    hashing: impl Fn(&Cancel, u64, u64) + Send + Sync + 'static,
) -> BlockingClient {
    let mut client = BlockingClient::new(address, config(Carrier::Plain)).unwrap();
    let cancel = client.cancel();
    client.set_observer(Observer::new(move |event| {
        if let Event::Hashing { done, total } = *event {
            hashing(&cancel, done, total);
        }
    }));
    client
}

fn files() -> StagingFiles {
    StagingFiles { data: "a.bin.ftxpart".into(), journal: "a.bin.ftxpart.journal".into() }
}

/// The staging of a client that was interrupted before the machine restarted.
fn staging(local: &Path) {
    let dir = Dir::open_ambient_dir(local, ambient_authority()).unwrap();
    let staging = PrefixStaging::create(&dir, files(), "a.bin").unwrap();
    let mut staging = staging.with_boot(None);
    for _ in 0..LEN >> 20 {
        staging.write(&[7; 1 << 20]).unwrap();
    }
    staging.suspend().unwrap();
}

/// A server waits only briefly for a first request.
#[test]
fn the_local_file_is_hashed_before_the_client_connects() {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    File::create(&path).unwrap().set_len(WHOLE).unwrap();
    let (listener, address) = listen(Carrier::Plain);
    listener.tcp.set_nonblocking(true).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut client = client(address, {
        let told = Arc::clone(&told);
        move |cancel, done, total| {
            // The client cannot continue during this check.
            let early = listener.tcp.accept().err().map(|error| error.kind());
            told.lock().unwrap().push((done, early));
            if done == total {
                cancel.cancel();
            }
        }
    });
    let result = client.download(&name(), &path);
    assert!(matches!(&result, Err(error) if error.is_cancelled()), "{result:?}");
    let told = told.lock().unwrap();
    assert!(told.len() > 2, "{told:?}");
    assert!(told.iter().all(|(_, early)| *early == Some(ErrorKind::WouldBlock)), "{told:?}");
    assert_eq!(told.last().unwrap().0, WHOLE);
}

#[test]
fn verifying_a_staging_is_reported_and_can_be_stopped() {
    let local = tempfile::tempdir().unwrap();
    staging(local.path());
    let (_listener, address) = listen(Carrier::Plain);
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut client = client(address, {
        let told = Arc::clone(&told);
        move |cancel, done, total| {
            told.lock().unwrap().push((done, total));
            cancel.cancel();
        }
    });
    let result = client.download(&name(), &local.path().join("a.bin"));
    assert!(matches!(&result, Err(error) if error.is_cancelled()), "{result:?}");
    let told = told.lock().unwrap();
    assert!(matches!(told[..], [(1..LEN, LEN)]), "{told:?}");
    let dir = Dir::open_ambient_dir(local.path(), ambient_authority()).unwrap();
    assert_eq!(
        PrefixStaging::recover(&dir, files()).unwrap().unwrap().len(),
        LEN,
        "it is not kept"
    );
}

#[test]
fn hashing_the_received_bytes_is_reported_and_can_be_stopped() {
    // Bytes that arrive late are hashed in the background.
    let in_time = (0..10).any(|_| reports_if_in_time());
    assert!(in_time, "it arrives late each time");
}

/// Whether all bytes arrived before they would be hashed in the background; if so, checks the rest.
fn reports_if_in_time() -> bool {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    let (listener, address) = listen(Carrier::Plain);
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut client = client(address, {
        let told = Arc::clone(&told);
        move |cancel, done, total| {
            told.lock().unwrap().push((done, total));
            cancel.cancel();
        }
    });
    let server = thread::spawn(move || {
        let mut peer = Peer::accept(&listener);
        assert!(matches!(peer.request(), LegacyRequest::DownloadHeader { .. }));
        let (pos, len, md5) = (
            0,
            LEN.cast_signed(),
            "d41d8cd98f00b204e9800998ecf8427e".parse::<Md5Digest>().ok().into(),
        );
        peer.reply(&LegacyReply::DownloadHeader {
            status: Status::Ok,
            pos,
            len,
            md5,
            extended: true,
        });
        assert!(matches!(peer.request(), LegacyRequest::DownloadContent { .. }));
        for _ in 0..LEN >> 20 {
            peer.send(&[7; 1 << 20]);
        }
        assert!(matches!(peer.request(), LegacyRequest::DownloadTail { .. }));
        peer.reply(&LegacyReply::DownloadTail { status: Status::Ok });
    });
    let begun = Instant::now();
    let result = client.download(&name(), &path);
    let took = begun.elapsed();
    server.join().unwrap();
    if took >= HASHED_BESIDE_AFTER {
        return false;
    }
    assert!(matches!(&result, Err(error) if error.is_cancelled()), "{result:?}");
    let told = told.lock().unwrap();
    assert!(matches!(told[..], [(1..LEN, LEN)]), "{told:?}");
    let dir = Dir::open_ambient_dir(local.path(), ambient_authority()).unwrap();
    assert!(!path.exists());
    assert_eq!(
        PrefixStaging::recover(&dir, files()).unwrap().unwrap().len(),
        LEN,
        "it is not kept"
    );
    true
}
