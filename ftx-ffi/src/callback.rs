//! The clients whose callbacks the calling thread is running.

use std::cell::RefCell;

use crate::failure::Failure;
use crate::status::AbiStatus;

thread_local! {
    static WITHIN: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Calls a callback of a blocking call of this client.
pub(crate) fn within<T>(client: u64, call: impl FnOnce() -> T) -> T {
    struct LeaveCallback;
    impl Drop for LeaveCallback {
        fn drop(&mut self) {
            WITHIN.with_borrow_mut(Vec::pop);
        }
    }
    WITHIN.with_borrow_mut(|within| within.push(client));
    let _leave = LeaveCallback;
    call()
}

/// Refuses to wait for a client from one of its callbacks: the client may be waiting for the
/// callback.
pub(crate) fn check(client: u64) -> Result<(), Failure> {
    if WITHIN.with_borrow(|within| within.contains(&client)) {
        let message = "a callback may not wait for its own client; start a job instead";
        return Err(Failure::abi(AbiStatus::Reentered, message));
    }
    Ok(())
}
