//! Limits on the bytes a second. A limit is shown by a time that cannot be shorter.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftx_server::{AccessPolicy, Bandwidth, Scope, UserPolicy};

use crate::client::Client;
use crate::identities::{ByName, client, welcomed};
use crate::running::Running;
use crate::{MIB, content};

/// A rate at which a file of 1 MiB takes a second or a little less: the limiter lets a tenth pass at once.
const MIB_RATE: Option<NonZeroU64> = NonZeroU64::new(1 << 20);

/// A rate at which three thousand bytes take three seconds.
const TINY_RATE: Option<NonZeroU64> = NonZeroU64::new(1000);

/// The least time of 1 MiB at [`MIB_RATE`].
const MIB_TIME: Duration = Duration::from_millis(800);

fn server(set: impl FnOnce(&mut Bandwidth)) -> Running {
    Running::with(|config| set(&mut config.limits.bandwidth))
}

/// The times of an upload and a download of 1 MiB.
fn times(client: &mut Client) -> [Duration; 2] {
    let file = content(1, MIB);
    let start = Instant::now();
    client.upload("a", &file, 1);
    let up = start.elapsed();
    assert!(client.download("a") == file);
    [up, start.elapsed() - up]
}

#[test]
fn files_move_at_the_rate_of_the_limit_in_both_directions() {
    let of_all = server(|bandwidth| bandwidth.all = MIB_RATE);
    let of_user = server(|bandwidth| bandwidth.user = MIB_RATE);
    let of_connection = server(|bandwidth| bandwidth.connection = MIB_RATE);
    for server in [of_all, of_user, of_connection] {
        let [up, down] = times(&mut server.client().greet(None));
        assert!(up >= MIB_TIME && down >= MIB_TIME, "{up:?} {down:?}");
    }
}

#[test]
fn small_files_count_too() {
    let server = server(|bandwidth| bandwidth.all = MIB_RATE);
    let mut client = server.client().greet(None);
    let file = content(1, 10_000);
    let start = Instant::now();
    for name in 0..100 {
        client.put(&name.to_string(), &file);
    }
    let up = start.elapsed();
    for name in 0..100 {
        assert!(client.download(&name.to_string()) == file);
    }
    let down = start.elapsed() - up;
    assert!(up >= MIB_TIME && down >= MIB_TIME, "{up:?} {down:?}");
}

#[test]
fn a_user_with_a_limit_of_its_own_slows_down_nobody_else() {
    let server = Running::with(|config| {
        config.authenticator = Arc::new(ByName::default());
        config.limits.bandwidth.user = TINY_RATE;
        let mut policy = AccessPolicy::open();
        let mut scope = Scope::everything();
        scope.bytes_per_second = NonZeroU64::new(1 << 40);
        let mut alice = UserPolicy::default();
        alice.scope = scope;
        policy.users.insert("alice".into(), alice);
        config.access.replace(policy);
    });
    let mut bob = welcomed(client(&server, Some("bob"), None, None));
    let mut alice = welcomed(client(&server, Some("alice"), None, None));
    let start = Instant::now();
    bob.put("b", &content(1, 3000));
    times(&mut alice);
    // Bob's first bytes are paid for by now.
    bob.put("c", b"more");
    assert!(start.elapsed() >= Duration::from_millis(2500), "{:?}", start.elapsed());
}

/// A client that waits for the limit is not slow, and hears that the server lives.
#[test]
fn a_limit_is_no_stall() {
    let server = Running::with(|config| {
        config.limits.bandwidth.all = MIB_RATE;
        config.timeouts.stall = Duration::from_millis(200);
    });
    let [up, down] = times(&mut server.client().greet(None));
    assert!(up >= MIB_TIME && down >= MIB_TIME, "{up:?} {down:?}");
}
