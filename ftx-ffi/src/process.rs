//! Which process we are in.

use crate::failure::Failure;
use crate::status::AbiStatus;

/// The process that made a handle. In a child of it the threads behind the handle are missing, and
/// their locks may be held for good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerPid(u32);

impl OwnerPid {
    /// This process.
    pub(crate) fn this() -> Self {
        Self(std::process::id())
    }

    pub(crate) fn is_this(self) -> bool {
        self.0 == std::process::id()
    }

    /// Refuses in another process than the owner.
    pub(crate) fn check(self) -> Result<(), Failure> {
        if self.is_this() {
            return Ok(());
        }
        Err(Failure::abi(AbiStatus::Forked, "the process was forked after the handle was made"))
    }
}

/// Has the calling thread, and those that it makes, get none of the application's signals: its
/// handlers are to run on its own threads. A connection that is gone raises SIGPIPE on the thread
/// that writes to it; blocked, it has no effect, and the write says what happened.
#[cfg(unix)]
pub(crate) fn block_signals() {
    use std::mem::MaybeUninit;

    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises the set before anything reads it, the pointers are valid for
    // the calls, and the mask concerns the calling thread only, which is ours.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        // These are about what the thread itself does; blocked they would end it without a word.
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP] {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}

#[cfg(not(unix))]
pub(crate) fn block_signals() {}
