//! Jobs: work that is started and goes on by itself. `control` has what is done with them, `result`
//! what becomes of them.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::client::FtxClient;
use super::codes::{
    FTX_JOB_DIALECT, FTX_JOB_DIGEST, FTX_JOB_DOWNLOAD, FTX_JOB_LIST, FTX_JOB_OPTION_KEEP_GOING,
    FTX_JOB_OPTION_OVERWRITE, FTX_JOB_OPTION_OVERWRITE_DIGEST, FTX_JOB_OPTION_RECURSIVE,
    FTX_JOB_OPTION_RETRIES, FTX_JOB_REMOVE, FTX_JOB_STAT, FTX_JOB_UPLOAD,
};
use super::config;
use crate::failure::Failure;
use crate::guard::{guard, guard_or};
use crate::job::{Job, JobKind};
use crate::pointer::{self, Handle, OutParam};
use crate::process::OwnerPid;
use crate::status::AbiStatus;

/// Work of a client that goes on by itself once it is started.
pub struct FtxJob {
    owner: OwnerPid,
    pub(super) job: Arc<Job>,
}

impl Handle for FtxJob {
    const NAME: &'static str = "ftx_job";

    fn owner(&self) -> OwnerPid {
        self.owner
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

/// Makes a job. It does nothing until it is started.
///
/// @param client  The client that is to do it. It may be freed before the job is.
/// @param kind    `FTX_JOB_UPLOAD` or its like.
/// @param job     The job is written here, to be freed with `ftx_job_free`; NULL if that fails.
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
        let worker = Arc::clone(&client.worker);
        let events = Arc::clone(&worker.events);
        let made = FtxJob { owner: OwnerPid::this(), job: Job::new(kind, worker, events) };
        // SAFETY: as above.
        unsafe { OutParam::new(job, "job")? }.set(Box::into_raw(Box::new(made)));
        Ok(())
    })
}

/// Frees a job. If it has not ended, it is cancelled, and what was transferred is kept. Its events
/// are forgotten.
///
/// @param job  A job, not to be used any more; NULL is ignored.
///
/// Threads: any, while no other uses it.
///
/// ```c
/// ftx_job_free(job);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_free(job: *mut FtxJob) {
    guard_or((), || {
        // SAFETY: the caller keeps to the contract.
        if let Some(job) = unsafe { pointer::retrieve(job) } {
            job.job.release();
        }
        Ok(())
    });
}

/// The number of a job, by which its events name it.
///
/// @param job  The job.
/// @return A number above 0 that no other job of the process has; 0 if that fails (`ftx_last_error`
///         says why).
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

/// Sets what the events of a job carry for the caller, from now on.
///
/// @param job        The job.
/// @param user_data  Anything; it is handed back, never followed and never freed.
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
        unsafe { pointer::handle(job) }?.job.set_user_data(user_data.expose_provenance());
        Ok(())
    })
}

/// Sets an option of a job that was not started.
///
/// @param job     The job.
/// @param option  `FTX_JOB_OPTION_KEEP_GOING` or its like, which says what values it takes.
/// @param value   Its value.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`,
///         `FTX_INVALID_ARGUMENT`, `FTX_WRONG_STATE`, `FTX_FORKED`; nothing is changed then.
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
            FTX_JOB_OPTION_RETRIES => {
                let retries = config::retries(value)?;
                job.set(|settings| settings.retries = Some(retries))
            }
            FTX_JOB_OPTION_OVERWRITE => {
                let overwrite = config::overwrite(value)?;
                job.set(|settings| settings.overwrite = Some(overwrite))
            }
            FTX_JOB_OPTION_OVERWRITE_DIGEST => Err(config::wrong_type("ftx_job_set_bytes")),
            _ => Err(config::unknown(option)),
        }
    })
}

fn switch(value: u64) -> Result<bool, Failure> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(config::bad()),
    }
}

/// Sets an option of a job that was not started, which is bytes.
///
/// @param job     The job.
/// @param option  `FTX_JOB_OPTION_OVERWRITE_DIGEST`.
/// @param bytes   Its value, which is copied.
/// @param length  How many bytes; 32 for a digest.
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
    bytes: *const u8,
    length: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (job, bytes) =
            unsafe { (pointer::handle(job)?, pointer::bytes(bytes, length, "bytes")?) };
        match option {
            FTX_JOB_OPTION_OVERWRITE_DIGEST => {
                let overwrite = config::overwrite_if(bytes)?;
                job.job.set(|settings| settings.overwrite = Some(overwrite))
            }
            FTX_JOB_OPTION_KEEP_GOING..=FTX_JOB_OPTION_OVERWRITE => {
                Err(config::wrong_type("ftx_job_set_u64"))
            }
            _ => Err(config::unknown(option)),
        }
    })
}

/// Adds a file to a job that was not started. Files are counted from 0 on.
///
/// A name that is not allowed is told by the job when its turn comes (`FTX_NAME_REFUSED`), so that
/// the files before it are done.
///
/// @param job   The job.
/// @param path  The local path, in UTF-8: what is uploaded, or where a download goes, whose directory
///              is made. Not looked at by other kinds of jobs, which take NULL.
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
        let path = match job.job.kind {
            // SAFETY: as above.
            JobKind::Upload | JobKind::Download => unsafe { pointer::text(path, "path")? },
            _ => "",
        };
        // SAFETY: as above.
        let name = unsafe { pointer::text(name, "name")? };
        job.job.add(pointer::path(path.as_bytes())?, name)
    })
}

/// Adds a file, as `ftx_job_add`, with lengths in place of NULs at the ends. A local path may be of
/// any bytes that the system allows.
///
/// @param job          The job.
/// @param path         The local path, which contains no NUL.
/// @param path_length  Its bytes.
/// @param name         The name on the server, in UTF-8.
/// @param name_length  Its bytes.
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
