//! The thread of a client.

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::{Builder as ThreadBuilder, JoinHandle};

use ftx_client::{Client, ClientConfig, Observer, ServerAddr};
use tokio::runtime::{Builder, Runtime};

use super::{ClientThread, JobRef};
use crate::execute::run;
use crate::failpoint::{self, FailPoint};
use crate::failure::Failure;
use crate::guard::{THREAD_PREFIX, caught};
use crate::process::block_signals;
use crate::thread_state;

pub(super) fn spawn(
    client: Arc<ClientThread>,
    address: ServerAddr,
    config: ClientConfig,
) -> io::Result<JoinHandle<()>> {
    ThreadBuilder::new().name(format!("{THREAD_PREFIX}client")).spawn(move || {
        // Before any further thread is created, since threads inherit the mask.
        block_signals();
        thread_state::serve(client.id);
        if let Err(failure) = caught(|| live(&client, &address, &config)) {
            give_up(&client, &failure);
        }
        client.state().over = true;
        client.progress.notify_all();
    })
}

/// The main function of the thread. It creates the event loop here, so that thread-local data of the
/// loop ends with this thread.
fn live(client: &Arc<ClientThread>, address: &ServerAddr, config: &ClientConfig) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_name(format!("{THREAD_PREFIX}disk"))
        .build();
    let (runtime, born) = match runtime {
        Ok(runtime) => (Some(runtime), Ok(())),
        Err(error) => (None, Err(error)),
    };
    client.state().born = Some(born);
    client.progress.notify_all();
    if let Some(runtime) = runtime {
        run_jobs(client, &runtime, address, config);
    }
}

fn run_jobs(
    thread: &Arc<ClientThread>,
    runtime: &Runtime,
    address: &ServerAddr,
    config: &ClientConfig,
) {
    let new = || Client::new(address.clone(), config.clone()).on_own_thread();
    let mut client = new();
    while let Some(id) = next(thread) {
        failpoint::point(id, FailPoint::Thread);
        let job = JobRef { client: Arc::clone(thread), id };
        if let Err(failure) = caught(|| run_job(runtime, &mut client, config, &job)) {
            // The panic leaves the client in an unknown state.
            client = new();
            job.give_up(failure);
        }
    }
}

fn run_job(runtime: &Runtime, client: &mut Client, config: &ClientConfig, job: &JobRef) {
    let Some((cancel, work)) = job.begin() else { return };
    client.set_cancel(cancel);
    client.set_config(work.settings.over(config));
    let result = runtime.block_on(run(client, job, work));
    client.set_observer(Observer::default());
    failpoint::point(job.id, FailPoint::End);
    job.finish(result);
}

/// Waits for the next job; `None` when the client is closed.
fn next(client: &ClientThread) -> Option<u64> {
    let mut state = client.state();
    loop {
        if let Some(id) = state.schedule.pop_front() {
            return Some(id);
        }
        if state.closed {
            return None;
        }
        state = client.work.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Ends all jobs, and refuses later ones, because the thread has failed.
fn give_up(client: &ClientThread, failure: &Failure) {
    let mut state = client.state();
    state.closed = true;
    state.fault = Some(failure.clone());
    state.born = Some(Err(io::Error::other(failure.message.clone())));
    state.running = None;
    client.take_all(&mut state, |job| job.give_up(failure.clone()));
}
