//! Results of a job.

use ftx_client::Reason;

use super::codes::{FTX_DIGEST_BYTES, FTX_PENDING, FTX_WHOLE_JOB};
use super::entry::FtxEntry;
use super::error::FtxError;
use super::job::FtxJob;
use crate::failure::Failure;
use crate::guard::guard;
use crate::job::JobFile;
use crate::pointer::{self, OutParam, Versioned};
use crate::status::{self, AbiStatus};

/// A file of a job. Set `struct_size` to `sizeof(ftx_file)` before the call that fills it in.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FtxFile {
    /// Size of this struct in bytes, in the caller's header.
    pub struct_size: u32,
    /// 0 if it is done, `FTX_PENDING` if it is not, otherwise the status of its failure.
    pub status: i32,
    /// The corresponding code of the original system.
    pub original_status: i32,
    /// 1 if the file was up to date, so nothing was transferred; otherwise 0.
    pub already_there: u32,
    /// Bytes that the last attempt transferred.
    pub moved: u64,
    /// Transferred bytes, according to the last progress.
    pub done: u64,
    /// Size in bytes; 0 while it is unknown.
    pub total: u64,
}

// SAFETY: the size comes first, and all fields are numbers.
unsafe impl Versioned for FtxFile {
    const NAME: &'static str = "ftx_file";
}

impl From<&JobFile> for FtxFile {
    fn from(file: &JobFile) -> Self {
        let failure = file.outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
        let outcome = file.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        let status = match (failure, outcome) {
            (Some(failure), _) => failure.status,
            (None, Some(_)) => 0,
            (None, None) => FTX_PENDING,
        };
        Self {
            struct_size: 0,
            status,
            original_status: failure
                .map_or_else(|| status::original(status), |failure| failure.original),
            already_there: outcome.is_some_and(|outcome| outcome.already_there).into(),
            moved: outcome.map_or(0, |outcome| outcome.moved),
            done: file.done,
            total: file.size.unwrap_or(0),
        }
    }
}

pub(super) fn index(index: u64) -> usize {
    // No job has enough files to overflow this.
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// Returns the number of files in a job.
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
        let (job, count) = unsafe { (pointer::handle(job)?, OutParam::new(count, "count")?) };
        count.set(job.job.file_count()? as u64);
        Ok(())
    })
}

/// Returns the state of a file of a job.
///
/// @param job         The job.
/// @param file_index  Index of the file, from 0.
/// @param file        Filled in; `struct_size` must be set.
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

/// Returns the failure of a job or of one of its files.
///
/// @param job         The job.
/// @param file_index  Index of the file, from 0; `FTX_WHOLE_JOB` for the first failure of the job.
/// @param error       Filled in; `struct_size` must be set. Its `status` is 0 if nothing has
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

/// Takes the next entry found by `FTX_JOB_LIST` or `FTX_JOB_STAT`. Never blocks; the event
/// `FTX_EVENT_ENTRIES` reports new entries. A listing pauses while thousands of entries wait to be
/// taken, unless `ftx_job_wait` is waiting for it.
///
/// @param job    The job.
/// @param entry  Filled in; `struct_size` must be set.
/// @return `FTX_OK`; `FTX_PENDING` if no entry waits yet; `FTX_NOT_FOUND` if the job has ended and
///         all entries were taken; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE` (the entry stays),
///         `FTX_FORKED`.
///
/// Threads: any; each entry goes to one thread.
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
        // SAFETY: as above. Checked first, since a taken entry cannot be put back.
        unsafe { pointer::size_of_struct(entry)? };
        let taken = job.job.next_entry()?;
        let taken = taken.ok_or_else(|| {
            Failure::reason(Reason::NotFound, "all entries of the job were taken")
        })?;
        // SAFETY: as above.
        unsafe { pointer::fill(entry, &FtxEntry::new(&taken)?) }
    })
}

/// Returns the digest that `FTX_JOB_DIGEST` found for a file.
///
/// @param job         The job.
/// @param file_index  Index of the file, from 0.
/// @param digest      `FTX_DIGEST_BYTES` bytes are written here: BLAKE3, as `b3sum` prints it.
/// @return `FTX_OK`; `FTX_PENDING` if it is not known (yet); `FTX_NULL_POINTER`,
///         `FTX_NO_SUCH_FILE`,
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
            (
                pointer::handle(job)?,
                OutParam::new(digest.cast::<[u8; FTX_DIGEST_BYTES]>(), "digest")?,
            )
        };
        let digest = job.job.file(index(file_index))?.digest;
        out.set(
            digest.ok_or_else(|| Failure::abi(AbiStatus::Pending, "the digest is not known"))?.0,
        );
        Ok(())
    })
}

/// Returns the dialect of the server, as found by `FTX_JOB_DIALECT`.
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
        let (job, dialect) = unsafe { (pointer::handle(job)?, OutParam::new(dialect, "dialect")?) };
        let native = job.job.native()?;
        let native = native.ok_or_else(|| Failure::abi(AbiStatus::Pending, "it is not known"))?;
        dialect.set(super::ask::dialect_code(native));
        Ok(())
    })
}
