//! Progress of a whole job.

use super::job::FtxJob;
use super::result::index;
use crate::guard::guard;
use crate::pointer::{self, Versioned};
use crate::totals::JobTotals;

/// Progress of a whole job. Set `struct_size` to `sizeof(ftx_totals)` before the call that fills it
/// in.
///
/// An upload reads the sizes of its files when the job begins, so all are known from its first
/// event on. A download knows the size of a file when the file begins, or earlier from
/// `ftx_job_set_size`.
/// `bytes_total` covers the whole job once `files_sized` equals `files_total`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FtxTotals {
    /// Size of this struct in bytes, in the caller's header.
    pub struct_size: u32,
    /// Reserved; 0.
    pub reserved: u32,
    /// Files of the job.
    pub files_total: u64,
    /// Files whose sizes are known.
    pub files_sized: u64,
    /// Files that are done.
    pub files_done: u64,
    /// Files that have failed.
    pub files_failed: u64,
    /// Total size in bytes of the files whose sizes are known.
    pub bytes_total: u64,
    /// Transferred bytes. May decrease when a file restarts.
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

/// Returns the progress of a whole job at any time, for a progress bar. Events carry the same
/// totals.
///
/// @param job     The job.
/// @param totals  Filled in; `struct_size` must be set.
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
        let found = unsafe { pointer::handle(job) }?.job.totals()?;
        // SAFETY: as above.
        unsafe { pointer::fill(totals, &FtxTotals::from(&found)) }
    })
}

/// Sets the size of an added file before the job is started; for a download, it is `size` of the
/// `ftx_entry` in a listing. The totals of the job include the size from then on, and a file of at
/// most 1 MiB is fetched in one step, which is faster for many small files. The size that the
/// server reports when it sends the file takes precedence.
///
/// @param job         The job.
/// @param file_index  Index of the file, from 0.
/// @param size        Its size in bytes.
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
