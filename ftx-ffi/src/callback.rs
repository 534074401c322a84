//! Callbacks of blocking calls.

use crate::failure::Failure;
use crate::status::AbiStatus;
use crate::thread_state;

/// Refuses to wait for a client from one of its callbacks: the client may be waiting for the
/// callback.
pub(crate) fn check(client: u64) -> Result<(), Failure> {
    if thread_state::is_in_callback(client) {
        let message = "a callback may not wait for its own client; start a job instead";
        return Err(Failure::abi(AbiStatus::Reentered, message));
    }
    Ok(())
}
