//! Details of failures.

use std::ffi::c_char;

use super::codes::{
    FTX_CATEGORY_CALLER, FTX_CATEGORY_INTERNAL, FTX_CATEGORY_LOCAL, FTX_CATEGORY_SERVER,
    FTX_SIDE_LOCAL, FTX_SIDE_NONE, FTX_SIDE_SERVER, FTX_WHOLE_JOB,
};
use crate::failure::Failure;
use crate::guard::guard;
use crate::pointer::{self, Text, Versioned};
use crate::{status, thread_state};

/// Size of `ftx_error.message` in bytes, including its NUL.
pub const FTX_MESSAGE_BYTES: usize = 1024;

/// A failure. Set `struct_size` to `sizeof(ftx_error)` before the call that fills it in.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FtxError {
    /// Size of this struct in bytes, in the caller's header.
    pub struct_size: u32,
    /// The status that the function returned: 0 if nothing failed.
    pub status: i32,
    /// The corresponding code of the original system.
    pub original_status: i32,
    /// `FTX_CATEGORY_NETWORK` or its like.
    pub category: u32,
    /// The side that failed: `FTX_SIDE_LOCAL`, `FTX_SIDE_SERVER` or `FTX_SIDE_NONE`.
    pub side: u32,
    /// 1 if a later retry may succeed, otherwise 0. The client has used up its own retries.
    pub retryable: u32,
    /// The error number of the system (`errno`), or 0.
    pub os_error: i32,
    /// Reserved; 0.
    pub reserved: u32,
    /// Index of the file in the job, from 0; `FTX_WHOLE_JOB` if the failure concerns no single
    /// file.
    pub file_index: u64,
    /// Approximate number of bytes of the file that are transferred; a later attempt does not
    /// repeat them.
    pub resume_at: u64,
    /// Description and remedy in English: one line of UTF-8 that ends with a NUL. A long line loses
    /// its middle. Control characters are escaped.
    pub message: [c_char; FTX_MESSAGE_BYTES],
}

// SAFETY: the size comes first, and all fields are numbers or arrays of them.
unsafe impl Versioned for FtxError {
    const NAME: &'static str = "ftx_error";
}

impl FtxError {
    pub(crate) fn new(failure: Option<&Failure>) -> Self {
        let status = failure.map_or(0, |failure| failure.status);
        let category = status::category(status);
        let side = match category {
            FTX_CATEGORY_LOCAL | FTX_CATEGORY_CALLER | FTX_CATEGORY_INTERNAL => FTX_SIDE_LOCAL,
            FTX_CATEGORY_SERVER => FTX_SIDE_SERVER,
            _ => FTX_SIDE_NONE,
        };
        Self {
            struct_size: 0,
            status,
            original_status: failure.map_or(0, |failure| failure.original),
            category,
            side,
            retryable: failure.is_some_and(|failure| failure.retryable).into(),
            os_error: failure.map_or(0, |failure| failure.os_error),
            reserved: 0,
            file_index: failure
                .and_then(|failure| failure.file)
                .map_or(FTX_WHOLE_JOB, |file| file as u64),
            resume_at: failure.map_or(0, |failure| failure.resume_at),
            message: Text::message(failure.map_or("", |failure| &failure.message)).bytes,
        }
    }
}

/// Returns the last failure of the calling thread: the details of the last status below 0, or of
/// the last NULL in place of a handle, that a function of this library returned on it.
///
/// `ftx_job_error` returns the failure of a job, on any thread.
///
/// @param error  Filled in; `struct_size` must be set. Its `status` is 0 if nothing has failed.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE`.
///
/// Threads: any; each thread has its own last failure.
///
/// ```c
/// ftx_error error;
/// error.struct_size = sizeof error;
/// if (ftx_client_upload(client, "a.txt", "a.txt", NULL, NULL) != FTX_OK &&
///     ftx_last_error(&error) == FTX_OK)
///     fprintf(stderr, "%s (errno %d)\n", error.message, (int)error.os_error);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_last_error(error: *mut FtxError) -> i32 {
    guard(|| {
        let last = FtxError::new(thread_state::last_failure().as_ref());
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::fill(error, &last) }
    })
}
