//! Clients that are not served any more.

use std::net::SocketAddr;
use std::sync::Arc;

use ftx_server::store::Refusal;
use ftx_server::{Authenticator, Credentials, Identity, Principal};
use tokio_util::sync::CancellationToken;

use crate::running::{Running, wait_until};
use crate::{DEADLINE, MIB, content};

/// Serves everybody, until that is ended.
#[derive(Debug, Default)]
struct Ending {
    ended: CancellationToken,
}

impl Authenticator for Ending {
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        self.legacy(credentials.peer)
    }

    fn legacy(&self, _: SocketAddr) -> Result<Identity, Refusal> {
        Ok(Identity { principal: Principal::Legacy, ended: self.ended.clone() })
    }
}

#[test]
fn connections_end_and_their_uploads_are_kept() {
    let ended = CancellationToken::new();
    let authenticator = Ending { ended: ended.clone() };
    let root = tempfile::tempdir().unwrap();
    let server = Running::in_root(root, |config| config.authenticator = Arc::new(authenticator));
    let (mut idle, mut streak, mut busy) = (server.client(), server.client(), server.client());
    idle.upload("idle", b"x");
    // On a dedicated thread.
    (0..9).for_each(|_| streak.upload("streak", b"x"));
    let file = content(1, 2 * MIB);
    busy.begin_upload("a", file.len());
    busy.send_bytes(&file[..MIB]);
    wait_until("half of it has arrived", || server.monitor.snapshot().bytes_in >= MIB as u64);
    ended.cancel();
    for client in [&mut idle, &mut streak, &mut busy] {
        assert!(client.is_closed_within(DEADLINE));
    }
    let (_, root) = server.stop();
    let server = Running::in_root(root, |_| {});
    let held = server.client().offered("a").0;
    assert!(held > MIB / 2, "{held}");
    assert!(!server.exists("a"));
}
