//! The real client and the real server over each store.

use std::future::pending;
use std::path::Path;

use ftx_client::{Client, ClientConfig, Event, Observer};
use ftx_server::store::{LegacyStore, Store};
use ftx_server::{Config, Dialects, Server};
use tokio::net::TcpListener;

use crate::content::DEADLINE;
use crate::{MIB, content, name};

crate::for_all_stores! {
    a_file_goes_up_and_comes_down,
    small_files_go_up_and_come_down,
    a_cancelled_upload_resumes,
}

const LEN: usize = 20 * MIB + 5;

/// Runs `work` with clients of a server over `store`.
async fn served<S: Store + LegacyStore, T>(
    store: S,
    work: impl AsyncFnOnce(&dyn Fn() -> Client) -> T,
) -> T {
    let server = Server::start(Config::default(), store, Dialects::native().with_legacy()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: ftx_client::ServerAddr =
        listener.local_addr().unwrap().to_string().parse().unwrap();
    let client = || Client::new(address.clone(), ClientConfig::default());
    let work = tokio::time::timeout(4 * DEADLINE, work(&client));
    tokio::select! {
        () = server.run(listener, pending()) => panic!("the server has stopped"),
        done = work => done.expect("the client hangs"),
    }
}

fn file(dir: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let path = dir.join("file");
    std::fs::write(&path, bytes).unwrap();
    path
}

async fn a_file_goes_up_and_comes_down<S: Store + LegacyStore>(store: S) {
    let temp = tempfile::tempdir().unwrap();
    let mut bytes = content(1, LEN);
    served(store, async |client| {
        for change in 0..3_u8 {
            // One block in the middle, as far as the store knows the others.
            bytes[10 * MIB] = change;
            let path = file(temp.path(), &bytes);
            let sent = client().upload(&path, &name("d/a")).await.unwrap();
            assert!(change == 0 || sent.moved <= 8 * MIB as u64, "{sent:?}");
            let copy = temp.path().join("copy");
            client().download(&name("d/a"), &copy).await.unwrap();
            assert!(std::fs::read(&copy).unwrap() == bytes);
        }
    })
    .await;
}

async fn small_files_go_up_and_come_down<S: Store + LegacyStore>(store: S) {
    let temp = tempfile::tempdir().unwrap();
    served(store, async |client| {
        for len in [0, 1, 100_000, MIB] {
            let bytes = content(len as u64 + 1, len);
            let path = file(temp.path(), &bytes);
            client().upload(&path, &name("a")).await.unwrap();
            let again = client().upload(&path, &name("a")).await.unwrap();
            assert!(again.already_there || again.moved == len as u64, "{again:?}");
            let copy = temp.path().join("copy");
            client().download(&name("a"), &copy).await.unwrap();
            assert!(std::fs::read(&copy).unwrap() == bytes);
        }
    })
    .await;
}

async fn a_cancelled_upload_resumes<S: Store + LegacyStore>(store: S) {
    let temp = tempfile::tempdir().unwrap();
    let bytes = content(1, LEN);
    let path = file(temp.path(), &bytes);
    served(store, async |client| {
        let mut first = client();
        let cancel = first.cancel();
        first.set_observer(Observer::new(move |event| {
            if let Event::Progress { done, .. } = event
                && *done >= 8 * MIB as u64
            {
                cancel.cancel();
            }
        }));
        first.upload(&path, &name("a")).await.unwrap_err();
        drop(first);
        let sent = client().upload(&path, &name("a")).await.unwrap();
        assert!(sent.moved <= (LEN - 8 * MIB) as u64, "{sent:?}");
        let copy = temp.path().join("copy");
        client().download(&name("a"), &copy).await.unwrap();
        assert!(std::fs::read(&copy).unwrap() == bytes);
    })
    .await;
}
