//! The progress of a command's transfers, for people.
//!
//! | module | part |
//! |---|---|
//! | here, `file`, `speed` | the model: counts events; it knows neither clock nor terminal |
//! | `view`, `render` | the content at one moment, and its lines |
//! | `summary` | the lines at the end |
//! | `format` | sizes, times and names |

mod file;
pub(crate) mod format;
pub(crate) mod render;
mod speed;
mod summary;
mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use ftx_client::Event;
use ftx_io::ErrorChain;

use self::file::ActiveFile;
use self::speed::Speed;
pub(crate) use self::summary::TransferSummary;
pub(crate) use self::view::{Amount, DetailView, FileState, ProgressView, ScanView, WholeView};

/// Bytes that take about as long as a file's fixed cost, for the remaining time of many small files.
const FILE_COST_BYTES: u64 = 16 * 1024;

/// The speed is too uncertain before, so no remaining time is shown.
const ETA_AFTER: Duration = Duration::from_secs(1);

/// The progress of a command's transfers. Times are counted from its start.
#[derive(Debug)]
pub(crate) struct Progress {
    scan: ScanView,
    /// Number of the files that are going to be transferred.
    files: u64,
    /// No further files are found.
    is_complete: bool,
    /// Bytes of the files whose sizes are known, in place or not.
    total_bytes: u64,
    /// Files of unknown size.
    unsized_files: u64,
    /// Bytes in place.
    done_bytes: u64,
    /// Files under way, by their positions.
    active: BTreeMap<usize, ActiveFile>,
    /// The file that is shown because it takes long, until it ends.
    slow: Option<usize>,
    ended: TransferSummary,
    /// The failed attempt, until something moves again.
    retry: Option<Retry>,
    /// Set with the first file.
    pace: Option<TransferPace>,
}

/// The speed of the network, and that of all work.
#[derive(Debug)]
struct TransferPace {
    since: Duration,
    moved: Speed,
    work: Speed,
}

/// The latest failed attempt.
#[derive(Debug, PartialEq, Eq)]
struct Retry {
    attempt: u32,
    until: Duration,
    error: String,
}

/// The end of a file that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Bytes that the last attempt moved over the network.
    pub(crate) moved: u64,
    pub(crate) already_there: bool,
    /// Its size, in case that no event told it.
    pub(crate) size: Option<u64>,
}

/// The end of a file that was not transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileEnd {
    Failed,
    /// It vanished before its turn.
    Vanished,
    Cancelled,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            scan: ScanView::default(),
            files: 0,
            is_complete: false,
            total_bytes: 0,
            unsized_files: 0,
            done_bytes: 0,
            active: BTreeMap::new(),
            slow: None,
            ended: TransferSummary::default(),
            retry: None,
            pace: None,
        }
    }

    /// A file was found.
    pub(crate) fn found(&mut self, size: Option<u64>) {
        self.retry = None;
        self.scan.files += 1;
        self.scan.bytes = self.scan.bytes.saturating_add(size.unwrap_or(0));
    }

    /// All files are found; `sizes` are those of all files, as far as they are known.
    pub(crate) fn expect(&mut self, sizes: impl Iterator<Item = Option<u64>>, now: Duration) {
        sizes.for_each(|size| self.expect_file(size, now));
        self.all_expected(now);
    }

    /// A file is going to be transferred. More may be found while others are under way.
    pub(crate) fn expect_file(&mut self, size: Option<u64>, now: Duration) {
        self.files += 1;
        match size {
            Some(size) => self.total_bytes = self.total_bytes.saturating_add(size),
            None => self.unsized_files += 1,
        }
        self.begin_pace(now);
    }

    /// No further files are found.
    pub(crate) fn all_expected(&mut self, now: Duration) {
        self.is_complete = true;
        self.begin_pace(now);
    }

    fn begin_pace(&mut self, now: Duration) {
        let pace = || TransferPace { since: now, moved: Speed::new(now), work: Speed::new(now) };
        self.pace.get_or_insert_with(pace);
    }

    /// A file begins; `size` as it was expected.
    pub(crate) fn begin(&mut self, file: usize, name: &str, size: Option<u64>, now: Duration) {
        self.active.entry(file).or_insert_with(|| ActiveFile::new(name, size, now));
    }

    /// Counts an event of a file. Returns whether it is news: a failed attempt concerns all files under way,
    /// and each has its event.
    pub(crate) fn observe(&mut self, file: usize, event: &Event<'_>, now: Duration) -> bool {
        if let Event::Retrying { attempt, pause, error } = event {
            return self.on_retrying(*attempt, now + *pause, ErrorChain(*error).to_string());
        }
        self.retry = None;
        let Some(active) = self.active.get_mut(&file) else { return false };
        match *event {
            Event::Hashing { done, total } => {
                active.state = FileState::Hashing;
                active.hashed = Amount::of(done, total);
            }
            Event::Waiting => active.state = FileState::Waiting,
            Event::Started { from, size } => self.on_started(file, from, size, now),
            Event::Progress { done, moved, .. } => self.on_progress(file, done, moved, now),
            Event::Draining { left } => {
                active.state = FileState::Draining;
                active.draining = left;
            }
            _ => return false,
        }
        true
    }

    fn on_retrying(&mut self, attempt: u32, until: Duration, error: String) -> bool {
        let is_same = |retry: &Retry| retry.attempt == attempt && retry.error == error;
        if self.retry.as_ref().is_some_and(is_same) {
            return false;
        }
        self.ended.retries += 1;
        self.retry = Some(Retry { attempt, until, error });
        true
    }

    fn on_started(&mut self, file: usize, from: u64, size: u64, now: Duration) {
        self.resize(file, size);
        let Some(active) = self.active.get_mut(&file) else { return };
        active.state = FileState::Moving;
        active.moved_before += std::mem::take(&mut active.moved);
        self.done_bytes = self.done_bytes.saturating_sub(active.done).saturating_add(from);
        active.done = from;
        (active.since, active.done_at, active.moved_at) = (now, now, now);
    }

    /// Sets the size of a file.
    fn resize(&mut self, file: usize, size: u64) {
        let Some(active) = self.active.get_mut(&file) else { return };
        match active.size.replace(size) {
            Some(before) => self.total_bytes = self.total_bytes.saturating_sub(before),
            None => self.unsized_files = self.unsized_files.saturating_sub(1),
        }
        self.total_bytes = self.total_bytes.saturating_add(size);
    }

    /// Several connections tell of one file, not always in order.
    fn on_progress(&mut self, file: usize, done: u64, moved: u64, now: Duration) {
        let Some(active) = self.active.get_mut(&file) else { return };
        let further = done.saturating_sub(active.done);
        if active.state == FileState::Draining {
            active.draining = active.draining.saturating_sub(further);
        } else {
            active.state = FileState::Moving;
        }
        active.done += further;
        active.done_at = now;
        self.done_bytes = self.done_bytes.saturating_add(further);
        let new = moved.saturating_sub(active.moved);
        active.moved += new;
        if new > 0 {
            active.moved_at = now;
        }
        self.count(new, further, now);
    }

    /// Counts bytes that went over the network, and work.
    fn count(&mut self, moved: u64, work: u64, now: Duration) {
        self.ended.moved = self.ended.moved.saturating_add(moved);
        if let Some(pace) = &mut self.pace {
            pace.moved.add(moved, now);
            pace.work.add(work, now);
        }
    }

    /// A file is done.
    pub(crate) fn finish(&mut self, file: usize, finished: Finished, now: Duration) {
        let Finished { moved, already_there, size } = finished;
        let known = self.active.get(&file).and_then(|active| active.size);
        self.resize(file, known.or(size).unwrap_or(moved));
        self.retry = None;
        let Some(active) = self.active.remove(&file) else { return };
        let size = active.size.unwrap_or(0);
        let rest = size.saturating_sub(active.done);
        self.done_bytes = self.done_bytes.saturating_add(rest);
        // A file that was there is as much work as it would have been otherwise: those that follow are alike.
        let work = if already_there { size } else { rest };
        let new = moved.saturating_sub(active.moved);
        self.count(new, work.saturating_add(FILE_COST_BYTES), now);
        let all_moved = active.moved_before + active.moved + new;
        self.ended.saved = self.ended.saved.saturating_add(size.saturating_sub(all_moved));
        if already_there {
            self.ended.already_there += 1;
        } else {
            self.ended.transferred += 1;
        }
    }

    /// A file was not transferred. Its rest is no longer part of the whole.
    pub(crate) fn fail(&mut self, file: usize, end: FileEnd) {
        match end {
            FileEnd::Failed => self.ended.failed += 1,
            // The summary of what cannot be transferred counts it.
            FileEnd::Vanished => self.ended.vanished += 1,
            FileEnd::Cancelled => {}
        }
        let Some(active) = self.active.remove(&file) else { return };
        match active.size {
            Some(size) => {
                let rest = size.saturating_sub(active.done);
                self.total_bytes = self.total_bytes.saturating_sub(rest);
            }
            None => self.unsized_files = self.unsized_files.saturating_sub(1),
        }
    }

    /// The totals so far.
    pub(crate) fn summary(&self, now: Duration) -> TransferSummary {
        let left = self.files.saturating_sub(self.ended.ended_files());
        TransferSummary { left, time: now, ..self.ended }
    }

    /// The content of the display.
    pub(crate) fn view(&mut self, now: Duration) -> ProgressView {
        if self.pace.is_none() {
            return ProgressView::Scanning { scan: self.scan, detail: self.retrying(now) };
        }
        let (files, is_complete) = (self.files, self.is_complete);
        let ended = self.ended.ended_files();
        let cost = |files: u64| files.saturating_mul(FILE_COST_BYTES);
        let known = |total| (is_complete && self.unsized_files == 0).then_some(total);
        let bytes = Amount { done: self.done_bytes, total: known(self.total_bytes) };
        let work = Amount {
            done: self.done_bytes.saturating_add(cost(ended)),
            total: known(self.total_bytes.saturating_add(cost(files))),
        };
        let is_single = is_complete && files == 1;
        let first = || self.active.values().next().map(|active| active.name.clone());
        let name = if is_single { first() } else { None };
        let (eta, detail) = (self.eta(work, now), self.detail(is_single, now));
        let speed = self.pace.as_mut().and_then(|pace| pace.moved.per_second(now));
        let files = Amount { done: ended, total: is_complete.then_some(files) };
        ProgressView::Whole(WholeView { name, files, bytes, work, speed, eta, detail })
    }

    /// The remaining time. `None` while nothing moves, or if not all sizes are known.
    fn eta(&mut self, work: Amount, now: Duration) -> Option<Duration> {
        let is_at = |state| self.active.values().any(|active| active.state_at(now) == state);
        let blocks =
            [FileState::Hashing, FileState::Waiting, FileState::Draining, FileState::Finishing];
        let moves = [FileState::Moving, FileState::Comparing];
        let is_blocked = !moves.into_iter().any(is_at) && blocks.into_iter().any(is_at);
        if self.retry.is_some() || is_blocked {
            return None;
        }
        let left = work.total?.saturating_sub(work.done);
        let pace = self.pace.as_mut().filter(|pace| now.saturating_sub(pace.since) >= ETA_AFTER)?;
        let secs = left.checked_div(pace.work.per_second(now)?)?;
        Some(Duration::from_secs(secs.max(u64::from(left > 0))))
    }

    fn retrying(&self, now: Duration) -> Option<DetailView> {
        let Retry { attempt, until, error } = self.retry.as_ref()?;
        let (pause, error) = (until.saturating_sub(now), error.clone());
        Some(DetailView::Retrying { attempt: *attempt, pause, error })
    }

    fn detail(&mut self, is_single: bool, now: Duration) -> Option<DetailView> {
        if let Some(retrying) = self.retrying(now) {
            return Some(retrying);
        }
        let shown =
            |file: usize| self.active.get(&file).filter(|active| active.is_shown(is_single, now));
        let kept = self.slow.filter(|file| shown(*file).is_some());
        let largest = || {
            let files = self.active.iter().filter(|(_, active)| active.is_shown(is_single, now));
            files.max_by_key(|(_, active)| active.left()).map(|(file, _)| *file)
        };
        self.slow = kept.or_else(largest);
        let file = self.active.get(&self.slow?)?;
        let (name, state, amount) = (file.name.clone(), file.state_at(now), file.amount());
        Some(DetailView::File { name, state, amount })
    }
}

#[cfg(test)]
mod tests;
