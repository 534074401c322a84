//! Waiting for other operations without blocking the thread.

use std::sync::mpsc;

use ftx_io::Executor;
use ftx_server::store::LegacyStore as _;
use tempfile::tempdir;
use tokio::task::{spawn_blocking, yield_now};

use crate::{ALL, DEADLINE, MIB, begin_anew, content, name, open, write};

/// Enough for a task to come to its next wait.
const STEPS: usize = 100;

/// A writer is dropped without closing while another client waits for its staging, and the staging
/// cannot be detached for a while because all disk threads are busy.
#[test]
fn a_wait_for_a_vanished_writer_delays_no_other_job() {
    let root = tempdir().unwrap();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let store = open(root.path());
        let mut writer = begin_anew(&store, "a.bin", MIB).await;
        write(&mut writer, &content(1, 500_000)).await.unwrap();
        let asking = tokio::spawn({
            let store = store.clone();
            async move {
                let offered = store.offer_prefix(&Executor::pool(), &name("a.bin"), ALL).await;
                offered.unwrap().held
            }
        });
        // Its look at the file is the one before on the only thread; then it waits for the writer.
        yield_now().await;
        spawn_blocking(|| ()).await.unwrap();
        work().await;
        let (release, released) = mpsc::channel();
        let busy = spawn_blocking(move || released.recv_timeout(DEADLINE));
        drop(writer);
        work().await;
        assert!(!asking.is_finished());
        release.send(()).unwrap();
        assert!(busy.await.unwrap().is_ok(), "the thread did nothing else");
        let held = asking.await.unwrap().expect("the written bytes are offered");
        assert!(held.len > 0);
    });
}

/// Lets the other tasks work.
async fn work() {
    for _ in 0..STEPS {
        yield_now().await;
    }
}
