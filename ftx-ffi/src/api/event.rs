//! Events in their C layout.

use std::ffi::c_void;

use super::codes::FTX_WHOLE_JOB;
use crate::event::JobEvent;
use crate::pointer::Versioned;

/// An event of a job. Set `struct_size` to `sizeof(ftx_event)` before the call that fills it in.
/// Fields that the kind of the event does not mention are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FtxEvent {
    /// Size of this struct in bytes, in the caller's header.
    pub struct_size: u32,
    /// `FTX_EVENT_PROGRESS` or its like.
    pub kind: u32,
    /// The job, as `ftx_job_id` returns it.
    pub job_id: u64,
    /// Index of the file in the job, from 0; `FTX_WHOLE_JOB` if the event concerns the whole job.
    pub file_index: u64,
    /// Bytes of the file that are done, from its start; see the kind.
    pub done: u64,
    /// Bytes of the whole file; see the kind.
    pub total: u64,
    /// Milliseconds before the next attempt.
    pub pause_ms: u64,
    /// Status of the failure, or 0.
    pub status: i32,
    /// The corresponding code of the original system.
    pub original_status: i32,
    /// Number of the next attempt; the first retry is 1.
    pub attempt: u32,
    /// 1 if the file was up to date, so nothing was transferred; otherwise 0.
    pub already_there: u32,
    /// The pointer from `ftx_job_set_user_data`, or the one passed to the blocking call.
    pub user_data: *mut c_void,
    /// Files of the whole job. This field and the following ones are set for every kind of event,
    /// and give the progress of the job when the event is taken; `ftx_totals` describes them.
    pub files_total: u64,
    /// Files of the job whose sizes are known.
    pub files_sized: u64,
    /// Files of the job that are done.
    pub files_done: u64,
    /// Files of the job that have failed.
    pub files_failed: u64,
    /// Total size in bytes of the files whose sizes are known: of all files, if `files_sized` is
    /// `files_total`.
    pub bytes_total: u64,
    /// Transferred bytes of all files of the job.
    pub bytes_done: u64,
}

// SAFETY: the size comes first, and all fields are numbers or pointers.
unsafe impl Versioned for FtxEvent {
    const NAME: &'static str = "ftx_event";
}

impl From<&JobEvent> for FtxEvent {
    fn from(event: &JobEvent) -> Self {
        let size = size_of::<Self>();
        Self {
            struct_size: u32::try_from(size).unwrap_or(0),
            kind: event.kind.code(),
            job_id: event.job,
            file_index: event.file.map_or(FTX_WHOLE_JOB, |file| file as u64),
            done: event.done,
            total: event.total,
            pause_ms: u64::try_from(event.pause.as_millis()).unwrap_or(u64::MAX),
            status: event.status,
            original_status: event.original,
            attempt: event.attempt,
            already_there: event.already_there.into(),
            user_data: std::ptr::with_exposed_provenance_mut(event.user_data),
            files_total: event.totals.files,
            files_sized: event.totals.sized,
            files_done: event.totals.done,
            files_failed: event.totals.failed,
            bytes_total: event.totals.bytes(),
            bytes_done: event.totals.bytes_done(),
        }
    }
}

/// Receives the events of a blocking call, on the calling thread. `event` is valid during the call.
/// A result other than 0 cancels: the blocking call returns `FTX_CANCELLED` unless all work was
/// already done, transferred data is kept, and a later call resumes. The callback is not called
/// again.
///
/// The callback may start and cancel jobs. It may free the client, which also cancels; earlier
/// events may still be delivered. It must not wait for the same client (`FTX_REENTERED`), and no
/// exception may leave it. If the callback forks the process, the blocking call returns
/// `FTX_FORKED` in the child.
pub type FtxProgressFn =
    Option<unsafe extern "C" fn(event: *const FtxEvent, user_data: *mut c_void) -> i32>;
