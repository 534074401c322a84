//! The ages of stagings, by a clock that does not jump.
//!
//! The system's clock jumps: a machine without a battery boots in 1970 and learns the time later, or an
//! administrator corrects the year. If it determined the age of stagings, one jump forward would remove all
//! of them. So the server counts time itself, and keeps the count in `.ftx/ages`:
//!
//! - While a kernel runs, the count grows with its uptime, whether a server runs or not.
//! - From one boot to the next it grows by the difference of the system's clock, but at most by a day, and
//!   by a quarter of the time that stagings are kept.
//!
//! The age of a staging is the growth of the count since its files were first seen with their present
//! times. Those times are only compared, so it does not matter which clock they are from.
//!
//! ```text
//! ftx-ages 1
//! <count ms> <boot id or -> <uptime ms> <seconds since 1970>
//! <directory> <id> <journal's time ns> <data's time ns> <count ms when they were first seen>
//! ```
//! Without that file, or with a damaged one, all stagings count as new.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;
use ftx_store::{BootId, StagingFiles, StoreError};
use tracing::warn;

use crate::store::local::recovery::StagingId;

const NAME: &str = "ages";
const NEW_NAME: &str = "ages.new";
const HEADER: &str = "ftx-ages 1";

/// The longest time that may pass between two boots.
const OFFLINE_MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// One reading of all clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockReading {
    /// The boot.
    boot: Option<BootId>,
    /// The uptime in milliseconds, of this process where the system does not report its own.
    uptime_ms: u64,
    /// The system's clock.
    unix_secs: u64,
}

/// The clocks that stagings age by.
pub(super) trait AgingClock: Debug + Send + Sync {
    /// Reads all of them.
    fn read(&self) -> ClockReading;
}

/// The clocks of the system.
#[derive(Debug)]
struct SystemClock;

impl AgingClock for SystemClock {
    fn read(&self) -> ClockReading {
        now()
    }
}

/// The first sight of a staging's files with their present times.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    times: [i128; 2],
    at_ms: u64,
    /// The staging was looked up since the last save.
    is_used: bool,
}

/// The count, and the ages of all stagings of a root.
#[derive(Debug)]
pub(super) struct ExpiryClock {
    private_dir: Dir,
    clock: Arc<dyn AgingClock>,
    /// The count at the time of `since`.
    counted_ms: u64,
    since: ClockReading,
    seen: Mutex<HashMap<(String, StagingId), Sighting>>,
}

impl ExpiryClock {
    /// Continues the count of the last server, which is saved in `private_dir`.
    ///
    /// # Errors
    /// The handle of the directory cannot be duplicated.
    pub(super) fn open(private_dir: &Dir, ttl: Duration) -> Result<Self, StoreError> {
        Self::open_with(private_dir, ttl, Arc::new(SystemClock))
    }

    /// As [`open`](Self::open), by other clocks.
    ///
    /// # Errors
    /// The handle of the directory cannot be duplicated.
    pub(super) fn open_with(
        private_dir: &Dir,
        ttl: Duration,
        clock: Arc<dyn AgingClock>,
    ) -> Result<Self, StoreError> {
        let private_dir =
            private_dir.try_clone().map_err(|error| StoreError::io("open", ".ftx", error))?;
        let since = clock.read();
        let text = private_dir.read_to_string(NAME).unwrap_or_default();
        let (counted_ms, seen) = match parse(&text) {
            Some((counted_ms, then, seen)) => {
                let offline_max_ms = OFFLINE_MAX_MS.min(millis(ttl) / 4);
                (counted_ms.saturating_add(passed_ms(&then, &since, offline_max_ms)), seen)
            }
            None => (0, HashMap::new()),
        };
        Ok(Self { private_dir, clock, counted_ms, since, seen: Mutex::new(seen) })
    }

    /// Whether a staging has not been written to for `ttl`. It is in `dir`, which is named `dir_name`.
    pub(super) fn is_expired(
        &self,
        dir_name: &str,
        dir: &Dir,
        id: StagingId,
        ttl: Duration,
    ) -> bool {
        let StagingFiles { data, journal } = id.files();
        let times = [time_of(dir, &journal), time_of(dir, &data)];
        let now_ms = self.count_ms();
        let mut seen = self.seen();
        let entry = seen.entry((dir_name.to_owned(), id)).or_insert(Sighting {
            times,
            at_ms: now_ms,
            is_used: true,
        });
        if entry.times != times {
            (entry.times, entry.at_ms) = (times, now_ms);
        }
        entry.is_used = true;
        now_ms.saturating_sub(entry.at_ms) > millis(ttl)
    }

    /// Saves the count, and the ages of the stagings that were looked up since the last save.
    pub(super) fn save(&self) {
        let ClockReading { boot, uptime_ms, unix_secs } = self.clock.read();
        let boot = boot.map_or_else(|| "-".to_owned(), |boot| hex(&boot));
        let count_ms = self.count_ms();
        let mut text = format!("{HEADER}\n{count_ms} {boot} {uptime_ms} {unix_secs}\n");
        let mut seen = self.seen();
        seen.retain(|_, seen| std::mem::take(&mut seen.is_used));
        for ((dir_name, id), Sighting { times: [journal, data], at_ms, .. }) in &*seen {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{dir_name} {id} {journal} {data} {at_ms}");
        }
        drop(seen);
        let written = self.private_dir.write(NEW_NAME, text);
        if let Err(error) =
            written.and_then(|()| self.private_dir.rename(NEW_NAME, &self.private_dir, NAME))
        {
            warn!(%error, "interrupted uploads may be kept longer than they are meant to be");
        }
    }

    fn count_ms(&self) -> u64 {
        let passed_ms = self.clock.read().uptime_ms.saturating_sub(self.since.uptime_ms);
        self.counted_ms.saturating_add(passed_ms)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<(String, StagingId), Sighting>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time between two readings: exact within a boot, at most `offline_max_ms` otherwise.
fn passed_ms(then: &ClockReading, now: &ClockReading, offline_max_ms: u64) -> u64 {
    if then.boot.is_some() && then.boot == now.boot {
        return now.uptime_ms.saturating_sub(then.uptime_ms);
    }
    let by_clock_ms = now.unix_secs.saturating_sub(then.unix_secs).saturating_mul(1000);
    by_clock_ms.min(offline_max_ms)
}

type SavedClock = (u64, ClockReading, HashMap<(String, StagingId), Sighting>);

/// Parses a saved count; `None` if it is damaged.
fn parse(text: &str) -> Option<SavedClock> {
    let mut lines = text.lines();
    if lines.next()? != HEADER {
        return None;
    }
    let [count_ms, boot, uptime_ms, unix_secs] = fields(lines.next()?)?;
    let moment = ClockReading {
        boot: unhex(boot),
        uptime_ms: uptime_ms.parse().ok()?,
        unix_secs: unix_secs.parse().ok()?,
    };
    let mut seen = HashMap::new();
    for line in lines {
        let [dir_name, id, journal, data, at_ms] = fields(line)?;
        let times = [journal.parse().ok()?, data.parse().ok()?];
        let at_ms = at_ms.parse().ok()?;
        seen.insert(
            (dir_name.to_owned(), StagingId::parse(id)?),
            Sighting { times, at_ms, is_used: false },
        );
    }
    Some((count_ms.parse().ok()?, moment, seen))
}

fn fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    line.split(' ').collect::<Vec<_>>().try_into().ok()
}

fn hex(BootId(bytes): &BootId) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

fn unhex(text: &str) -> Option<BootId> {
    Some(BootId(u128::from_str_radix(text, 16).ok()?.to_be_bytes()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The modification time of a file in nanoseconds since 1970, by any clock; 0 if the file is missing.
fn time_of(dir: &Dir, file: &Path) -> i128 {
    let Ok(Ok(time)) = dir.metadata(file).map(|metadata| metadata.modified()) else { return 0 };
    let nanos = |since: Duration| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX);
    match time.into_std().duration_since(UNIX_EPOCH) {
        Ok(since) => nanos(since),
        Err(error) => nanos(error.duration()).saturating_neg(),
    }
}

fn now() -> ClockReading {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let started = *STARTED;
    let (boot, uptime_ms) = match (BootId::current(), uptime_ms()) {
        (Some(boot), Some(uptime_ms)) => (Some(boot), uptime_ms),
        _ => (None, millis(started.elapsed())),
    };
    ClockReading { boot, uptime_ms, unix_secs: unix.as_secs() }
}

/// The uptime of the kernel, with the time it was suspended; `None` where the system does not report it.
fn uptime_ms() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};

        let time = clock_gettime(ClockId::Boottime);
        let (secs, nanos) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
        Some(secs.saturating_mul(1000).saturating_add(nanos / 1_000_000))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
pub(super) mod tests;
