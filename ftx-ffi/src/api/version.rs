//! Versions, and the meaning of codes.

use std::ffi::c_char;

use super::codes::FTX_CATEGORY_INTERNAL;
use crate::guard::guard_or;
use crate::status;

/// Version of the ABI: raised when a program built against an older header no longer works.
pub const FTX_ABI_VERSION: u32 = 1;

/// Returns the version of the library, such as "1.2.3".
///
/// @return A static text that is never freed; never NULL.
///
/// Threads: any, at any time.
///
/// ```c
/// printf("libftx %s\n", ftx_version());
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn ftx_version() -> *const c_char {
    guard_or(c"".as_ptr(), || Ok(concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()))
}

/// Returns the version of the library's ABI.
///
/// @return A number to compare with `FTX_ABI_VERSION`, the version of the header.
///
/// Threads: any, at any time.
///
/// ```c
/// if (ftx_abi_version() != FTX_ABI_VERSION)
///     abort();
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn ftx_abi_version() -> u32 {
    guard_or(0, || Ok(FTX_ABI_VERSION))
}

/// Returns the meaning of a status code in English, in lower case, without a full stop.
///
/// @param status  Any code; the text for an unknown one says so.
/// @return A static text that is never freed; never NULL.
///
/// Threads: any, at any time.
///
/// ```c
/// int32_t status = ftx_client_remove(client, "old.txt");
/// if (status != FTX_OK)
///     fprintf(stderr, "cannot remove it: %s\n", ftx_strerror(status));
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn ftx_strerror(status: i32) -> *const c_char {
    guard_or(c"unknown status".as_ptr(), || Ok(status::text(status).as_ptr()))
}

/// Returns the name of a status code: the name of its constant, without `FTX_`.
///
/// @param status  Any code.
/// @return A static text that is never freed; "UNKNOWN" for an unknown code, never NULL.
///
/// Threads: any, at any time.
///
/// ```c
/// puts(ftx_status_name(FTX_CANCELLED)); // CANCELLED
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn ftx_status_name(status: i32) -> *const c_char {
    guard_or(c"UNKNOWN".as_ptr(), || Ok(status::name(status).as_ptr()))
}

/// Returns the code of the original system for a status code, for programs that know only those.
///
/// @param status  Any code.
/// @return 0 for 0, otherwise a code from -1 to -10; codes above -100 are returned unchanged.
///
/// Threads: any, at any time.
///
/// ```c
/// if (ftx_original_status(FTX_NOT_FOUND) == FTX_FILE_OPEN_ERROR)
///     puts("as the original would say it");
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn ftx_original_status(status: i32) -> i32 {
    guard_or(status, || Ok(status::original(status)))
}

/// Returns the category of a status code.
///
/// @param status  Any code.
/// @return `FTX_CATEGORY_NETWORK` or its like; `FTX_CATEGORY_NONE` for 0 and above.
///
/// Threads: any, at any time.
///
/// ```c
/// if (ftx_status_category(FTX_CONNECT_FAILED) == FTX_CATEGORY_NETWORK)
///     puts("is the cable in?");
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn ftx_status_category(status: i32) -> u32 {
    guard_or(FTX_CATEGORY_INTERNAL, || Ok(status::category(status)))
}
