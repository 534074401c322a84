//! Every arrow of the graph, driven by hand, and the rules that hold after any steps.

use super::*;

const FILE: usize = 0;

/// A job with one file.
fn new() -> Job {
    let mut job = Job::new(7, JobKind::Upload);
    job.add("a".into(), "a").unwrap();
    job
}

fn queued() -> Job {
    let mut job = new();
    let effects = job.start(Ok(())).unwrap();
    assert_eq!((effects.schedule, kind(&effects)), (Some(ScheduleChange::Append), None));
    job
}

fn running() -> Job {
    let mut job = queued();
    assert!(job.begin());
    job
}

fn paused() -> Job {
    let mut job = queued();
    assert_eq!(kind(&job.pause().unwrap()), Some(JobEventKind::JobPaused));
    job
}

fn ended() -> Job {
    let mut job = running();
    assert_eq!(kind(&job.finish(Ok(()))), Some(JobEventKind::JobEnded));
    job
}

fn kind(effects: &Effects) -> Option<JobEventKind> {
    effects.event.map(|event| event.kind)
}

fn status(job: &Job) -> Option<i32> {
    job.outcome().err().map(|failure| failure.status)
}

fn failed() -> Failure {
    Failure::internal("the sky fell")
}

#[test]
fn a_job_runs_from_its_start_to_its_end() {
    let mut job = new();
    assert!(!job.begin());
    let effects = job.start(Ok(())).unwrap();
    assert_eq!((job.phase(), effects.schedule), (Phase::Queued, Some(ScheduleChange::Append)));
    assert!(job.begin() && !job.begin());
    assert_eq!(job.phase(), Phase::Running);
    let event = job.file_ended(FILE, Ok(FileOutcome::default())).event.unwrap();
    assert_eq!((event.kind, event.job, event.totals.done), (JobEventKind::FileEnded, 7, 1));
    let effects = job.finish(Ok(()));
    assert_eq!((job.phase(), kind(&effects)), (Phase::Ended, Some(JobEventKind::JobEnded)));
    assert!(effects.has_ended && job.outcome().is_ok());
}

#[test]
fn only_a_new_job_is_filled_and_started() {
    for mut job in [queued(), running(), paused(), ended()] {
        let refused = [
            job.add("b".into(), "b").unwrap_err(),
            job.set(|settings| settings.recursive = true).unwrap_err(),
            job.tell_size(FILE, 1).unwrap_err(),
            job.start(Ok(())).unwrap_err(),
        ];
        let wrong = AbiStatus::WrongState.code();
        assert!(refused.iter().all(|failure| failure.status == wrong), "{:?}", job.phase());
        assert_eq!(job.file_count(), 1);
    }
}

#[test]
fn a_client_that_refuses_the_job_leaves_it_as_it_is() {
    let (mut fresh, mut resting) = (new(), paused());
    assert!(fresh.start(Err(failed())).is_err());
    assert!(resting.resume(Err(failed())).is_err());
    assert_eq!((fresh.phase(), resting.phase()), (Phase::New, Phase::Paused));
}

#[test]
fn a_queued_job_pauses_at_once_and_resumes_behind_the_others() {
    let mut job = queued();
    let effects = job.pause().unwrap();
    assert_eq!(kind(&effects), Some(JobEventKind::JobPaused));
    assert_eq!(effects.schedule, Some(ScheduleChange::Remove));
    assert!(!job.begin());
    assert_eq!(kind(&job.pause().unwrap()), None);
    let effects = job.resume(Ok(())).unwrap();
    assert_eq!((job.phase(), effects.schedule), (Phase::Queued, Some(ScheduleChange::Append)));
    assert_eq!(job.resume(Ok(())).unwrap().schedule, None);
}

#[test]
fn a_running_job_pauses_when_its_transfer_has_stopped() {
    let mut job = running();
    let effects = job.pause().unwrap();
    assert_eq!((job.phase(), effects.stop), (Phase::Running, Some(Stop::Soft)));
    assert_eq!(job.pause().unwrap().stop, None);
    // The file goes on after the pause, so it has not failed.
    assert_eq!(kind(&job.file_ended(FILE, Err(cancelled()))), None);
    assert_eq!(kind(&job.finish(Err(cancelled()))), Some(JobEventKind::JobPaused));
    assert_eq!((job.phase(), job.work().todo.len()), (Phase::Paused, 1));
    assert!(job.resume(Ok(())).is_ok() && job.begin());
}

#[test]
fn a_transfer_that_ends_before_the_pause_ends_the_job() {
    let mut job = running();
    assert!(job.pause().is_ok());
    assert_eq!(kind(&job.finish(Ok(()))), Some(JobEventKind::JobEnded));
    let mut job = running();
    assert!(job.pause().is_ok());
    assert_eq!(kind(&job.finish(Err(failed()))), Some(JobEventKind::JobEnded));
    assert_eq!(status(&job), Some(Reason::Internal.code()));
}

#[test]
fn a_job_resumed_before_its_transfer_stopped_runs_again() {
    let mut job = running();
    assert!(job.pause().is_ok() && job.resume(Ok(())).is_ok());
    let effects = job.finish(Err(cancelled()));
    assert_eq!((job.phase(), kind(&effects)), (Phase::Queued, None));
    assert_eq!(effects.schedule, Some(ScheduleChange::Append));
    // And pauses again if that is the last wish.
    let mut job = running();
    assert!(job.pause().is_ok() && job.resume(Ok(())).is_ok() && job.pause().is_ok());
    assert_eq!(kind(&job.finish(Err(cancelled()))), Some(JobEventKind::JobPaused));
}

#[test]
fn a_job_that_does_not_run_is_cancelled_at_once() {
    for mut job in [new(), queued(), paused()] {
        let effects = job.cancel(Stop::Soft);
        assert_eq!((kind(&effects), effects.stop), (Some(JobEventKind::JobEnded), None));
        assert_eq!(status(&job), Some(Reason::Cancelled.code()));
        assert!(effects.has_ended && !job.begin());
    }
    let effects = ended().cancel(Stop::Hard);
    assert_eq!((kind(&effects), effects.stop), (None, None));
}

#[test]
fn a_running_job_is_cancelled_when_its_transfer_has_stopped() {
    let mut job = running();
    assert_eq!(job.cancel(Stop::Soft).stop, Some(Stop::Soft));
    assert_eq!(job.cancel(Stop::Hard).stop, Some(Stop::Hard));
    // A pause comes too late.
    assert_eq!(job.pause().unwrap().stop, None);
    assert_eq!(kind(&job.file_ended(FILE, Err(cancelled()))), Some(JobEventKind::FileEnded));
    assert_eq!(kind(&job.finish(Err(cancelled()))), Some(JobEventKind::JobEnded));
    assert_eq!(status(&job), Some(Reason::Cancelled.code()));
}

#[test]
fn the_first_failure_of_a_file_is_that_of_the_job() {
    let mut job = running();
    assert_eq!(kind(&job.file_ended(FILE, Err(failed()))), Some(JobEventKind::FileEnded));
    assert_eq!(kind(&job.file_ended(FILE, Ok(FileOutcome::default()))), None);
    assert_eq!(kind(&job.finish(Ok(()))), Some(JobEventKind::JobEnded));
    assert_eq!(job.outcome().unwrap_err().file, Some(FILE));
}

#[test]
fn an_internal_error_ends_a_job_in_any_phase_once() {
    for mut job in [new(), queued(), running(), paused()] {
        assert_eq!(kind(&job.give_up(failed())), Some(JobEventKind::JobEnded));
        assert_eq!(kind(&job.give_up(failed())), None);
        assert_eq!(kind(&job.finish(Ok(()))), None);
    }
}

#[test]
fn a_released_job_emits_nothing_and_is_over_when_it_has_ended() {
    let mut job = running();
    let effects = job.release();
    assert_eq!((effects.forgets_events, effects.stop), (true, Some(Stop::Soft)));
    assert!(!job.is_over());
    assert_eq!(kind(&job.tell(JobEvent::new(JobEventKind::Progress, Some(FILE)))), None);
    assert_eq!(kind(&job.finish(Err(cancelled()))), None);
    assert!(job.is_over());
    let mut job = new();
    let effects = job.release();
    assert!(effects.event.is_none() && job.is_over());
}

#[test]
fn a_listing_has_room_again_when_a_full_queue_is_read() {
    let mut job = Job::new(1, JobKind::List);
    assert!(job.start(Ok(())).is_ok() && job.begin());
    let listed = || {
        let name = RemoteName::parse("a").unwrap();
        let (kind, meta) = (ftx_client::EntryKind::File, Default::default());
        Listed::Entry(ftx_client::Entry { name, kind, size: 1, meta })
    };
    for _ in 0..MAX_WAITING_ENTRIES {
        assert!(!job.is_full());
        assert_eq!(kind(&job.put_entry(listed())), Some(JobEventKind::Entries));
    }
    assert!(job.is_full());
    // A thread that waits for the end takes no entries.
    assert!(job.begin_wait().has_room && !job.is_full());
    job.end_wait();
    assert!(job.is_full());
    let (entry, effects) = job.next_entry().unwrap();
    assert!(entry.is_some() && effects.has_room && !job.is_full());
    assert!(!job.next_entry().unwrap().1.has_room);
    assert!(job.cancel(Stop::Soft).has_room);
}

type JobStep = fn(&mut Job) -> Effects;

/// All steps that change the phase.
const STEPS: [JobStep; 10] = [
    |job| job.start(Ok(())).unwrap_or_default(),
    |job| job.pause().unwrap_or_default(),
    |job| job.resume(Ok(())).unwrap_or_default(),
    |job| job.cancel(Stop::Soft),
    |job| {
        job.begin();
        Effects::default()
    },
    |job| job.finish(Ok(())),
    |job| job.finish(Err(cancelled())),
    |job| job.file_ended(FILE, Err(cancelled())),
    |job| job.give_up(failed()),
    Job::release,
];

/// Tries all sequences of steps after those taken.
fn explore(steps: usize, taken: &mut Vec<usize>) {
    let (mut job, mut ends, mut scheduled) = (new(), 0, false);
    for step in &*taken {
        let effects = STEPS[*step](&mut job);
        scheduled = match effects.schedule {
            Some(ScheduleChange::Append) => true,
            Some(ScheduleChange::Remove) => false,
            None => scheduled,
        };
        scheduled &= job.phase() != Phase::Running;
        assert!(ends == 0 || effects.event.is_none(), "an event after the end: {taken:?}");
        ends += usize::from(effects.has_ended);
        assert!(!effects.has_ended || job.has_ended(), "{taken:?}");
    }
    assert_eq!(ends, usize::from(job.has_ended()), "{taken:?}");
    assert!(job.phase() != Phase::Queued || scheduled, "queued, and never run: {taken:?}");
    if taken.len() < steps && !job.is_over() {
        for step in 0..STEPS.len() {
            taken.push(step);
            explore(steps, taken);
            taken.pop();
        }
    }
}

#[test]
fn after_any_steps_a_job_has_ended_at_most_once_and_is_scheduled_while_it_is_queued() {
    explore(5, &mut Vec::new());
}
