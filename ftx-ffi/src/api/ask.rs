//! Blocking queries about the files of a server.

use std::cell::Cell;
use std::ffi::{c_char, c_void};

use ftx_client::DialectChoice;

use super::call::Call;
use super::client::FtxClient;
use super::codes::FTX_DIGEST_BYTES;
use super::entry::{FtxEntry, FtxEntryFn};
use crate::failure::Failure;
use crate::guard::guard;
use crate::job::{JobKind, cancelled};

use crate::pointer::{self, OutParam};
use crate::process::OwnerPid;
use crate::thread_state;
use crate::worker::JobRef;

pub(super) fn dialect_code(native: bool) -> u32 {
    if native { DialectChoice::Native as u32 } else { DialectChoice::Legacy as u32 }
}

/// Lists a directory of a native server, in a fixed order. Entries that cannot be transferred, such
/// as symbolic links, are listed as well, with the kind `FTX_ENTRY_UNTRANSFERABLE`.
///
/// @param client     The client.
/// @param directory  Its name, in UTF-8; NULL or "" for the root.
/// @param recursive  0: the directory only. Otherwise: all its subdirectories as well.
/// @param each       Called with each entry, on this thread; NULL only checks that the directory
///                   can be listed.
/// @param user_data  Passed to `each`; the caller keeps ownership.
/// @return `FTX_OK`; `FTX_CANCELLED`; `FTX_NOT_FOUND`, `FTX_OTHER_DIALECT` (an original server), or
///         another failure; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_NAME_REFUSED`,
///         `FTX_REENTERED`, `FTX_FORKED`. `ftx_last_error` has the details.
///
/// Threads: any, several at the same time; their calls run one after another.
///
/// ```c
/// int32_t status = ftx_client_list(client, "docs", 1, on_entry, NULL);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_list(
    client: *mut FtxClient,
    directory: *const c_char,
    recursive: i32,
    each: FtxEntryFn,
    user_data: *mut c_void,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let call = Call::new(unsafe { pointer::handle(client)? }, JobKind::List)?;
        if !directory.is_null() {
            // SAFETY: as above.
            let directory = unsafe { pointer::text(directory, "directory")? };
            if !directory.is_empty() {
                call.job.add(pointer::path(b"")?, directory)?;
            }
        }
        call.job.set(|settings| settings.recursive = recursive != 0)?;
        let owner = OwnerPid::this();
        let stopped = Cell::new(false);
        let show = |job: &JobRef| {
            while let Ok(Some(entry)) = job.next_entry() {
                let Some(each) = each else { continue };
                // An entry that C cannot represent has failed the job.
                let Ok(entry) = FtxEntry::new(&entry) else { continue };
                let stop = thread_state::in_callback(job.client_id(), || {
                    // SAFETY: as above; the entry lives until it returns.
                    unsafe { each(&raw const entry, user_data) != 0 }
                });
                // A forked child in which the callback returns leaves at once: the locks of the job
                // may stay locked for ever.
                if stop || !owner.is_this() {
                    stopped.set(true);
                    break;
                }
            }
            stopped.get()
        };
        let job = &call.job;
        let result = call.run(|job, _| show(job));
        // The last entries may have come with the end.
        let over = stopped.get() || (result.is_ok() && show(job));
        owner.check()?;
        if over { Err(cancelled()) } else { result }
    })
}

/// Returns the entry of a name on a native server.
///
/// @param client  The client.
/// @param name    The name, in UTF-8.
/// @param entry   Filled in; `struct_size` must be set.
/// @return As `ftx_client_list`; `FTX_STRUCT_SIZE`.
///
/// Threads: as `ftx_client_list`.
///
/// ```c
/// ftx_entry entry;
/// entry.struct_size = sizeof entry;
/// if (ftx_client_stat(client, "docs/a.txt", &entry) == FTX_OK)
///     printf("%u bytes\n", (unsigned)entry.size);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_stat(
    client: *mut FtxClient,
    name: *const c_char,
    entry: *mut FtxEntry,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (client, name) = unsafe {
            pointer::size_of_struct(entry)?;
            (pointer::handle(client)?, pointer::text(name, "name")?)
        };
        let call = Call::new(client, JobKind::Stat)?;
        call.job.add(pointer::path(b"")?, name)?;
        let job = call.run_quietly()?;
        let found = job.next_entry()?.ok_or_else(|| Failure::internal("an entry is missing"))?;
        // SAFETY: as above.
        unsafe { pointer::fill(entry, &FtxEntry::new(&found)?) }
    })
}

/// Returns the digest of a file on a native server: BLAKE3, as `b3sum` prints it.
///
/// @param client  The client.
/// @param name    The name of the file, in UTF-8.
/// @param digest  `FTX_DIGEST_BYTES` bytes are written here on success.
/// @return As `ftx_client_list`.
///
/// Threads: as `ftx_client_list`.
///
/// ```c
/// uint8_t digest[FTX_DIGEST_BYTES];
/// int32_t status = ftx_client_digest(client, "docs/a.txt", digest);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_digest(
    client: *mut FtxClient,
    name: *const c_char,
    digest: *mut u8,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (client, name, digest) = unsafe {
            let digest = OutParam::new(digest.cast::<[u8; FTX_DIGEST_BYTES]>(), "digest")?;
            (pointer::handle(client)?, pointer::text(name, "name")?, digest)
        };
        let call = Call::new(client, JobKind::Digest)?;
        call.job.add(pointer::path(b"")?, name)?;
        let found = call.run_quietly()?.file(0)?.digest;
        digest.set(found.ok_or_else(|| Failure::internal("a digest is missing"))?.0);
        Ok(())
    })
}

/// Removes a file on a native server.
///
/// @param client  The client.
/// @param name    The name of the file, in UTF-8.
/// @return As `ftx_client_list`.
///
/// Threads: as `ftx_client_list`.
///
/// ```c
/// int32_t status = ftx_client_remove(client, "docs/a.txt");
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_remove(client: *mut FtxClient, name: *const c_char) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (client, name) = unsafe { (pointer::handle(client)?, pointer::text(name, "name")?) };
        let call = Call::new(client, JobKind::Remove)?;
        call.job.add(pointer::path(b"")?, name)?;
        call.run_quietly().map(|_| ())
    })
}

/// Finds out the dialect of the server.
///
/// @param client   The client.
/// @param dialect  `FTX_DIALECT_NATIVE` or `FTX_DIALECT_LEGACY` is written here.
/// @return `FTX_OK`; the failure to reach the server; `FTX_NULL_POINTER`, `FTX_REENTERED`,
///         `FTX_FORKED`.
///
/// Threads: as `ftx_client_list`.
///
/// ```c
/// uint32_t dialect;
/// if (ftx_client_dialect(client, &dialect) == FTX_OK && dialect == FTX_DIALECT_NATIVE)
///     puts("it can list");
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_dialect(client: *mut FtxClient, dialect: *mut u32) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (client, dialect) =
            unsafe { (pointer::handle(client)?, OutParam::new(dialect, "dialect")?) };
        let native = Call::new(client, JobKind::Dialect)?.run_quietly()?.native()?;
        let native = native.ok_or_else(|| Failure::internal("the dialect is missing"))?;
        dialect.set(dialect_code(native));
        Ok(())
    })
}
