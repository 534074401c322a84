//! Jobs: work that runs in the background. `control` starts and stops jobs, `result` returns their
//! results.

use std::ffi::{c_char, c_void};

use ftx_client::options::{self, OptionError};
use ftx_client::{ClientConfig, Reason};

use super::client::FtxClient;
use super::codes::{
    FTX_JOB_DIALECT, FTX_JOB_DIGEST, FTX_JOB_DOWNLOAD, FTX_JOB_LIST, FTX_JOB_OPTION_KEEP_GOING,
    FTX_JOB_OPTION_RECURSIVE, FTX_JOB_REMOVE, FTX_JOB_STAT, FTX_JOB_UPLOAD,
};
use super::config;
use crate::failure::Failure;
use crate::guard::{guard, guard_or};
use crate::job::{JobKind, OptionInput, Override};
use crate::pointer::{self, Handle, OutParam};
use crate::process::OwnerPid;
use crate::status::AbiStatus;
use crate::worker::{JobHandle, JobRef};

/// Work of a client that runs in the background once started.
pub struct FtxJob {
    pub(super) job: JobHandle,
}

impl Handle for FtxJob {
    const NAME: &'static str = "ftx_job";

    fn owner(&self) -> OwnerPid {
        self.job.owner
    }
}

fn kind(code: u32) -> Option<JobKind> {
    Some(match code {
        FTX_JOB_UPLOAD => JobKind::Upload,
        FTX_JOB_DOWNLOAD => JobKind::Download,
        FTX_JOB_LIST => JobKind::List,
        FTX_JOB_STAT => JobKind::Stat,
        FTX_JOB_DIGEST => JobKind::Digest,
        FTX_JOB_REMOVE => JobKind::Remove,
        FTX_JOB_DIALECT => JobKind::Dialect,
        _ => return None,
    })
}

/// Creates a job. It does nothing until it is started.
///
/// @param client  The client that runs the job. It may be freed before the job.
/// @param kind    `FTX_JOB_UPLOAD` or its like.
/// @param job     The job is written here, and the caller frees it with `ftx_job_free`; NULL on
///                failure.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION` (no such kind), `FTX_FORKED`.
///
/// Threads: any. A job may be used by several threads at the same time.
///
/// ```c
/// ftx_job *upload;
/// if (ftx_job_new(client, FTX_JOB_UPLOAD, &upload) == FTX_OK) {
///     ftx_job_add(upload, "/home/me/a.txt", "docs/a.txt");
///     ftx_job_start(upload);
///     ftx_job_wait(upload, -1);
///     ftx_job_free(upload);
/// }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_new(
    client: *mut FtxClient,
    kind: u32,
    job: *mut *mut FtxJob,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let client = unsafe {
            OutParam::new(job, "job")?.set(std::ptr::null_mut());
            pointer::handle(client)?
        };
        let kind = self::kind(kind).ok_or_else(|| {
            Failure::abi(AbiStatus::UnknownOption, format!("there is no kind of job {kind}"))
        })?;
        let made = FtxJob { job: client.worker.new_job(kind, None) };
        // SAFETY: as above.
        unsafe { OutParam::new(job, "job")? }.set(Box::into_raw(Box::new(made)));
        Ok(())
    })
}

/// Frees a job. A job that has not ended is cancelled, and transferred data is kept. Its waiting
/// events are dropped.
///
/// @param job  The job, invalid afterwards; NULL is ignored.
///
/// Threads: any, while no other thread uses the job.
///
/// ```c
/// ftx_job_free(job);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_free(job: *mut FtxJob) {
    guard_or((), || {
        // SAFETY: the caller keeps to the contract.
        drop(unsafe { pointer::retrieve(job) });
        Ok(())
    });
}

/// Returns the number of a job, which its events carry as `job_id`.
///
/// @param job  The job.
/// @return A number above 0 that no other job of the process has; 0 on failure (`ftx_last_error`
///         has the reason).
///
/// Threads: any.
///
/// ```c
/// uint64_t id = ftx_job_id(job);
/// printf("job %u\n", (unsigned)id);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_id(job: *const FtxJob) -> u64 {
    guard_or(0, || {
        // SAFETY: the caller keeps to the contract.
        Ok(unsafe { pointer::handle(job) }?.job.id)
    })
}

/// Sets the pointer that later events of a job carry for the caller.
///
/// @param job        The job.
/// @param user_data  Any pointer; returned in events, never dereferenced and never freed.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// ftx_job_set_user_data(job, stdout);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_set_user_data(job: *mut FtxJob, user_data: *mut c_void) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::handle(job) }?.job.set_user_data(user_data.expose_provenance())
    })
}

/// Sets a numeric option of a job that was not started.
///
/// @param job     The job.
/// @param option  `FTX_JOB_OPTION_KEEP_GOING` or its like; each documents its values.
/// @param value   Its value.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`,
///         `FTX_INVALID_ARGUMENT`, `FTX_WRONG_STATE`, `FTX_FORKED`; a failure changes nothing.
///
/// Threads: any.
///
/// ```c
/// ftx_job_set_u64(job, FTX_JOB_OPTION_KEEP_GOING, 1);
/// ftx_job_set_u64(job, FTX_JOB_OPTION_OVERWRITE, FTX_OVERWRITE_FAIL);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_set_u64(job: *mut FtxJob, option: u32, value: u64) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let job = unsafe { &pointer::handle(job)?.job };
        match option {
            FTX_JOB_OPTION_KEEP_GOING => {
                let on = switch(value)?;
                job.set(|settings| settings.keep_going = on)
            }
            FTX_JOB_OPTION_RECURSIVE => {
                let on = switch(value)?;
                job.set(|settings| settings.recursive = on)
            }
            _ => set(job, option, OptionInput::Number(value), "ftx_job_set_bytes"),
        }
    })
}

fn switch(value: u64) -> Result<bool, Failure> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Failure::reason(Reason::InvalidArgument, "the option takes 0 and 1 only")),
    }
}

/// Overrides an option of the client for a job.
fn set(job: &JobRef, option: u32, input: OptionInput, other: &str) -> Result<(), Failure> {
    let number = options::of_job(option).ok_or_else(|| config::unknown(option))?;
    let change = Override { number, input };
    change
        .apply(&mut ClientConfig::default())
        .map_err(|error| config::failure(number, error, other))?;
    job.set(|settings| settings.overrides.push(change))
}

/// Sets an option whose value is a sequence of bytes, of a job that was not started.
///
/// @param job     The job.
/// @param option  `FTX_JOB_OPTION_OVERWRITE_DIGEST` or its like; each documents its values.
/// @param bytes   Its value, which is copied.
/// @param length  The number of bytes: 32 for a digest.
/// @return As `ftx_job_set_u64`.
///
/// Threads: any.
///
/// ```c
/// uint8_t digest[FTX_DIGEST_BYTES];
/// if (ftx_client_digest(client, "a.txt", digest) == FTX_OK)
///     ftx_job_set_bytes(job, FTX_JOB_OPTION_OVERWRITE_DIGEST, digest, sizeof digest);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_set_bytes(
    job: *mut FtxJob,
    option: u32,
    bytes: *const c_void,
    length: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (job, bytes) = unsafe {
            (pointer::handle(job)?, pointer::bytes(bytes.cast::<u8>(), length, "bytes")?)
        };
        match option {
            FTX_JOB_OPTION_KEEP_GOING | FTX_JOB_OPTION_RECURSIVE => {
                Err(config::failure(option, OptionError::Form, "ftx_job_set_u64"))
            }
            _ => set(&job.job, option, OptionInput::Bytes(bytes.to_owned()), "ftx_job_set_u64"),
        }
    })
}

/// Adds a file to a job that was not started. Indices of files count from 0.
///
/// The job reports a name that is not allowed (`FTX_NAME_REFUSED`) only when it reaches the file,
/// so that the files before it are transferred.
///
/// @param job   The job.
/// @param path  The local path, in UTF-8: the source of an upload or the target of a download,
///              whose directory is created if necessary. Other kinds of jobs ignore it and accept
///              NULL.
/// @param name  The name on the server: parts separated by `/`, in UTF-8.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_WRONG_STATE`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// ftx_job_add(job, "/home/me/report.pdf", "reports/2026.pdf");
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_add(
    job: *mut FtxJob,
    path: *const c_char,
    name: *const c_char,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let job = unsafe { pointer::handle(job)? };
        let path = match job.job.kind()? {
            // SAFETY: as above.
            JobKind::Upload | JobKind::Download => unsafe { pointer::text(path, "path")? },
            _ => "",
        };
        // SAFETY: as above.
        let name = unsafe { pointer::text(name, "name")? };
        job.job.add(pointer::path(path.as_bytes())?, name)
    })
}

/// Adds a file, as `ftx_job_add`, from texts with lengths instead of terminating NULs. The local
/// path may contain any bytes that the system allows.
///
/// @param job          The job.
/// @param path         The local path, which contains no NUL.
/// @param path_length  Its length in bytes.
/// @param name         The name on the server, in UTF-8.
/// @param name_length  Its length in bytes.
/// @return As `ftx_job_add`; `FTX_INVALID_ARGUMENT` for a NUL in the path.
///
/// Threads: any.
///
/// ```c
/// ftx_job_add_bytes(job, "caf\xe9.txt", 8, "cafe.txt", 8);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_add_bytes(
    job: *mut FtxJob,
    path: *const c_char,
    path_length: usize,
    name: *const c_char,
    name_length: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (job, path, name) = unsafe {
            let job = pointer::handle(job)?;
            let path = pointer::bytes(path.cast::<u8>(), path_length, "path")?;
            (job, path, pointer::text_of(name, name_length, "name")?)
        };
        job.job.add(pointer::path(path)?, name)
    })
}
