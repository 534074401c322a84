//! C ABI of ftx, `libftx`.
//!
//! So far it tells its versions and what the status codes mean; `include/ftx.h` is generated from
//! this crate.
#![deny(missing_docs)]

use std::ffi::c_char;

use ftx_core::Status;

/// Version of the ABI: raised when a program built against an older header no longer works.
pub const FTX_ABI_VERSION: u32 = 1;

/// The version of the library, as "1.2.3". The text is static: it is never freed.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn ftx_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of the ABI that the library has; compare it with `FTX_ABI_VERSION`.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn ftx_abi_version() -> u32 {
    FTX_ABI_VERSION
}

/// What a status code means, in English, in lower case, without a full stop. Never NULL; the text
/// is static and is never freed.
///
/// `status` is a code that a function of this library returned: 0, or -1 to -10.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn ftx_strerror(status: i32) -> *const c_char {
    Status::from_code(i64::from(status)).text_for_c().as_ptr()
}
