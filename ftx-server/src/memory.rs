//! The memory of connections that have ended.
//!
//! The C library of GNU keeps it: what lies below the last block in use stays with the process, so after
//! thousands of connections a server would look as large as at their peak.

use std::convert::Infallible;
use std::time::Duration;

use ftx_server::Monitor;

/// The time between two looks at the number of connections.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Ended connections whose memory is worth the work.
const MANY_CONNECTIONS: u64 = 64;

/// Gives the memory of connections that have ended back to the system, again and again.
pub(crate) async fn give_back(monitor: &Monitor) -> Infallible {
    let mut given_back = 0;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let snapshot = monitor.snapshot();
        let active: usize = snapshot.active.iter().sum();
        let ended = snapshot.connections.saturating_sub(active as u64);
        if ended.saturating_sub(given_back) >= MANY_CONNECTIONS {
            given_back = ended;
            // It walks through all free memory.
            let _ = tokio::task::spawn_blocking(trim).await;
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the standard library has no such function")]
fn trim() {
    // SAFETY: the function takes a number of bytes to keep, touches free memory alone, and locks out
    // allocations of other threads.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}
