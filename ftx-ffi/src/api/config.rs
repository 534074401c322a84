//! Settings of a client.

use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ftx_client::options::{self, OptionError};
use ftx_client::{ClientConfig, Reason};

use crate::failure::Failure;
use crate::guard::{guard, guard_or};
use crate::pointer::{self, Handle, OutParam};
use crate::process::OwnerPid;
use crate::status::AbiStatus;

/// Settings for new clients. A client copies them, so later changes do not affect existing clients.
/// `FTX_JOB_OPTION_KEEP_GOING` and its like are the options of a single job; all other options
/// apply to every connection of a client.
pub struct FtxConfig {
    owner: OwnerPid,
    config: Mutex<ClientConfig>,
}

impl Handle for FtxConfig {
    const NAME: &'static str = "ftx_config";

    fn owner(&self) -> OwnerPid {
        self.owner
    }
}

impl FtxConfig {
    pub(crate) fn copied(&self) -> ClientConfig {
        self.config().clone()
    }

    fn config(&self) -> MutexGuard<'_, ClientConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The failure to set or read an option, where `other` is the function that sets it otherwise.
pub(super) fn failure(option: u32, error: OptionError, other: &str) -> Failure {
    match error {
        OptionError::Unknown => unknown(option),
        OptionError::Form => {
            let message = format!("the option is of another type; use {other}");
            Failure::abi(AbiStatus::WrongType, message)
        }
        OptionError::PathWithNul => {
            Failure::reason(Reason::InvalidArgument, "the path contains a NUL")
        }
        OptionError::Token(error) => Failure::reason(Reason::InvalidArgument, error.to_string()),
        OptionError::Value => wrong_value(option),
    }
}

fn wrong_value(option: u32) -> Failure {
    let Some((row, abi)) = options::abi_options().find(|(_, abi)| abi.number == option) else {
        return unknown(option);
    };
    let message = format!("FTX_OPTION_{} does not take that value: {}", abi.name, row.about(abi));
    Failure::reason(Reason::InvalidArgument, message)
}

pub(super) fn unknown(option: u32) -> Failure {
    Failure::abi(AbiStatus::UnknownOption, format!("there is no option {option}"))
}

/// Creates settings with all defaults.
///
/// @return The settings, which the caller frees with `ftx_config_free`; NULL on failure
///         (`ftx_last_error` has the reason).
///
/// Threads: any.
///
/// ```c
/// ftx_config *settings = ftx_config_new();
/// ftx_config_set_u64(settings, FTX_OPTION_RETRIES, 2);
/// ftx_config_free(settings);
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn ftx_config_new() -> *mut FtxConfig {
    guard_or(std::ptr::null_mut(), || {
        let config = Mutex::new(ClientConfig::default());
        Ok(Box::into_raw(Box::new(FtxConfig { owner: OwnerPid::this(), config })))
    })
}

/// Frees settings. Existing clients keep their copies.
///
/// @param config  The settings, invalid afterwards; NULL is ignored.
///
/// Threads: any, while no other thread uses the settings.
///
/// ```c
/// ftx_config_free(config);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_config_free(config: *mut FtxConfig) {
    guard_or((), || {
        // SAFETY: the caller keeps to the contract.
        drop(unsafe { pointer::retrieve(config) });
        Ok(())
    });
}

/// Sets a numeric option.
///
/// @param config  The settings.
/// @param option  `FTX_OPTION_TIMEOUT_MS` or its like; each documents its values.
/// @param value   Its value, in the unit of the option.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`,
///         `FTX_INVALID_ARGUMENT`, `FTX_FORKED`; a failure changes nothing.
///
/// Threads: any.
///
/// ```c
/// ftx_config_set_u64(config, FTX_OPTION_TIMEOUT_MS, 5000);
/// ftx_config_set_u64(config, FTX_OPTION_DIALECT, FTX_DIALECT_NATIVE);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_config_set_u64(
    config: *mut FtxConfig,
    option: u32,
    value: u64,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let mut config = unsafe { pointer::handle(config) }?.config();
        options::set_number(&mut config, option, value)
            .map_err(|error| failure(option, error, "ftx_config_set_bytes"))
    })
}

/// Sets an option whose value is a sequence of bytes.
///
/// @param config  The settings.
/// @param option  `FTX_OPTION_CACHE` or its like; each documents its values.
/// @param bytes   Its value, which is copied.
/// @param length  The number of bytes: 32 for a digest, the length of a path without a NUL.
/// @return As `ftx_config_set_u64`.
///
/// Threads: any.
///
/// ```c
/// uint8_t digest[FTX_DIGEST_BYTES];
/// if (ftx_client_digest(client, "a.txt", digest) == FTX_OK)
///     ftx_config_set_bytes(config, FTX_OPTION_OVERWRITE_DIGEST, digest, sizeof digest);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_config_set_bytes(
    config: *mut FtxConfig,
    option: u32,
    bytes: *const c_void,
    length: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (config, bytes) = unsafe {
            (pointer::handle(config)?, pointer::bytes(bytes.cast::<u8>(), length, "bytes")?)
        };
        options::set_bytes(&mut config.config(), option, bytes)
            .map_err(|error| failure(option, error, "ftx_config_set_u64"))
    })
}

/// Returns the value of a numeric option.
///
/// @param config  The settings.
/// @param option  `FTX_OPTION_TIMEOUT_MS` or its like.
/// @param value   Its value is written here, in the unit of the option.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`, `FTX_FORKED`;
///         a failure writes nothing.
///
/// Threads: any.
///
/// ```c
/// uint64_t retries;
/// if (ftx_config_get_u64(config, FTX_OPTION_RETRIES, &retries) == FTX_OK)
///     printf("%u retries\n", (unsigned)retries);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_config_get_u64(
    config: *const FtxConfig,
    option: u32,
    value: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (config, value) = unsafe { (pointer::handle(config)?, OutParam::new(value, "value")?) };
        let found = options::number_of(&config.config(), option)
            .map_err(|error| failure(option, error, "ftx_config_set_bytes"))?;
        value.set(found);
        Ok(())
    })
}
