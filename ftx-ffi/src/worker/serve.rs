//! Runs the jobs of a client on a thread of the pool.

use std::sync::Arc;

use ftx_client::{Client, Observer};
use tokio::runtime::Runtime;

use super::pool::PoolTask;
use super::{JobRef, SharedClient};
use crate::execute::run;
use crate::failpoint::{self, FailPoint};
use crate::failure::Failure;
use crate::guard::caught;
use crate::thread_state;

/// The task that runs the client's jobs until none is left.
pub(super) fn task(client: Arc<SharedClient>) -> PoolTask {
    Box::new(move |runtime| {
        thread_state::serve(client.id);
        match runtime {
            Ok(runtime) => {
                if let Err(failure) = caught(|| run_jobs(&client, runtime)) {
                    client.give_up(&failure);
                }
            }
            Err(error) => client.fail_jobs(&Failure::system("cannot make an event loop", error)),
        }
        thread_state::serve(0);
    })
}

fn run_jobs(shared: &Arc<SharedClient>, runtime: &Runtime) {
    let new = || Client::new(shared.address.clone(), shared.config.clone()).on_own_thread();
    let mut client = shared.take_idle().unwrap_or_else(|| Box::new(new()));
    while let Some((id, mut free)) = shared.next_job(client) {
        failpoint::point(id, FailPoint::Thread);
        let job = JobRef { client: Arc::clone(shared), id };
        if let Err(failure) = caught(|| run_job(runtime, &mut free, &job)) {
            // The panic leaves the client in an unknown state.
            *free = new();
            job.give_up(failure);
        }
        client = free;
    }
}

fn run_job(runtime: &Runtime, client: &mut Client, job: &JobRef) {
    let Some((cancel, work)) = job.begin() else { return };
    client.set_cancel(cancel);
    client.set_config(work.settings.over(&job.client.config));
    let result = runtime.block_on(run(client, job, work));
    client.set_observer(Observer::default());
    failpoint::point(job.id, FailPoint::End);
    job.finish(result);
}
