//! How far a whole job is.

use super::job::FtxJob;
use super::result::index;
use crate::guard::guard;
use crate::pointer::{self, Versioned};
use crate::totals::JobTotals;

/// How far a whole job is. Set `struct_size` to `sizeof(ftx_totals)` before it is filled in.
///
/// The sizes of files to upload are looked at when the job begins, so all are known from its first
/// event on. Those of files to download are known when each begins, or before, if
/// `ftx_job_set_size` has told them. `bytes_total` is that of the whole job when `files_sized` is
/// `files_total`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FtxTotals {
    /// Bytes of this struct, as the caller knows it.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Files of the job.
    pub files_total: u64,
    /// Files whose sizes are known.
    pub files_sized: u64,
    /// Files that are done.
    pub files_done: u64,
    /// Files that have failed.
    pub files_failed: u64,
    /// Bytes of the files whose sizes are known.
    pub bytes_total: u64,
    /// Bytes that are across. May go back when a file is begun again.
    pub bytes_done: u64,
}

// SAFETY: the size comes first, and all fields are numbers.
unsafe impl Versioned for FtxTotals {
    const NAME: &'static str = "ftx_totals";
}

impl From<&JobTotals> for FtxTotals {
    fn from(totals: &JobTotals) -> Self {
        Self {
            struct_size: 0,
            reserved: 0,
            files_total: totals.files,
            files_sized: totals.sized,
            files_done: totals.done,
            files_failed: totals.failed,
            bytes_total: totals.bytes(),
            bytes_done: totals.bytes_done(),
        }
    }
}

/// How far a whole job is, at any time: for a progress bar. Its events tell the same.
///
/// @param job     The job.
/// @param totals  Is filled in; `struct_size` must be set.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// ftx_totals totals;
/// totals.struct_size = sizeof totals;
/// if (ftx_job_totals(job, &totals) == FTX_OK && totals.files_sized == totals.files_total)
///     printf("%.0f of %.0f bytes\n", (double)totals.bytes_done, (double)totals.bytes_total);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_totals(job: *const FtxJob, totals: *mut FtxTotals) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let found = unsafe { pointer::handle(job) }?.job.totals();
        // SAFETY: as above.
        unsafe { pointer::fill(totals, &FtxTotals::from(&found)) }
    })
}

/// Tells the size of a file that was added to a job, before it is started: from a listing
/// (`size` of `ftx_entry`), for a download. It is counted in the totals of the job from then on,
/// and a file of at most 1 MiB is fetched in one step, which is faster for many small files. What
/// the server says of the size when it sends the file counts.
///
/// @param job         The job.
/// @param file_index  Which file, from 0 on.
/// @param size        Its bytes.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_NO_SUCH_FILE`, `FTX_WRONG_STATE`, `FTX_FORKED`.
///
/// Threads: any.
///
/// ```c
/// ftx_entry entry;
/// entry.struct_size = sizeof entry;
/// if (ftx_client_stat(client, "docs/a.txt", &entry) == FTX_OK &&
///     ftx_job_add(job, "/tmp/a.txt", entry.name) == FTX_OK)
///     ftx_job_set_size(job, 0, entry.size);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_job_set_size(job: *mut FtxJob, file_index: u64, size: u64) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::handle(job) }?.job.tell_size(index(file_index), size)
    })
}
