//! Ages by a clock that the tests set.

use cap_std::ambient_authority;

use super::*;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const DAY_SECS: u64 = DAY_MS / 1000;
const TTL: Duration = Duration::from_secs(7 * DAY_SECS);

/// Clocks that the test sets; clones are the same ones.
#[derive(Clone, Debug)]
pub(in crate::store::local) struct ManualClock(Arc<Mutex<ClockReading>>);

impl Default for ManualClock {
    fn default() -> Self {
        let boot = Some(BootId([1; 16]));
        let reading = ClockReading { boot, uptime_ms: 0, unix_secs: 1_700_000_000 };
        Self(Arc::new(Mutex::new(reading)))
    }
}

impl AgingClock for ManualClock {
    fn read(&self) -> ClockReading {
        *self.0.lock().unwrap()
    }
}

impl ManualClock {
    pub(in crate::store::local) fn pass(&self, days: u64) {
        let mut now = self.0.lock().unwrap();
        now.uptime_ms += days * DAY_MS;
        now.unix_secs += days * DAY_SECS;
    }

    fn jump(&self, secs: u64) {
        self.0.lock().unwrap().unix_secs = secs;
    }

    fn boot(&self, id: u8) {
        let mut now = self.0.lock().unwrap();
        (now.boot, now.uptime_ms) = (Some(BootId([id; 16])), 0);
    }
}

/// A staging, and its clocks.
struct Scratch {
    _temp: tempfile::TempDir,
    dir: Dir,
    id: StagingId,
    clock: ManualClock,
}

impl Scratch {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let id = StagingId::parse("7").unwrap();
        dir.write(id.files().data, "").unwrap();
        Self { _temp: temp, dir, id, clock: ManualClock::default() }
    }

    fn start(&self) -> ExpiryClock {
        ExpiryClock::open_with(&self.dir, TTL, Arc::new(self.clock.clone())).unwrap()
    }

    fn is_old(&self, expiry: &ExpiryClock) -> bool {
        let is_old = expiry.is_expired("blocks", &self.dir, self.id, TTL);
        expiry.save();
        is_old
    }
}

#[test]
fn a_staging_that_nobody_writes_to_gets_too_old() {
    let scratch = Scratch::new();
    let expiry = scratch.start();
    assert!(!scratch.is_old(&expiry));
    scratch.clock.pass(7);
    assert!(!scratch.is_old(&expiry));
    scratch.clock.pass(1);
    assert!(scratch.is_old(&expiry));
    // Written to.
    scratch.dir.write(scratch.id.files().journal, "").unwrap();
    assert!(!scratch.is_old(&expiry));
}

#[test]
fn no_server_needs_to_run_meanwhile() {
    let scratch = Scratch::new();
    assert!(!scratch.is_old(&scratch.start()));
    scratch.clock.pass(8);
    assert!(scratch.is_old(&scratch.start()));
}

#[test]
fn a_clock_that_jumps_makes_nothing_older() {
    let scratch = Scratch::new();
    let expiry = scratch.start();
    assert!(!scratch.is_old(&expiry));
    for secs in [4_000_000_000, 0, 1_700_000_000] {
        scratch.clock.jump(secs);
        assert!(!scratch.is_old(&expiry));
        assert!(!scratch.is_old(&scratch.start()));
    }
}

/// A machine without a clock of its own begins in 1970, and learns the time when it runs.
#[test]
fn a_boot_counts_as_a_day_at_most() {
    let scratch = Scratch::new();
    assert!(!scratch.is_old(&scratch.start()));
    for run in 2..=8 {
        scratch.clock.boot(run);
        scratch.clock.jump(1_700_000_000 + u64::from(run) * 365 * DAY_SECS);
        assert!(!scratch.is_old(&scratch.start()), "{run}");
    }
    scratch.clock.boot(9);
    scratch.clock.pass(1);
    assert!(scratch.is_old(&scratch.start()));
}

#[test]
fn a_damaged_file_of_ages_makes_every_staging_new() {
    let scratch = Scratch::new();
    assert!(!scratch.is_old(&scratch.start()));
    scratch.clock.pass(8);
    for damaged in ["", "ftx-ages 2\n", "ftx-ages 1\n1 - 2\n", "ftx-ages 1\n1 - 2 3\nx\n"] {
        scratch.dir.write(NAME, damaged).unwrap();
        assert!(!scratch.is_old(&scratch.start()), "{damaged}");
    }
}

#[test]
fn uptime_grows() {
    assert!(now().uptime_ms <= now().uptime_ms);
    assert_eq!(cfg!(target_os = "linux"), uptime_ms().is_some());
}
