//! Waiting for other operations without blocking the thread.

use std::time::{Duration, Instant};

use ftx_server::store::LegacyStore as _;
use tempfile::tempdir;

use crate::{ALL, MIB, begin_anew, content, name, open, write};

/// Shorter than the waits below.
const LONG: Duration = Duration::from_millis(150);

/// A writer is dropped without closing while another client waits for its staging, and the staging
/// cannot be detached for a while because all disk threads are busy.
#[test]
fn a_wait_for_a_vanished_writer_delays_no_other_job() {
    // A busy machine may hold the thread up as long, but not each time.
    assert!((0..10).any(|_| held_up() < LONG), "the thread does nothing else for {LONG:?}");
}

/// How long the thread did nothing else.
fn held_up() -> Duration {
    let root = tempdir().unwrap();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let store = open(root.path());
        let mut writer = begin_anew(&store, "a.bin", MIB).await;
        write(&mut writer, &content(1, 500_000)).await.unwrap();
        let asking = tokio::spawn({
            let store = store.clone();
            async move { store.offer_prefix(&name("a.bin"), ALL).await.unwrap().held }
        });
        // Long enough for it to have looked, and shorter than it waits.
        let looking = Duration::from_millis(100);
        let mut last = Instant::now();
        tokio::time::sleep(looking).await;
        let mut longest = last.elapsed().saturating_sub(looking);
        let busy = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(300)));
        drop(writer);
        last = Instant::now();
        while !busy.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        let held = asking.await.unwrap().expect("the written bytes are offered");
        assert!(held.len > 0);
        longest
    })
}
