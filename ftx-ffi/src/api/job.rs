//! Jobs: work that is started and goes on by itself.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use ftx_client::Reason;

use super::client::FtxClient;
use super::codes::{
    FTX_DIGEST_BYTES, FTX_JOB_DIALECT, FTX_JOB_DIGEST, FTX_JOB_DOWNLOAD, FTX_JOB_LIST,
    FTX_JOB_OPTION_KEEP_GOING, FTX_JOB_OPTION_RECURSIVE, FTX_JOB_REMOVE, FTX_JOB_STAT,
    FTX_JOB_UPLOAD, FTX_STATE_ENDED, FTX_STATE_NEW, FTX_STATE_PAUSED, FTX_STATE_QUEUED,
    FTX_STATE_RUNNING, FTX_WHOLE_JOB,
};
use super::config::unknown;
use super::entry::FtxEntry;
use super::error::FtxError;
use super::result::FtxFile;
use crate::callback;
use crate::failure::Failure;
use crate::guard::{guard, guard_or};
use crate::job::{Job, Kind, Phase};
use crate::pointer::{self, Handle, Out};
use crate::process::Maker;
use crate::status::Own;

/// Work of a client that goes on by itself once it is started.
pub struct FtxJob {
    maker: Maker,
    job: Arc<Job>,
}

impl Handle for FtxJob {
    const NAME: &'static str = "ftx_job";

    fn maker(&self) -> Maker {
        self.maker
    }
}

fn kind(code: u32) -> Option<Kind> {
    Some(match code {
        FTX_JOB_UPLOAD => Kind::Upload,
        FTX_JOB_DOWNLOAD => Kind::Download,
        FTX_JOB_LIST => Kind::List,
        FTX_JOB_STAT => Kind::Stat,
        FTX_JOB_DIGEST => Kind::Digest,
        FTX_JOB_REMOVE => Kind::Remove,
        FTX_JOB_DIALECT => Kind::Dialect,
        _ => return None,
    })
}

fn index(index: u64) -> usize {
    // No job has as many files as would not fit.
    usize::try_from(index).unwrap_or(usize::MAX)
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
            Out::new(job, "job")?.set(std::ptr::null_mut());
            pointer::handle(client)?
        };
        let kind = self::kind(kind).ok_or_else(|| {
            Failure::own(Own::UnknownOption, format!("there is no kind of job {kind}"))
        })?;
        let worker = Arc::clone(&client.worker);
        let events = Arc::clone(&worker.events);
        let made = FtxJob { maker: Maker::this(), job: Job::new(kind, worker, events) };
        // SAFETY: as above.
        unsafe { Out::new(job, "job")? }.set(Box::into_raw(Box::new(made)));
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
/// @param option  `FTX_JOB_OPTION_KEEP_GOING` or `FTX_JOB_OPTION_RECURSIVE`.
/// @param value   0 or 1.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_INVALID_ARGUMENT`,
///         `FTX_WRONG_STATE`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// ftx_job_set_u64(job, FTX_JOB_OPTION_KEEP_GOING, 1);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_set_u64(job: *mut FtxJob, option: u32, value: u64) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let job = unsafe { pointer::handle(job)? };
        if !(FTX_JOB_OPTION_KEEP_GOING..=FTX_JOB_OPTION_RECURSIVE).contains(&option) {
            return Err(unknown(option));
        }
        let on = match value {
            0 => false,
            1 => true,
            _ => return Err(Failure::reason(Reason::InvalidArgument, "the option is 0 or 1")),
        };
        job.job.set(|settings| match option {
            FTX_JOB_OPTION_KEEP_GOING => settings.keep_going = on,
            _ => settings.recursive = on,
        })
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
            Kind::Upload | Kind::Download => unsafe { pointer::text(path, "path")? },
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

/// Starts a job. It is done when those that were started before it have ended; what happens is told
/// by `ftx_client_next_event`.
///
/// @param job  The job.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (it was started before, or its client was
///         freed), `FTX_FORKED`.
///
/// Threads: any, also in callbacks.
///
/// ```c
/// if (ftx_job_start(job) == FTX_OK)
///     puts("under way");
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_start(job: *mut FtxJob) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::handle(job) }?.job.start()
    })
}

/// Cancels a job, as soon as both sides can go on from there later; only an original server that is
/// sending is listened to until it has finished. What was transferred is kept, and another job goes
/// on from there. Returns at once; the job ends with `FTX_CANCELLED`, unless it ended before.
///
/// @param job  The job. One that has ended stays as it is.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
///
/// Threads: any, also in callbacks; not in a signal handler.
///
/// ```c
/// ftx_job_cancel(job);
/// ftx_job_wait(job, -1);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_cancel(job: *mut FtxJob) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::handle(job) }?.job.cancel(false);
        Ok(())
    })
}

/// Cancels a job at once, even if that leaves a thread of an original server hanging for good.
/// Otherwise as `ftx_job_cancel`, after which it may follow.
///
/// @param job  The job.
/// @return As `ftx_job_cancel`.
///
/// Threads: as `ftx_job_cancel`.
///
/// ```c
/// ftx_job_cancel(job);
/// if (ftx_job_wait(job, 5000) == FTX_PENDING)
///     ftx_job_abort(job);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_abort(job: *mut FtxJob) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::handle(job) }?.job.cancel(true);
        Ok(())
    })
}

/// Pauses a job, as soon as both sides can go on from there later. Returns at once; the event
/// `FTX_EVENT_JOB_PAUSED` tells when it is paused. The client does its other jobs meanwhile.
///
/// @param job  The job. If it ends before it can be paused, it has ended.
/// @return `FTX_OK`, also if it is paused already; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (not started
///         or ended), `FTX_FORKED`.
///
/// Threads: any, also in callbacks.
///
/// ```c
/// ftx_job_pause(job);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_pause(job: *mut FtxJob) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::handle(job) }?.job.pause()
    })
}

/// Goes on with a paused job, from where it was, behind the jobs that were started meanwhile. Files
/// that are done are not done again.
///
/// @param job  The job.
/// @return `FTX_OK`, also if it is under way; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (not started or
///         ended, or its client was freed), `FTX_FORKED`.
///
/// Threads: any, also in callbacks.
///
/// ```c
/// ftx_job_resume(job);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_resume(job: *mut FtxJob) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::handle(job) }?.job.resume()
    })
}

/// Waits until a job has ended, and says how. A paused job has not ended.
///
/// @param job         The job.
/// @param timeout_ms  Milliseconds to wait; 0 to look only, below 0 for ever.
/// @return The status of the job: `FTX_OK`, or its first failure, whose details are those of
///         `ftx_last_error` as well; `FTX_PENDING` if it has not ended in time; `FTX_NULL_POINTER`,
///         `FTX_REENTERED` (in a callback of the same client), `FTX_FORKED`.
///
/// Threads: any, several at the same time.
///
/// ```c
/// int32_t status = ftx_job_wait(job, 1000);
/// if (status == FTX_PENDING)
///     puts("still under way");
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_wait(job: *mut FtxJob, timeout_ms: i64) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let job = Arc::clone(unsafe { &pointer::handle(job)?.job });
        if timeout_ms == 0 {
            return job.outcome();
        }
        callback::check(job.worker.id)?;
        job.wait(u64::try_from(timeout_ms).ok().map(Duration::from_millis))
    })
}

/// In which state a job is.
///
/// @param job    The job.
/// @param state  `FTX_STATE_NEW` or its like is written here.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// uint32_t state;
/// if (ftx_job_state(job, &state) == FTX_OK && state == FTX_STATE_PAUSED)
///     ftx_job_resume(job);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_state(job: *const FtxJob, state: *mut u32) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (job, state) = unsafe { (pointer::handle(job)?, Out::new(state, "state")?) };
        state.set(match job.job.phase() {
            Phase::New => FTX_STATE_NEW,
            Phase::Queued => FTX_STATE_QUEUED,
            Phase::Running => FTX_STATE_RUNNING,
            Phase::Paused => FTX_STATE_PAUSED,
            Phase::Ended => FTX_STATE_ENDED,
        });
        Ok(())
    })
}

/// How many files were added to a job.
///
/// @param job    The job.
/// @param count  The number is written here.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// uint64_t count;
/// if (ftx_job_file_count(job, &count) == FTX_OK)
///     printf("%u files\n", (unsigned)count);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_file_count(job: *const FtxJob, count: *mut u64) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (job, count) = unsafe { (pointer::handle(job)?, Out::new(count, "count")?) };
        count.set(job.job.file_count() as u64);
        Ok(())
    })
}

/// What has become of a file of a job so far.
///
/// @param job         The job.
/// @param file_index  Which file, from 0 on.
/// @param file        Is filled in; `struct_size` must be set.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_NO_SUCH_FILE`, `FTX_STRUCT_SIZE`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// ftx_file file;
/// file.struct_size = sizeof file;
/// if (ftx_job_file(job, 0, &file) == FTX_OK && file.status == FTX_OK)
///     printf("%u bytes moved\n", (unsigned)file.moved);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_file(
    job: *const FtxJob,
    file_index: u64,
    file: *mut FtxFile,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let found = unsafe { pointer::handle(job) }?.job.file(index(file_index))?;
        // SAFETY: as above.
        unsafe { pointer::fill(file, &FtxFile::from(&found)) }
    })
}

/// Why a job, or a file of it, has failed.
///
/// @param job         The job.
/// @param file_index  Which file, from 0 on; `FTX_WHOLE_JOB` for the first failure of the job.
/// @param error       Is filled in; `struct_size` must be set. Its `status` is 0 if nothing has
///                    failed so far.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_NO_SUCH_FILE`, `FTX_STRUCT_SIZE`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// ftx_error error;
/// error.struct_size = sizeof error;
/// if (ftx_job_error(job, FTX_WHOLE_JOB, &error) == FTX_OK && error.status != FTX_OK)
///     fprintf(stderr, "%s\n", error.message);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_error(
    job: *const FtxJob,
    file_index: u64,
    error: *mut FtxError,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let job = unsafe { pointer::handle(job)? };
        let file = (file_index != FTX_WHOLE_JOB).then(|| index(file_index));
        let failure = job.job.failure(file)?;
        // SAFETY: as above.
        unsafe { pointer::fill(error, &FtxError::new(failure.as_ref())) }
    })
}

/// Takes the next entry that a listing or `FTX_JOB_STAT` has found. It never waits; the event
/// `FTX_EVENT_ENTRIES` tells that there are some. A listing waits when some thousands were not
/// taken, unless `ftx_job_wait` is waiting for it.
///
/// @param job    The job.
/// @param entry  Is filled in; `struct_size` must be set.
/// @return `FTX_OK`; `FTX_PENDING` if there is none yet; `FTX_NOT_FOUND` if the job has ended and all
///         were taken; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE` (the entry stays), `FTX_FORKED`.
///
/// Threads: any; each entry is given to one.
///
/// ```c
/// ftx_entry entry;
/// entry.struct_size = sizeof entry;
/// while (ftx_job_next_entry(job, &entry) == FTX_OK)
///     puts(entry.name);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_next_entry(job: *mut FtxJob, entry: *mut FtxEntry) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let job = unsafe { pointer::handle(job)? };
        // SAFETY: as above. Looked at first, since what is taken is gone.
        unsafe { pointer::size_of_struct(entry)? };
        let taken = job.job.next_entry()?;
        let taken = taken.ok_or_else(|| {
            Failure::reason(Reason::NotFound, "all entries of the job were taken")
        })?;
        // SAFETY: as above.
        unsafe { pointer::fill(entry, &FtxEntry::from(&taken)) }
    })
}

/// The digest that `FTX_JOB_DIGEST` has found for a file.
///
/// @param job         The job.
/// @param file_index  Which file, from 0 on.
/// @param digest      `FTX_DIGEST_BYTES` bytes are written here: BLAKE3, as `b3sum` prints it.
/// @return `FTX_OK`; `FTX_PENDING` if it is not known (yet); `FTX_NULL_POINTER`, `FTX_NO_SUCH_FILE`,
///         `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// uint8_t digest[FTX_DIGEST_BYTES];
/// if (ftx_job_digest(job, 0, digest) == FTX_OK)
///     printf("%02x...\n", digest[0]);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_digest(
    job: *const FtxJob,
    file_index: u64,
    digest: *mut u8,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (job, out) = unsafe {
            (pointer::handle(job)?, Out::new(digest.cast::<[u8; FTX_DIGEST_BYTES]>(), "digest")?)
        };
        let digest = job.job.file(index(file_index))?.digest;
        out.set(digest.ok_or_else(|| Failure::own(Own::Pending, "the digest is not known"))?.0);
        Ok(())
    })
}

/// What `FTX_JOB_DIALECT` has found that the server speaks.
///
/// @param job      The job.
/// @param dialect  `FTX_DIALECT_NATIVE` or `FTX_DIALECT_LEGACY` is written here.
/// @return `FTX_OK`; `FTX_PENDING` if it is not known (yet); `FTX_NULL_POINTER`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// uint32_t dialect;
/// if (ftx_job_dialect(job, &dialect) == FTX_OK && dialect == FTX_DIALECT_LEGACY)
///     puts("an original server");
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_dialect(job: *const FtxJob, dialect: *mut u32) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (job, dialect) = unsafe { (pointer::handle(job)?, Out::new(dialect, "dialect")?) };
        let native = job.job.native();
        let native = native.ok_or_else(|| Failure::own(Own::Pending, "it is not known"))?;
        dialect.set(super::call::dialect_code(native));
        Ok(())
    })
}
