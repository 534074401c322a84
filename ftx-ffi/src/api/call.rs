//! Blocking transfers; `ask` has the blocking queries.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Instant;

use super::client::FtxClient;
use super::event::{FtxEvent, FtxProgressFn};
use crate::event::{JobEvent, JobEventKind};
use crate::failure::Failure;
use crate::guard::guard;
use crate::job::{JobKind, Stop};
use crate::pointer;
use crate::process::OwnerPid;
use crate::queue::EventQueue;
use crate::worker::{JobHandle, JobRef};
use crate::{callback, thread_state};

/// A job whose events stay with the calling thread.
pub(super) struct Call {
    pub(super) job: JobHandle,
    events: Arc<EventQueue>,
    /// The calling thread reads the sizes of the files while the client's thread begins to transfer
    /// them.
    sizes: bool,
}

impl Call {
    pub(super) fn new(client: &FtxClient, kind: JobKind) -> Result<Self, Failure> {
        callback::check(client.worker.id)?;
        // The handle of the client is not used after this, so a callback may free it.
        let events = Arc::new(EventQueue::new());
        let job = client.worker.new_job(kind, Some(Arc::clone(&events)));
        job.set(|settings| settings.sizes = false)?;
        Ok(Self { job, events, sizes: false })
    }

    /// Runs the job to its end. Cancels it early if `tell` asks for that.
    pub(super) fn run(
        &self,
        mut tell: impl FnMut(&JobRef, &JobEvent) -> bool,
    ) -> Result<(), Failure> {
        let owner = OwnerPid::this();
        self.job.start()?;
        if self.sizes {
            self.job.look_at_sizes();
        }
        let (mut stopped, mut last) = (false, None);
        loop {
            for event in self.events.wait(last) {
                if event.kind == JobEventKind::JobEnded {
                    return self.job.outcome();
                }
                if stopped {
                    continue;
                }
                let stop = tell(&self.job, &event);
                // The callback may fork and return twice: the child has no thread that runs the
                // job.
                owner.check()?;
                if stop {
                    stopped = true;
                    self.job.cancel(Stop::Soft);
                }
            }
            last = Some(Instant::now());
        }
    }

    /// Runs the job to its end, and returns it for its results.
    pub(super) fn run_quietly(self) -> Result<JobHandle, Failure> {
        self.run(|_, _| false)?;
        Ok(self.job)
    }

    /// Runs the job with a callback of the caller.
    ///
    /// # Safety
    /// `progress` can be called with `user_data`.
    unsafe fn run_with(
        mut self,
        progress: FtxProgressFn,
        user_data: *mut c_void,
    ) -> Result<(), Failure> {
        let Some(progress) = progress else { return self.run_quietly().map(|_| ()) };
        self.sizes = true;
        self.run(|job, event| {
            if event.kind == JobEventKind::Entries {
                return false;
            }
            let event = FtxEvent { job_id: job.id, user_data, ..FtxEvent::from(event) };
            // SAFETY: as the caller promises; the event lives until it returns.
            thread_state::in_callback(job.client_id(), || unsafe {
                progress(&raw const event, user_data) != 0
            })
        })
    }
}

/// Uploads a file, and returns when the server has confirmed that all of it is stored. The
/// confirmation of an original server is not reliable, so the client checks size and MD5 there.
///
/// An interrupted transfer is resumed automatically.
///
/// @param client     The client.
/// @param path       The local file, in UTF-8.
/// @param name       The name on the server: parts separated by `/`, in UTF-8.
/// @param progress   Called with each event, on this thread; NULL for none.
/// @param user_data  Passed to `progress`; the caller keeps ownership.
/// @return `FTX_OK`, also if the file was up to date; `FTX_CANCELLED`; the failure of the last
///         attempt; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_NAME_REFUSED`,
///         `FTX_REENTERED`, `FTX_NO_RESOURCES` (the system gives no thread), `FTX_FORKED`.
///         `ftx_last_error` has the details.
///
/// Threads: any, several at the same time; their files are transferred one after another.
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
        let call = Call::new(client, JobKind::Upload)?;
        call.job.add(pointer::path(path.as_bytes())?, name)?;
        // SAFETY: as above.
        unsafe { call.run_with(progress, user_data) }
    })
}

/// Downloads a file. It appears under its path once it is complete and verified; until then it
/// grows in `path` + ".ftxpart", from which an interrupted download resumes.
///
/// @param client     The client.
/// @param name       Its name on the server, in UTF-8.
/// @param path       The local path, in UTF-8; the directory is created if it does not exist.
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
        let call = Call::new(client, JobKind::Download)?;
        call.job.add(pointer::path(path.as_bytes())?, name)?;
        // SAFETY: as above.
        unsafe { call.run_with(progress, user_data) }
    })
}

/// Uploads files; in the native dialect, many at the same time.
///
/// @param client      The client.
/// @param paths       The local files, `count` texts in UTF-8.
/// @param names       Their names on the server, `count` texts in UTF-8.
/// @param count       The number of files; 0 does nothing.
/// @param keep_going  0: the first failure ends the call. Otherwise the call continues with the
///                    other files.
/// @param progress    As for `ftx_client_upload`; events carry the index of their file.
/// @param user_data   As for `ftx_client_upload`.
/// @return `FTX_OK` if all files are done; otherwise the first failure, as `ftx_client_upload`;
///         `ftx_last_error` has the index of the file.
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
            let call = Call::new(pointer::handle(client)?, JobKind::Upload)?;
            add_files(&call, paths, names, count, keep_going)?;
            call.run_with(progress, user_data)
        }
    })
}

/// Downloads files; in the native dialect, many at the same time.
///
/// @param client      The client.
/// @param names       Their names on the server, `count` texts in UTF-8.
/// @param paths       The local paths, `count` texts in UTF-8.
/// @param count       The number of files; 0 does nothing.
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
            let call = Call::new(pointer::handle(client)?, JobKind::Download)?;
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
