//! Logging.

use std::ffi::{CString, c_char, c_void};

use ftx_client::Reason;

use super::codes::{FTX_LOG_ERROR, FTX_LOG_TRACE};
use crate::failure::Failure;
use crate::guard::guard;
use crate::log::{self, Tell};

/// Receives the log messages of ftx. `level` is `FTX_LOG_ERROR` or its like; `message` is a line of
/// UTF-8, whose control characters are escaped, and is valid during the call. The callback runs on
/// any thread, also on several at the same time, and must not block for long. It may call functions
/// of this library except
/// `ftx_set_log_callback`; their log messages are dropped.
pub type FtxLogFn =
    Option<unsafe extern "C" fn(level: u32, message: *const c_char, user_data: *mut c_void)>;

/// The caller's pointer: passed back, never dereferenced.
#[derive(Clone, Copy)]
pub(crate) struct UserData(pub(crate) *mut c_void);

// SAFETY: this library never dereferences it. The callback's documentation says that other threads
// may pass it.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    fn get(self) -> *mut c_void {
        self.0
    }
}

/// Sets the log callback of the whole process. Without one nothing is logged; nothing is ever
/// printed.
///
/// The previous callback is no longer called once this function returns.
///
/// @param level      The least severe level to log: `FTX_LOG_ERROR` to `FTX_LOG_TRACE`.
/// @param callback   The callback; NULL turns logging off.
/// @param user_data  Passed to the callback; the caller keeps ownership, and it must live until the
///                   callback is replaced.
/// @return `FTX_OK`; `FTX_INVALID_ARGUMENT` (no such level); `FTX_REENTERED` inside a log callback;
///         `FTX_WRONG_STATE` if libftx is part of a Rust program that has its own log.
///
/// Threads: any. Waits for running callbacks.
///
/// ```c
/// ftx_set_log_callback(FTX_LOG_DEBUG, on_log, NULL);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_set_log_callback(
    level: u32,
    callback: FtxLogFn,
    user_data: *mut c_void,
) -> i32 {
    guard(|| {
        if callback.is_some() && !(FTX_LOG_ERROR..=FTX_LOG_TRACE).contains(&level) {
            let message = format!("there is no level {level}; see FTX_LOG_ERROR in ftx.h");
            return Err(Failure::reason(Reason::InvalidArgument, message));
        }
        let user_data = UserData(user_data);
        let tell = callback.map(|callback| -> Tell {
            Box::new(move |level, message| {
                // The message contains no NUL, because control characters are escaped.
                if let Ok(message) = CString::new(message) {
                    // SAFETY: the caller set this callback with this pointer, and the text lives
                    // until the callback returns.
                    unsafe { callback(level, message.as_ptr(), user_data.get()) }
                }
            })
        });
        log::set(level, tell)
    })
}
