//! Control of jobs: start, pause, resume, cancel and wait.

use std::time::Duration;

use super::codes::{
    FTX_STATE_ENDED, FTX_STATE_NEW, FTX_STATE_PAUSED, FTX_STATE_QUEUED, FTX_STATE_RUNNING,
};
use super::job::FtxJob;
use crate::callback;
use crate::guard::guard;
use crate::job::{Phase, Stop};
use crate::pointer::{self, OutParam};

/// Starts a job. It runs after the jobs started before it have ended; `ftx_client_next_event`
/// returns its events.
///
/// @param job  The job.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (it was started before, or its client
///         was freed), `FTX_NO_RESOURCES` (the system gives no thread), `FTX_FORKED`.
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

/// Cancels a job as soon as both sides can resume it later. The client first reads all that an
/// original server is sending. Transferred data is kept, and a later job resumes from it. Returns
/// at once; the job ends with `FTX_CANCELLED`, unless it ended before.
///
/// @param job  The job. A job that has ended is not changed.
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
        unsafe { pointer::handle(job) }?.job.cancel(Stop::Soft);
        Ok(())
    })
}

/// Cancels a job at once, even if that leaves a thread of an original server hanging for ever.
/// Otherwise as `ftx_job_cancel`; it may be called after that.
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
        unsafe { pointer::handle(job) }?.job.cancel(Stop::Hard);
        Ok(())
    })
}

/// Pauses a job as soon as both sides can resume it later. Returns at once; the event
/// `FTX_EVENT_JOB_PAUSED` reports the pause. The client runs its other jobs during the pause.
///
/// @param job  The job. It may end before it can be paused.
/// @return `FTX_OK`, also if it is paused already; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (not
///         started or ended), `FTX_FORKED`.
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

/// Resumes a paused job, behind the jobs that were started meanwhile. Files that are done are not
/// repeated.
///
/// @param job  The job.
/// @return `FTX_OK`, also if it is running; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (not started or
///         ended, or its client was freed), `FTX_NO_RESOURCES` (the system gives no thread),
///         `FTX_FORKED`.
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

/// Waits until a job has ended, and returns its status. A paused job has not ended.
///
/// @param job         The job.
/// @param timeout_ms  Milliseconds to wait; 0 returns at once, below 0 waits for ever.
/// @return The status of the job: `FTX_OK`, or its first failure, which `ftx_last_error` then
///         describes; `FTX_PENDING` if it has not ended in time; `FTX_NULL_POINTER`,
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
        let job = unsafe { &pointer::handle(job)?.job };
        if timeout_ms == 0 {
            return job.outcome();
        }
        callback::check(job.client_id())?;
        job.wait(u64::try_from(timeout_ms).ok().map(Duration::from_millis))
    })
}

/// Returns the state of a job.
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
        let (job, state) = unsafe { (pointer::handle(job)?, OutParam::new(state, "state")?) };
        state.set(match job.job.phase()? {
            Phase::New => FTX_STATE_NEW,
            Phase::Queued => FTX_STATE_QUEUED,
            Phase::Running => FTX_STATE_RUNNING,
            Phase::Paused => FTX_STATE_PAUSED,
            Phase::Ended => FTX_STATE_ENDED,
        });
        Ok(())
    })
}
