//! Clients: a server, a thread, and a queue of events.

use std::ffi::c_char;
use std::sync::Arc;

use ftx_client::{Reason, ServerAddr};

use super::config::FtxConfig;
use super::event::FtxEvent;
use crate::failure::Failure;
use crate::guard::{guard, guard_or};
use crate::pointer::{self, Handle, OutParam};
use crate::process::OwnerPid;
use crate::status::AbiStatus;
use crate::worker::ClientThread;

/// A client of one server. It connects when that is needed, keeps the connection, and does its jobs
/// one after another on a thread of its own.
pub struct FtxClient {
    owner: OwnerPid,
    pub(crate) worker: Arc<ClientThread>,
}

impl Handle for FtxClient {
    const NAME: &'static str = "ftx_client";

    fn owner(&self) -> OwnerPid {
        self.owner
    }
}

impl FtxClient {
    fn make(address: ServerAddr, config: Option<&FtxConfig>) -> Result<*mut Self, Failure> {
        let config = config.map(FtxConfig::copied).unwrap_or_default();
        let worker = ClientThread::start(address, config)?;
        Ok(Box::into_raw(Box::new(Self { owner: OwnerPid::this(), worker })))
    }
}

/// Makes a client. Nothing is connected yet, so the server need not be there.
///
/// @param address  "host", "host:port", "1.2.3.4:port", "::1" or `[::1]:port`, in UTF-8. Without a
///                 port it is 7411.
/// @param config   Settings, which are copied; NULL for the defaults.
/// @param client   The client is written here, to be freed with `ftx_client_free`; NULL if that
///                 fails.
/// @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_INVALID_ADDRESS`,
///         `FTX_NO_RESOURCES`, `FTX_FORKED` (the settings are another process's).
///
/// Threads: any. A client may be used by several threads at the same time. After a `fork`, the child
/// can do nothing with it but free it; it makes one of its own.
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
        let address = address
            .parse()
            .map_err(|error| Failure::reason(Reason::InvalidAddress, format!("{error}")))?;
        let made = FtxClient::make(address, config)?;
        // SAFETY: as above.
        unsafe { OutParam::new(client, "client")? }.set(made);
        Ok(())
    })
}

/// Makes a client, as `ftx_client_new`, of a host and a port.
///
/// @param host    A host name or an IP address without brackets, in UTF-8.
/// @param port    The port.
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
        if host.is_empty() || host.contains(char::is_whitespace) {
            let message = format!("'{host}' is no host name");
            return Err(Failure::reason(Reason::InvalidAddress, message));
        }
        let made = FtxClient::make(ServerAddr::new(host, port), config)?;
        // SAFETY: as above.
        unsafe { OutParam::new(client, "client")? }.set(made);
        Ok(())
    })
}

/// Frees a client. Its jobs are cancelled: what was transferred is kept, and calls that wait for
/// them return `FTX_CANCELLED`. Their handles stay valid, and are still to be freed.
///
/// It waits for the end of the work for a moment, at most a second; what takes longer, such as an
/// original server that must be listened to until it has finished, ends by itself.
///
/// @param client  A client, not to be used any more; NULL is ignored. Its descriptor is closed when
///                the last of its jobs is freed.
///
/// Threads: any, also in a callback of the client's own calls. No other thread may begin a call with
/// it.
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

/// Cancels all that the client is doing, calls that block on other threads as well. What was
/// transferred is kept. Returns at once; each job tells its end.
///
/// @param client  The client, which can be used further.
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
/// `select`, `epoll` or an event loop. It is level-triggered, and only to be looked at: never to be
/// read, written or closed.
///
/// @param client  The client, which owns the descriptor and closes it when it is freed.
/// @return The descriptor; -1 where there is no such thing (Windows), and if that fails
///         (`ftx_last_error` says why).
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
        Ok(unsafe { pointer::handle(client) }?.worker.events.fd())
    })
}

/// Takes the next event of the jobs that were started. It never waits.
///
/// Progress that was not taken is replaced by later progress of the same file. The end of a file and
/// the end of a job are never dropped; they take no more room than the files and jobs that the
/// caller has made. Calls that block put nothing here.
///
/// @param client  The client.
/// @param event   Is filled in; `struct_size` must be set.
/// @return `FTX_OK`; `FTX_PENDING` if there is none; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE` (the event
///         stays), `FTX_FORKED`.
///
/// Threads: any; each event is given to one.
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
        // SAFETY: as above. Looked at first, since what is taken is gone.
        unsafe { pointer::size_of_struct(event)? };
        let taken = client.worker.events.take();
        let taken = taken.ok_or_else(|| Failure::abi(AbiStatus::Pending, "no event waits"))?;
        // SAFETY: as above.
        unsafe { pointer::fill(event, &FtxEvent::from(&taken)) }
    })
}
