//! Settings of a client.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ftx_client::{ClientConfig, DialectChoice, Digest, Durability, Overwrite, Reason};

use super::codes::{
    FTX_DIALECT_AUTO, FTX_DIALECT_LEGACY, FTX_DIALECT_NATIVE, FTX_DURABILITY_FULL,
    FTX_DURABILITY_NONE, FTX_OPTION_CACHE, FTX_OPTION_DIALECT, FTX_OPTION_DURABILITY,
    FTX_OPTION_MAX_BACKOFF_MS, FTX_OPTION_MIN_BACKOFF_MS, FTX_OPTION_OVERWRITE,
    FTX_OPTION_OVERWRITE_DIGEST, FTX_OPTION_RETRIES, FTX_OPTION_STREAMS, FTX_OPTION_TIMEOUT_MS,
    FTX_OVERWRITE_FAIL, FTX_OVERWRITE_IF_DIGEST, FTX_OVERWRITE_REPLACE,
};
use crate::failure::Failure;
use crate::guard::{guard, guard_or};
use crate::pointer::{self, Handle, OutParam};
use crate::process::OwnerPid;
use crate::status::AbiStatus;

/// A year: longer waits are a mistake, and would overflow clocks.
const MAX_WAIT_MS: u64 = 365 * 24 * 60 * 60 * 1000;

const MAX_STREAMS_COUNT: u64 = 64;

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

    fn set(&self, option: u32, value: u64) -> Result<(), Failure> {
        let mut config = self.config();
        match option {
            FTX_OPTION_TIMEOUT_MS => {
                config.timeout = millis(value).filter(|time| !time.is_zero()).ok_or_else(bad)?;
            }
            FTX_OPTION_RETRIES => config.retries = retries(value)?,
            FTX_OPTION_MIN_BACKOFF_MS => config.min_backoff = millis(value).ok_or_else(bad)?,
            FTX_OPTION_MAX_BACKOFF_MS => config.max_backoff = millis(value).ok_or_else(bad)?,
            FTX_OPTION_STREAMS if value > MAX_STREAMS_COUNT => return Err(bad()),
            FTX_OPTION_STREAMS => {
                config.streams = usize::try_from(value).ok().and_then(NonZeroUsize::new);
            }
            FTX_OPTION_DIALECT => config.dialect = dialect(value)?,
            FTX_OPTION_DURABILITY => config.durability = durability(value)?,
            FTX_OPTION_OVERWRITE => config.overwrite = overwrite(value)?,
            FTX_OPTION_OVERWRITE_DIGEST | FTX_OPTION_CACHE => {
                return Err(wrong_type("ftx_config_set_bytes"));
            }
            _ => return Err(unknown(option)),
        }
        Ok(())
    }

    fn set_bytes(&self, option: u32, bytes: &[u8]) -> Result<(), Failure> {
        match option {
            FTX_OPTION_OVERWRITE_DIGEST => {
                self.config().overwrite = overwrite_if(bytes)?;
                Ok(())
            }
            FTX_OPTION_CACHE => {
                let path = pointer::path(bytes)?;
                self.config().cache = (!bytes.is_empty()).then_some(path);
                Ok(())
            }
            FTX_OPTION_TIMEOUT_MS..=FTX_OPTION_OVERWRITE => Err(wrong_type("ftx_config_set_u64")),
            _ => Err(unknown(option)),
        }
    }

    fn value(&self, option: u32) -> Result<u64, Failure> {
        let config = self.config();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(match option {
            FTX_OPTION_TIMEOUT_MS => millis(config.timeout),
            FTX_OPTION_RETRIES => config.retries.into(),
            FTX_OPTION_MIN_BACKOFF_MS => millis(config.min_backoff),
            FTX_OPTION_MAX_BACKOFF_MS => millis(config.max_backoff),
            FTX_OPTION_STREAMS => config.streams.map_or(0, |streams| streams.get() as u64),
            FTX_OPTION_DIALECT => match config.dialect {
                DialectChoice::Auto => FTX_DIALECT_AUTO,
                DialectChoice::Native => FTX_DIALECT_NATIVE,
                DialectChoice::Legacy => FTX_DIALECT_LEGACY,
            }
            .into(),
            FTX_OPTION_DURABILITY => match config.durability {
                Durability::Full => FTX_DURABILITY_FULL,
                Durability::None => FTX_DURABILITY_NONE,
            }
            .into(),
            FTX_OPTION_OVERWRITE => match config.overwrite {
                Overwrite::Replace => FTX_OVERWRITE_REPLACE,
                Overwrite::Fail => FTX_OVERWRITE_FAIL,
                Overwrite::IfUnchanged(_) => FTX_OVERWRITE_IF_DIGEST,
            }
            .into(),
            FTX_OPTION_OVERWRITE_DIGEST | FTX_OPTION_CACHE => {
                return Err(wrong_type("ftx_config_set_bytes"));
            }
            _ => return Err(unknown(option)),
        })
    }
}

fn millis(value: u64) -> Option<Duration> {
    (value <= MAX_WAIT_MS).then(|| Duration::from_millis(value))
}

fn dialect(value: u64) -> Result<DialectChoice, Failure> {
    match u32::try_from(value) {
        Ok(FTX_DIALECT_AUTO) => Ok(DialectChoice::Auto),
        Ok(FTX_DIALECT_NATIVE) => Ok(DialectChoice::Native),
        Ok(FTX_DIALECT_LEGACY) => Ok(DialectChoice::Legacy),
        _ => Err(bad()),
    }
}

fn durability(value: u64) -> Result<Durability, Failure> {
    match u32::try_from(value) {
        Ok(FTX_DURABILITY_FULL) => Ok(Durability::Full),
        Ok(FTX_DURABILITY_NONE) => Ok(Durability::None),
        _ => Err(bad()),
    }
}

pub(super) fn overwrite(value: u64) -> Result<Overwrite, Failure> {
    match u32::try_from(value) {
        Ok(FTX_OVERWRITE_REPLACE) => Ok(Overwrite::Replace),
        Ok(FTX_OVERWRITE_FAIL) => Ok(Overwrite::Fail),
        _ => Err(bad()),
    }
}

pub(super) fn overwrite_if(digest: &[u8]) -> Result<Overwrite, Failure> {
    Ok(Overwrite::IfUnchanged(Digest(digest.try_into().map_err(|_| bad())?)))
}

pub(super) fn retries(value: u64) -> Result<u32, Failure> {
    u32::try_from(value).map_err(|_| bad())
}

pub(super) fn bad() -> Failure {
    let message = "the option does not take that value; see its constant in ftx.h";
    Failure::reason(Reason::InvalidArgument, message)
}

pub(crate) fn unknown(option: u32) -> Failure {
    Failure::abi(AbiStatus::UnknownOption, format!("there is no option {option}"))
}

pub(super) fn wrong_type(setter: &str) -> Failure {
    Failure::abi(AbiStatus::WrongType, format!("the option is of another type; use {setter}"))
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
        unsafe { pointer::handle(config) }?.set(option, value)
    })
}

/// Sets an option whose value is a sequence of bytes.
///
/// @param config  The settings.
/// @param option  `FTX_OPTION_OVERWRITE_DIGEST` or `FTX_OPTION_CACHE`.
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
    bytes: *const u8,
    length: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (config, bytes) =
            unsafe { (pointer::handle(config)?, pointer::bytes(bytes, length, "bytes")?) };
        config.set_bytes(option, bytes)
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
        value.set(config.value(option)?);
        Ok(())
    })
}
