//! Calls that block until something is done.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::client::FtxClient;
use super::codes::{FTX_DIALECT_LEGACY, FTX_DIALECT_NATIVE, FTX_DIGEST_BYTES};
use super::entry::{FtxEntry, FtxEntryFn};
use super::event::{FtxEvent, FtxProgressFn};
use crate::callback;
use crate::event::{Event, Kind as Happened};
use crate::failure::Failure;
use crate::guard::guard;
use crate::job::{Job, Kind, cancelled};
use crate::pointer::{self, Out};
use crate::queue::Queue;

pub(crate) fn dialect_code(native: bool) -> u32 {
    if native { FTX_DIALECT_NATIVE } else { FTX_DIALECT_LEGACY }
}

/// A job whose events stay with the calling thread.
struct Call {
    job: Arc<Job>,
}

impl Call {
    fn new(client: &FtxClient, kind: Kind) -> Result<Self, Failure> {
        callback::check(client.worker.id)?;
        // The handle is not used after this, so a callback may free it.
        let job = Job::new(kind, Arc::clone(&client.worker), Arc::new(Queue::new()));
        Ok(Self { job })
    }

    /// Runs the job to its end; it is cancelled if `tell` says so, unless it ends before.
    fn run(self, mut tell: impl FnMut(&Job, &Event) -> bool) -> Result<(), Failure> {
        self.job.start()?;
        let mut stopped = false;
        loop {
            let event = self.job.queue.wait();
            if event.kind == Happened::JobEnded {
                return self.job.outcome();
            }
            if !stopped && tell(&self.job, &event) {
                stopped = true;
                self.job.cancel(false);
            }
        }
    }

    fn run_quietly(self) -> Result<Arc<Job>, Failure> {
        let job = Arc::clone(&self.job);
        self.run(|_, _| false)?;
        Ok(job)
    }

    /// Runs it with a callback of the caller's.
    ///
    /// # Safety
    /// `progress` can be called with `user_data`.
    unsafe fn run_with(
        self,
        progress: FtxProgressFn,
        user_data: *mut c_void,
    ) -> Result<(), Failure> {
        let Some(progress) = progress else { return self.run_quietly().map(|_| ()) };
        self.run(|job, event| {
            if event.kind == Happened::Entries {
                return false;
            }
            let event = FtxEvent { job_id: job.id, user_data, ..FtxEvent::from(event) };
            // SAFETY: as the caller promises; the event lives until it returns.
            callback::within(job.worker.id, || unsafe {
                progress(&raw const event, user_data) != 0
            })
        })
    }
}

/// Uploads a file, and returns when the server has said that all of it is stored; from an original
/// server, whose word is not good for that, size and MD5 are asked for.
///
/// What a transfer that was interrupted has left on the server is gone on with, by itself.
///
/// @param client     The client.
/// @param path       The local file, in UTF-8.
/// @param name       The name that it is to have on the server: parts separated by `/`, in UTF-8.
/// @param progress   Is told what happens, on this thread; NULL for nobody.
/// @param user_data  Is handed to it; stays the caller's.
/// @return `FTX_OK`, also if the server had the file already; `FTX_CANCELLED`; what went wrong after
///         the last retry; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_NAME_REFUSED`,
///         `FTX_REENTERED`, `FTX_FORKED`. `ftx_last_error` tells more.
///
/// Threads: any, several at the same time, whose files are then transferred one after another.
///
/// ```c
/// int32_t status = ftx_client_upload(client, "/home/me/a.txt", "docs/a.txt", on_progress, NULL);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_upload(
    client: *mut FtxClient,
    path: *const c_char,
    name: *const c_char,
    progress: FtxProgressFn,
    user_data: *mut c_void,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (client, path, name) = unsafe {
            (pointer::handle(client)?, pointer::text(path, "path")?, pointer::text(name, "name")?)
        };
        let call = Call::new(client, Kind::Upload)?;
        call.job.add(pointer::path(path.as_bytes())?, name)?;
        // SAFETY: as above.
        unsafe { call.run_with(progress, user_data) }
    })
}

/// Downloads a file. It appears under its path when all of it is here and is what the server has;
/// until then it grows in `path` + ".ftxpart", from which an interrupted download goes on.
///
/// @param client     The client.
/// @param name       Its name on the server, in UTF-8.
/// @param path       Where it goes, in UTF-8; the directory is made if it is not there.
/// @param progress   As for `ftx_client_upload`.
/// @param user_data  As for `ftx_client_upload`.
/// @return As `ftx_client_upload`.
///
/// Threads: as `ftx_client_upload`.
///
/// ```c
/// int32_t status = ftx_client_download(client, "docs/a.txt", "/tmp/a.txt", NULL, NULL);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_download(
    client: *mut FtxClient,
    name: *const c_char,
    path: *const c_char,
    progress: FtxProgressFn,
    user_data: *mut c_void,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (client, name, path) = unsafe {
            (pointer::handle(client)?, pointer::text(name, "name")?, pointer::text(path, "path")?)
        };
        let call = Call::new(client, Kind::Download)?;
        call.job.add(pointer::path(path.as_bytes())?, name)?;
        // SAFETY: as above.
        unsafe { call.run_with(progress, user_data) }
    })
}

/// Uploads files. In the native dialect many are under way at the same time.
///
/// @param client      The client.
/// @param paths       The local files, `count` texts in UTF-8.
/// @param names       Their names on the server, `count` texts in UTF-8.
/// @param count       How many; with 0 nothing happens.
/// @param keep_going  0: the first file that fails ends the call. Otherwise the others are done, too.
/// @param progress    As for `ftx_client_upload`; events carry the index of their file.
/// @param user_data   As for `ftx_client_upload`.
/// @return `FTX_OK` if all are done; otherwise the first failure, as `ftx_client_upload`;
///         `ftx_last_error` tells which file it was.
///
/// Threads: as `ftx_client_upload`.
///
/// ```c
/// const char *paths[] = {"/tmp/a", "/tmp/b"};
/// const char *names[] = {"a", "b"};
/// int32_t status = ftx_client_upload_files(client, paths, names, 2, 0, on_progress, NULL);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_upload_files(
    client: *mut FtxClient,
    paths: *const *const c_char,
    names: *const *const c_char,
    count: usize,
    keep_going: i32,
    progress: FtxProgressFn,
    user_data: *mut c_void,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe {
            let call = Call::new(pointer::handle(client)?, Kind::Upload)?;
            add_files(&call, paths, names, count, keep_going)?;
            call.run_with(progress, user_data)
        }
    })
}

/// Downloads files. In the native dialect many are under way at the same time.
///
/// @param client      The client.
/// @param names       Their names on the server, `count` texts in UTF-8.
/// @param paths       Where they go, `count` texts in UTF-8.
/// @param count       How many; with 0 nothing happens.
/// @param keep_going  As for `ftx_client_upload_files`.
/// @param progress    As for `ftx_client_upload_files`.
/// @param user_data   As for `ftx_client_upload`.
/// @return As `ftx_client_upload_files`.
///
/// Threads: as `ftx_client_upload`.
///
/// ```c
/// const char *names[] = {"a", "b"};
/// const char *paths[] = {"/tmp/a", "/tmp/b"};
/// int32_t status = ftx_client_download_files(client, names, paths, 2, 1, NULL, NULL);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_download_files(
    client: *mut FtxClient,
    names: *const *const c_char,
    paths: *const *const c_char,
    count: usize,
    keep_going: i32,
    progress: FtxProgressFn,
    user_data: *mut c_void,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe {
            let call = Call::new(pointer::handle(client)?, Kind::Download)?;
            add_files(&call, paths, names, count, keep_going)?;
            call.run_with(progress, user_data)
        }
    })
}

/// # Safety
/// The arrays are NULL or have `count` texts, each of which is NULL or ends with a NUL.
unsafe fn add_files(
    call: &Call,
    paths: *const *const c_char,
    names: *const *const c_char,
    count: usize,
    keep_going: i32,
) -> Result<(), Failure> {
    // SAFETY: as the caller promises.
    let (paths, names) =
        unsafe { (pointer::array(paths, count, "paths")?, pointer::array(names, count, "names")?) };
    call.job.set(|settings| settings.keep_going = keep_going != 0)?;
    for (index, (path, name)) in paths.iter().zip(names).enumerate() {
        // SAFETY: as the caller promises.
        let added = unsafe { (pointer::text(*path, "a path"), pointer::text(*name, "a name")) };
        let added = match added {
            (Ok(path), Ok(name)) => {
                pointer::path(path.as_bytes()).and_then(|path| call.job.add(path, name))
            }
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        };
        added.map_err(|failure| Failure { file: Some(index), ..failure })?;
    }
    Ok(())
}

/// Lists a directory of a native server, in a fixed order.
///
/// @param client     The client.
/// @param directory  Its name, in UTF-8; NULL or "" for the root.
/// @param recursive  0: what is in it. Otherwise all that is below, too.
/// @param each       Is shown each entry, on this thread; NULL to see whether it can be listed.
/// @param user_data  Is handed to it; stays the caller's.
/// @return `FTX_OK`; `FTX_CANCELLED`; `FTX_NOT_FOUND`, `FTX_OTHER_DIALECT` (an original server), and
///         whatever else went wrong; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_NAME_REFUSED`,
///         `FTX_REENTERED`, `FTX_FORKED`. `ftx_last_error` tells more.
///
/// Threads: any, several at the same time, which are then served one after another.
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
        let call = Call::new(unsafe { pointer::handle(client)? }, Kind::List)?;
        if !directory.is_null() {
            // SAFETY: as above.
            let directory = unsafe { pointer::text(directory, "directory")? };
            if !directory.is_empty() {
                call.job.add(pointer::path(b"")?, directory)?;
            }
        }
        call.job.set(|settings| settings.recursive = recursive != 0)?;
        let stopped = Cell::new(false);
        let show = |job: &Job| {
            while let Ok(Some(entry)) = job.next_entry() {
                let Some(each) = each else { continue };
                let entry = FtxEntry::from(&entry);
                let stop = callback::within(job.worker.id, || {
                    // SAFETY: as above; the entry lives until it returns.
                    unsafe { each(&raw const entry, user_data) != 0 }
                });
                if stop {
                    stopped.set(true);
                    break;
                }
            }
            stopped.get()
        };
        let job = Arc::clone(&call.job);
        let result = call.run(|job, _| show(job));
        // The last entries may have come with the end.
        if stopped.get() || (result.is_ok() && show(&job)) {
            return Err(cancelled());
        }
        result
    })
}

/// What a name stands for on a native server.
///
/// @param client  The client.
/// @param name    The name, in UTF-8.
/// @param entry   Is filled in; `struct_size` must be set.
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
        let call = Call::new(client, Kind::Stat)?;
        call.job.add(pointer::path(b"")?, name)?;
        let job = call.run_quietly()?;
        let found = job.next_entry()?.ok_or_else(|| Failure::internal("an entry is missing"))?;
        // SAFETY: as above.
        unsafe { pointer::fill(entry, &FtxEntry::from(&found)) }
    })
}

/// The digest of a file on a native server: BLAKE3, as `b3sum` prints it.
///
/// @param client  The client.
/// @param name    The name of the file, in UTF-8.
/// @param digest  `FTX_DIGEST_BYTES` bytes are written here; nothing, if that fails.
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
            let digest = Out::new(digest.cast::<[u8; FTX_DIGEST_BYTES]>(), "digest")?;
            (pointer::handle(client)?, pointer::text(name, "name")?, digest)
        };
        let call = Call::new(client, Kind::Digest)?;
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
        let call = Call::new(client, Kind::Remove)?;
        call.job.add(pointer::path(b"")?, name)?;
        call.run_quietly().map(|_| ())
    })
}

/// Finds out what the server speaks.
///
/// @param client   The client.
/// @param dialect  `FTX_DIALECT_NATIVE` or `FTX_DIALECT_LEGACY` is written here.
/// @return `FTX_OK`; why the server cannot be reached; `FTX_NULL_POINTER`, `FTX_REENTERED`,
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
            unsafe { (pointer::handle(client)?, Out::new(dialect, "dialect")?) };
        let native = Call::new(client, Kind::Dialect)?.run_quietly()?.native();
        let native = native.ok_or_else(|| Failure::internal("the dialect is missing"))?;
        dialect.set(dialect_code(native));
        Ok(())
    })
}
