//! The client against a server that a test scripts, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ambiguous_commit;
mod downloads;
mod false_replies;
mod floods;
mod idle;
mod losses;
mod native;
mod native_peer;
mod records;
mod resumes;
mod runs;
mod server;
mod trees;
mod uploads;

use std::time::Duration;

use ftx_client::{ClientConfig, RemoteName};
use ftx_tests::{Carrier, TestCertificate};

/// Far longer than any step that does not wait for the client's timeout.
const SOON: Duration = Duration::from_secs(20);

/// One attempt, and a timeout that a test would notice. A server whose key is given must use TLS.
fn config(carrier: Carrier) -> ClientConfig {
    let mut config = ClientConfig::default();
    if carrier == Carrier::Tls {
        config.fingerprint = Some(TestCertificate::get().fingerprint);
    }
    config.dialect = ftx_client::DialectChoice::Legacy;
    config.retries = 0;
    config.timeout = Duration::from_secs(60);
    config
}

fn name() -> RemoteName {
    RemoteName::parse("a.bin").unwrap()
}
