//! Detects forks, and keeps the application's signals off the library's threads.

use crate::failure::Failure;
use crate::status::AbiStatus;

/// The process that made a handle. In a child of it the threads behind the handle are missing, and
/// their locks may stay locked for ever.
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

/// Blocks the application's signals on the calling thread and the threads it creates, so that the
/// application's handlers run on the application's threads. A closed connection raises SIGPIPE on
/// the thread that writes to it; blocked, the signal has no effect, and the write returns the
/// error.
#[cfg(unix)]
pub(crate) fn block_signals() {
    use std::mem::MaybeUninit;

    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises the set before anything reads it, the pointers are valid for
    // the calls, and the mask affects only the calling thread, which belongs to this library.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        // The thread itself causes these signals; blocked, they would kill the process silently.
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP] {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}

#[cfg(not(unix))]
pub(crate) fn block_signals() {}
