//! Clients: a server, its jobs, and a queue of events.

use std::ffi::c_char;
use std::sync::Arc;

use ftx_client::{ParseServerAddrError, Reason, ServerAddr};

use super::config::FtxConfig;
use super::event::FtxEvent;
use crate::failure::Failure;
use crate::guard::{guard, guard_or};
use crate::pointer::{self, Handle, OutParam};
use crate::process::OwnerPid;
use crate::status::AbiStatus;
use crate::worker::SharedClient;

/// A client of one server. It connects on demand, keeps the connection, and runs its jobs one after
/// another. A client that runs jobs has a thread of the library; one that does not has none, and no
/// more than two descriptors: its connection and that of `ftx_client_event_fd`.
pub struct FtxClient {
    owner: OwnerPid,
    pub(crate) worker: Arc<SharedClient>,
}

impl Handle for FtxClient {
    const NAME: &'static str = "ftx_client";

    fn owner(&self) -> OwnerPid {
        self.owner
    }
}

impl FtxClient {
    fn make(address: ServerAddr, config: Option<&FtxConfig>) -> *mut Self {
        let config = config.map(FtxConfig::copied).unwrap_or_default();
        let worker = SharedClient::new(address, config);
        Box::into_raw(Box::new(Self { owner: OwnerPid::this(), worker }))
    }
}

fn parsed(address: Result<ServerAddr, ParseServerAddrError>) -> Result<ServerAddr, Failure> {
    address.map_err(|error| Failure::reason(Reason::InvalidAddress, error.to_string()))
}

/// Creates a client. It does not connect yet, so the server need not be running.
///
/// @param address  "host", "host:port", "1.2.3.4:port", "::1" or `[::1]:port`, in UTF-8. The
///                 default port is 7411.
/// @param config   Settings, which are copied; NULL for the defaults.
/// @param client   The client is written here, and the caller frees it with `ftx_client_free`; NULL
///                 on failure.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_INVALID_ADDRESS` (also for the
///         port 0), `FTX_FORKED` (`config` was made before a fork).
///
/// Threads: any. A client may be used by several threads at the same time. After a `fork`, the
/// child must create its own client, and can only free the one it inherited.
///
/// ```c
/// ftx_client *mine;
/// int32_t status = ftx_client_new("files.example:7411", config, &mine);
/// if (status == FTX_OK)
///     ftx_client_free(mine);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_new(
    address: *const c_char,
    config: *const FtxConfig,
    client: *mut *mut FtxClient,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (address, config) = unsafe {
            OutParam::new(client, "client")?.set(std::ptr::null_mut());
            let config = if config.is_null() { None } else { Some(pointer::handle(config)?) };
            (pointer::text(address, "address")?, config)
        };
        let made = FtxClient::make(parsed(address.parse())?, config);
        // SAFETY: as above.
        unsafe { OutParam::new(client, "client")? }.set(made);
        Ok(())
    })
}

/// Creates a client, as `ftx_client_new`, from a host and a port.
///
/// @param host    A host name or an IP address without brackets, in UTF-8.
/// @param port    The port, from 1 on.
/// @param config  As for `ftx_client_new`.
/// @param client  As for `ftx_client_new`.
/// @return As `ftx_client_new`.
///
/// Threads: as `ftx_client_new`.
///
/// ```c
/// ftx_client *mine;
/// if (ftx_client_new_at("::1", 7411, NULL, &mine) == FTX_OK)
///     ftx_client_free(mine);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_new_at(
    host: *const c_char,
    port: u16,
    config: *const FtxConfig,
    client: *mut *mut FtxClient,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let (host, config) = unsafe {
            OutParam::new(client, "client")?.set(std::ptr::null_mut());
            let config = if config.is_null() { None } else { Some(pointer::handle(config)?) };
            (pointer::text(host, "host")?, config)
        };
        let made = FtxClient::make(parsed(ServerAddr::new(host, port))?, config);
        // SAFETY: as above.
        unsafe { OutParam::new(client, "client")? }.set(made);
        Ok(())
    })
}

/// Frees a client and cancels its jobs. Transferred data is kept, and calls that wait for the jobs
/// return `FTX_CANCELLED`. The handles of the jobs stay valid; the caller must still free them.
///
/// The call waits at most one second for the client's thread to end. Longer work, such as reading
/// from an original server until it has sent everything, ends in the background.
///
/// @param client  The client, invalid afterwards; NULL is ignored. Its descriptor is closed when
///                the last of its jobs is freed.
///
/// Threads: any, also in a callback of the client's calls. No other thread may begin a call with
/// the client.
///
/// ```c
/// ftx_client_free(client);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_free(client: *mut FtxClient) {
    guard_or((), || {
        // SAFETY: the caller keeps to the contract.
        if let Some(client) = unsafe { pointer::retrieve(client) } {
            client.worker.close();
        }
        Ok(())
    });
}

/// Cancels all jobs of the client, including blocking calls on other threads. Transferred data is
/// kept. Returns at once; each job reports its end with an event.
///
/// @param client  The client, which stays usable.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
///
/// Threads: any, also in callbacks; not in a signal handler.
///
/// ```c
/// ftx_client_cancel(client);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_cancel(client: *mut FtxClient) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::handle(client) }?.worker.cancel();
        Ok(())
    })
}

/// A descriptor that is readable as long as an event waits for `ftx_client_next_event`; for `poll`,
/// `select`, `epoll` or an event loop. It is level-triggered. The caller may only poll it, and must
/// not read, write or close it.
///
/// @param client  The client, which owns the descriptor, makes it at the first call, and closes it
///                when it is freed.
/// @return The descriptor; -1 on systems without one (Windows), or on failure (`ftx_last_error` has
///         the reason).
///
/// Threads: any.
///
/// ```c
/// struct pollfd ready = {ftx_client_event_fd(client), POLLIN, 0};
/// poll(&ready, 1, -1);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_event_fd(client: *const FtxClient) -> i32 {
    guard_or(-1, || {
        // SAFETY: the caller keeps to the contract.
        unsafe { pointer::handle(client) }?.worker.events.fd()
    })
}

/// Takes the next event of the started jobs. Never blocks.
///
/// Later progress of a file replaces earlier progress that was not taken. The end of a file and the
/// end of a job are never dropped; the number of files and jobs bounds the memory of the queue.
/// Blocking calls queue no events.
///
/// @param client  The client.
/// @param event   Filled in; `struct_size` must be set.
/// @return `FTX_OK`; `FTX_PENDING` if no event waits; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE` (the
///         event stays queued), `FTX_FORKED`.
///
/// Threads: any; each event goes to one thread.
///
/// ```c
/// ftx_event event;
/// event.struct_size = sizeof event;
/// while (ftx_client_next_event(client, &event) == FTX_OK)
///     if (event.kind == FTX_EVENT_JOB_ENDED)
///         printf("job %u: %s\n", (unsigned)event.job_id, ftx_strerror(event.status));
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftx_client_next_event(
    client: *mut FtxClient,
    event: *mut FtxEvent,
) -> i32 {
    guard(|| {
        // SAFETY: the caller keeps to the contract.
        let client = unsafe { pointer::handle(client)? };
        // SAFETY: as above. Checked first, since a taken event cannot be put back.
        unsafe { pointer::size_of_struct(event)? };
        let taken = client.worker.events.take();
        let taken = taken.ok_or_else(|| Failure::abi(AbiStatus::Pending, "no event waits"))?;
        // SAFETY: as above.
        unsafe { pointer::fill(event, &FtxEvent::from(&taken)) }
    })
}
