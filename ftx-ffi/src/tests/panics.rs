//! Wherever a job panics, C gets a status, the job ends, and nothing else does.

use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use ftx_server::store::local::{LocalStore, LocalStoreConfig};
use ftx_server::{Config, Dialects, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::api::call::{ftx_client_download_files, ftx_client_upload};
use crate::api::client::{FtxClient, ftx_client_free, ftx_client_new, ftx_client_next_event};
use crate::api::codes::{
    FTX_EVENT_JOB_ENDED, FTX_INTERNAL, FTX_JOB_DOWNLOAD, FTX_JOB_UPLOAD, FTX_PENDING, FTX_WHOLE_JOB,
};
use crate::api::config::{ftx_config_free, ftx_config_new, ftx_config_set_u64};
use crate::api::control::{ftx_job_start, ftx_job_wait};
use crate::api::error::{FtxError, ftx_last_error};
use crate::api::event::FtxEvent;
use crate::api::job::{FtxJob, ftx_job_add, ftx_job_free, ftx_job_id, ftx_job_new};
use crate::api::result::ftx_job_error;
use crate::event::JobEvent;
use crate::failpoint::{FailPoint, plan, take_back};

/// An upper bound in milliseconds for any step on a busy machine.
const DEADLINE_MS: i64 = 60_000;

/// `FTX_OPTION_STREAMS`.
const OPTION_STREAMS: u32 = 5;

/// Enough files to give a further connection work.
const FILES: usize = 300;

/// A server in this process, and a directory of files to upload.
struct Setting {
    address: CString,
    _root: TempDir,
    local: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Setting {
    fn new() -> Self {
        let (root, local) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for index in 0..FILES {
            for directory in [root.path(), local.path()] {
                std::fs::write(directory.join(index.to_string()), [7; 5000]).unwrap();
            }
        }
        let config = Config::default();
        let store_config = LocalStoreConfig::new(root.path()).for_server(&config);
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                let store = LocalStore::open(&store_config).unwrap();
                let server =
                    Server::start(config, store, Dialects::native().with_legacy()).unwrap();
                server.run(listener, async { drop(stopped.await) }).await;
            });
        });
        let address = CString::new(started.recv().unwrap().to_string()).unwrap();
        Self { address, _root: root, local, stop: Some(stop), thread: Some(thread) }
    }

    fn path(&self, name: &str) -> CString {
        c_path(&self.local.path().join(name))
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(JoinHandle::join);
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.to_str().unwrap()).unwrap()
}

/// A client with two connections, freed when it is dropped.
struct Client(*mut FtxClient);

impl Client {
    fn new(address: &CStr) -> Self {
        let mut client = null_mut();
        // SAFETY: the handles are used as their functions say, and the pointers outlive the calls.
        unsafe {
            let config = ftx_config_new();
            assert_eq!(ftx_config_set_u64(config, OPTION_STREAMS, 2), 0);
            assert_eq!(ftx_client_new(address.as_ptr(), config, &raw mut client), 0);
            ftx_config_free(config);
        }
        Self(client)
    }

    /// A job of one file or of all, not started.
    fn job(&self, setting: &Setting, kind: u32, files: usize) -> Job {
        let mut job = null_mut();
        // SAFETY: as above.
        unsafe {
            assert_eq!(ftx_job_new(self.0, kind, &raw mut job), 0);
            for index in 0..files {
                let path = setting.path(&index.to_string());
                let name = CString::new(index.to_string()).unwrap();
                assert_eq!(ftx_job_add(job, path.as_ptr(), name.as_ptr()), 0);
            }
        }
        Job(job)
    }

    /// Takes all queued events.
    fn events(&self) -> Vec<FtxEvent> {
        std::iter::from_fn(|| {
            let mut event =
                FtxEvent::from(&JobEvent::new(crate::event::JobEventKind::Hashing, None));
            // SAFETY: as above; the struct has its size set.
            let status = unsafe { ftx_client_next_event(self.0, &raw mut event) };
            assert!(status == 0 || status == FTX_PENDING);
            (status == 0).then_some(event)
        })
        .collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: no other code has the handle.
        unsafe { ftx_client_free(self.0) }
    }
}

struct Job(*mut FtxJob);

impl Job {
    fn run(&self) -> i32 {
        // SAFETY: the handle is valid.
        unsafe {
            match ftx_job_start(self.0) {
                0 => ftx_job_wait(self.0, DEADLINE_MS),
                status => status,
            }
        }
    }

    fn id(&self) -> u64 {
        // SAFETY: the handle is valid.
        unsafe { ftx_job_id(self.0) }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // SAFETY: no other code has the handle.
        unsafe { ftx_job_free(self.0) }
    }
}

fn text(error: &FtxError) -> String {
    // SAFETY: the message ends with a NUL.
    unsafe { CStr::from_ptr(error.message.as_ptr()) }.to_str().unwrap().to_owned()
}

fn sized_error() -> FtxError {
    FtxError { struct_size: u32::try_from(size_of::<FtxError>()).unwrap(), ..FtxError::new(None) }
}

/// Makes a job panic, and checks its events and results.
fn panicking(client: &Client, job: &Job, point: FailPoint) {
    plan(job.id(), point);
    assert_eq!(job.run(), FTX_INTERNAL, "{point:?}");
    assert_panic_reported(client, job, point);
}

/// Checks the events and results of a job that has panicked.
fn assert_panic_reported(client: &Client, job: &Job, point: FailPoint) {
    let mut error = sized_error();
    // SAFETY: the handle is valid, and the struct has its size set.
    assert_eq!(unsafe { ftx_job_error(job.0, FTX_WHOLE_JOB, &raw mut error) }, 0);
    let expected = format!("the sky fell on job {}", job.id());
    assert_eq!((error.status, text(&error).contains(&expected)), (FTX_INTERNAL, true), "{point:?}");
    // SAFETY: the struct has its size set.
    assert_eq!(unsafe { ftx_last_error(&raw mut error) }, 0);
    assert!(text(&error).contains(&expected), "{point:?}: {}", text(&error));
    let last = client.events().pop().unwrap();
    let ended = (last.kind, last.job_id, last.status);
    assert_eq!(ended, (FTX_EVENT_JOB_ENDED, job.id(), FTX_INTERNAL), "{point:?}");
}

#[test]
fn a_panic_ends_its_job_and_nothing_else() {
    let setting = Setting::new();
    let client = Client::new(&setting.address);
    for point in [FailPoint::Begin, FailPoint::Tell, FailPoint::End] {
        let next = client.job(&setting, FTX_JOB_UPLOAD, 1);
        panicking(&client, &client.job(&setting, FTX_JOB_UPLOAD, 1), point);
        assert_eq!(next.run(), 0);
        client.events();
    }
}

#[test]
fn a_panic_on_the_thread_of_a_further_connection_ends_the_job() {
    // All files may be done before the further connection is open.
    let has_panicked = (0..50).any(|_| panicking_on_stream());
    assert!(has_panicked, "nothing is told on the thread of a further connection");
}

/// Whether the thread of a further connection reported an event, and so has panicked.
fn panicking_on_stream() -> bool {
    let setting = Setting::new();
    let client = Client::new(&setting.address);
    // The thread that has a file hashes its present bytes, and reports that.
    let job = client.job(&setting, FTX_JOB_DOWNLOAD, FILES);
    let point = FailPoint::TellOnStream;
    plan(job.id(), point);
    let status = job.run();
    if take_back(job.id()) {
        assert_eq!(status, 0);
        return false;
    }
    assert_eq!(status, FTX_INTERNAL, "{point:?}");
    assert_panic_reported(&client, &job, point);
    assert_eq!(client.job(&setting, FTX_JOB_DOWNLOAD, FILES).run(), 0);
    true
}

#[test]
fn without_its_thread_a_client_answers_with_a_status() {
    let setting = Setting::new();
    let client = Client::new(&setting.address);
    let (first, second) =
        (client.job(&setting, FTX_JOB_UPLOAD, 1), client.job(&setting, FTX_JOB_UPLOAD, 1));
    panicking(&client, &first, FailPoint::Thread);
    assert_eq!(second.run(), FTX_INTERNAL);
    let (path, name) = (setting.path("0"), c"0");
    // SAFETY: the handle is valid, the texts end with a NUL, and there is no callback.
    unsafe {
        let status =
            ftx_client_upload(client.0, path.as_ptr(), name.as_ptr(), None, null_mut::<c_void>());
        assert_eq!(status, FTX_INTERNAL);
        let (names, paths) = ([name.as_ptr()], [path.as_ptr()]);
        let (names, paths) = (names.as_ptr(), paths.as_ptr());
        let status = ftx_client_download_files(client.0, names, paths, 1, 0, None, null_mut());
        assert_eq!(status, FTX_INTERNAL);
    }
}
