//! The real client over eight connections, and a server with memory for one granule.

use std::future::pending;
use std::num::NonZeroUsize;
use std::path::Path;

use ftx_client::{Client, ClientConfig, FileUpload, Observer, TransferError, Transferred, Watch};
use ftx_core::native::Granule;
use ftx_server::store::memory::MemStore;
use ftx_server::{Config, Dialects, Limit, Monitor, Server};
use tokio::net::TcpListener;

use crate::content::DEADLINE;
use crate::{MIB, content, name};

/// Runs `work` with a client of eight connections, and returns the server's counters.
async fn with_memory_for_one(work: impl AsyncFnOnce(&mut Client)) -> Monitor {
    let store = MemStore::new().with_granule(Granule::new(8).unwrap());
    let mut config = Config::default();
    config.limits.granule_memory_bytes = 8 * MIB as u64;
    let server = Server::start(config, store, Dialects::native()).unwrap();
    let monitor = server.monitor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let mut config = ClientConfig::default();
    (config.streams, config.retries) = (NonZeroUsize::new(8), 0);
    let mut client = Client::new(address, config);
    let work = tokio::time::timeout(4 * DEADLINE, work(&mut client));
    tokio::select! {
        () = server.run(listener, pending()) => panic!("the server has stopped"),
        done = work => done.expect("the client hangs"),
    }
    monitor
}

/// Every connection has waited for memory, and all of it is back.
fn assert_waited(monitor: &Monitor) {
    let now = monitor.snapshot();
    let waits = now.limits.iter().find(|(limit, _)| *limit == Limit::GranuleMemory);
    assert!(waits.is_some_and(|&(_, waits)| waits > 0), "{:?}", now.limits);
    assert_eq!((now.granule_bytes, now.errors), (0, 0));
}

fn file(dir: &Path, seed: u64, len: usize) -> (std::path::PathBuf, Vec<u8>) {
    let (path, bytes) = (dir.join(seed.to_string()), content(seed, len));
    std::fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

#[tokio::test]
async fn eight_connections_share_the_memory_of_one_granule() {
    let temp = tempfile::tempdir().unwrap();
    let (path, bytes) = file(temp.path(), 1, 96 * MIB + 5);
    let monitor = with_memory_for_one(async |client| {
        client.upload(&path, &name("a")).await.unwrap();
        let copy = temp.path().join("copy");
        client.download(&name("a"), &copy).await.unwrap();
        assert!(std::fs::read(&copy).unwrap() == bytes);
    });
    assert_waited(&monitor.await);
}

/// Counts the files, each of which must succeed.
struct Count(usize);

impl Watch for Count {
    fn begin(&mut self, _: usize) -> Observer {
        Observer::default()
    }

    fn end(&mut self, _: usize, result: Result<Transferred, TransferError>) {
        result.unwrap();
        self.0 += 1;
    }
}

/// A connection that left the granule of one file for that of another would wait for its own memory.
#[tokio::test]
async fn files_at_once_share_the_memory_of_one_granule() {
    let temp = tempfile::tempdir().unwrap();
    let files: Vec<_> = (1..=9).map(|seed| file(temp.path(), seed, 18 * MIB)).collect();
    let uploads: Vec<_> = files
        .iter()
        .map(|(path, _)| {
            let name = name(path.file_name().unwrap().to_str().unwrap());
            FileUpload { path: path.as_path().into(), name }
        })
        .collect();
    let monitor = with_memory_for_one(async |client| {
        let mut count = Count(0);
        client.upload_all(&uploads, false, &mut count).await.unwrap();
        assert_eq!(count.0, files.len());
    });
    assert_waited(&monitor.await);
}
