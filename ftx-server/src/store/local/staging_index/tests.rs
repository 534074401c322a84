//! Every change of a staging's state, by hand.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cap_std::ambient_authority;
use ftx_core::RemoteName;
use ftx_core::native::wire::Token;
use tempfile::TempDir;

use super::*;
use crate::auth::Principal;
use crate::store::local::expiry::tests::ManualClock;

/// Stagings that a principal may have.
const MOST: usize = 5;

const TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const PATIENCE: Duration = Duration::from_secs(10);
const OWN: Option<UploadOwner> = Some(UploadOwner::Run(Token([1; 16])));
const OTHER: Option<UploadOwner> = Some(UploadOwner::Run(Token([2; 16])));
const NOBODY: Option<UploadOwner> = None;

/// A writer that has been silent for so long.
#[derive(Clone, Copy, Debug)]
struct Writer(Duration);

const ALIVE: Writer = Writer(Duration::ZERO);
const SILENT: Writer = Writer(PATIENCE);

impl WriterHandle for Writer {
    type Known = u32;

    fn silence(&self) -> Duration {
        self.0
    }
}

struct Scratch {
    _temp: TempDir,
    dir: Dir,
    clock: ManualClock,
    expiry: ExpiryClock,
    index: Arc<StagingIndex<Writer>>,
}

impl Scratch {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let clock = ManualClock::default();
        let expiry = ExpiryClock::open_with(&dir, TTL, Arc::new(clock.clone())).unwrap();
        let index = open(&dir, &expiry);
        Self { _temp: temp, dir, clock, expiry, index }
    }

    /// A new staging with files, and its lease.
    fn create(&self) -> StagingLease<Writer> {
        let lease = self.index.create(&key(), OWN);
        for file in [lease.files().data, lease.files().journal] {
            lease.dir().get().write(file, "").unwrap();
        }
        lease
    }

    fn state(&self) -> StagingState<Writer> {
        let mut entries = self.index.of(&key());
        assert_eq!(entries.len(), 1);
        entries.remove(0).state
    }

    fn access(&self, owner: Option<UploadOwner>) -> &'static str {
        let claimant = Claimant { owner, takeover_after: PATIENCE };
        match self.index.of(&key()).remove(0).access(&claimant) {
            Access::Lease => "lease",
            Access::Reclaim { .. } => "reclaim",
            Access::TakeOver { .. } => "take over",
            Access::Wait(_) => "wait",
            Access::Alive => "alive",
            Access::Leased => "leased",
        }
    }

    fn files(&self) -> usize {
        self.dir.read_dir("stagings").unwrap().count()
    }
}

fn open(dir: &Dir, expiry: &ExpiryClock) -> Arc<StagingIndex<Writer>> {
    let key_of = |_: &Dir, _: &StagingFiles| Ok(Some(key()));
    let mut config = LocalStoreConfig::new("");
    (config.staging_ttl, config.stagings_per_user) = (TTL, MOST);
    StagingIndex::open(dir, "stagings", expiry, &config, key_of).unwrap()
}

fn key() -> StagingKey {
    StagingKey::new(&RemoteName::parse("a.bin").unwrap(), &Principal::user("alice"))
}

#[test]
fn a_lease_takes_a_staging_through_its_states() {
    let scratch = Scratch::new();
    let mut lease = scratch.create();
    assert!(matches!(scratch.state(), StagingState::Leased { owner: OWN, is_new: true, .. }));
    lease.write_as(ALIVE, OWN);
    assert!(matches!(scratch.state(), StagingState::Written { owner: OWN, .. }));
    lease.hold(OTHER);
    assert!(matches!(scratch.state(), StagingState::Leased { owner: OTHER, is_new: false, .. }));
    lease.release(7);
    assert!(matches!(scratch.state(), StagingState::Idle(7)));
    let id = scratch.index.of(&key()).remove(0).id;
    let lease = scratch.index.lease(&key(), id, OTHER).unwrap();
    assert!(matches!(scratch.state(), StagingState::Leased { owner: OTHER, is_new: false, .. }));
    drop(lease);
    assert!(matches!(scratch.state(), StagingState::Idle(0)));
    scratch.index.lease(&key(), id, OTHER).unwrap().remove();
    assert!(scratch.index.of(&key()).is_empty() && scratch.index.get(&key(), id).is_none());
    assert_eq!(scratch.files(), 2);
}

#[test]
fn each_change_wakes_the_waiting() {
    let changes: [fn(StagingLease<Writer>); 6] = [
        |mut lease| wakes(&lease.index.clone(), || lease.write_as(ALIVE, OWN)),
        |mut lease| wakes(&lease.index.clone(), || lease.hold(OWN)),
        |lease| wakes(&lease.index.clone(), || lease.release(1)),
        |lease| wakes(&lease.index.clone(), || lease.remove()),
        |lease| wakes(&lease.index.clone(), || lease.discard()),
        |lease| wakes(&lease.index.clone(), || drop(lease)),
    ];
    for change in changes {
        change(Scratch::new().create());
        let mut written = Scratch::new().create();
        written.write_as(SILENT, OTHER);
        change(written);
    }
}

fn wakes(index: &StagingIndex<Writer>, change: impl FnOnce()) {
    let changed = index.of(&key()).remove(0).state.changed().unwrap().clone();
    assert!(!changed.has_ended());
    change();
    assert!(changed.has_ended());
}

/// The table of the module.
#[test]
fn owners_reclaim_and_others_wait_for_silence() {
    let scratch = Scratch::new();
    let mut lease = scratch.create();
    let all = |scratch: &Scratch| [OWN, OTHER, NOBODY].map(|owner| scratch.access(owner));
    assert_eq!(all(&scratch), ["wait", "leased", "leased"]);
    lease.write_as(ALIVE, OWN);
    assert_eq!(all(&scratch), ["reclaim", "alive", "alive"]);
    lease.write_as(SILENT, OWN);
    assert_eq!(all(&scratch), ["reclaim", "take over", "take over"]);
    lease.hold(OWN);
    assert_eq!(all(&scratch), ["wait", "leased", "leased"]);
    // A staging of nobody is nobody's own, not even another nobody's.
    lease.write_as(ALIVE, NOBODY);
    assert_eq!(all(&scratch), ["alive", "alive", "alive"]);
    lease.hold(NOBODY);
    assert_eq!(all(&scratch), ["leased", "leased", "leased"]);
    drop(lease);
    assert_eq!(all(&scratch), ["lease", "lease", "lease"]);
}

#[test]
fn only_an_idle_staging_can_be_leased() {
    let scratch = Scratch::new();
    let mut lease = scratch.create();
    let id = scratch.index.of(&key()).remove(0).id;
    let is_refused = || scratch.index.lease(&key(), id, OWN).is_none();
    assert!(is_refused());
    lease.write_as(SILENT, OWN);
    assert!(is_refused());
    drop(lease);
    let lease = scratch.index.lease(&key(), id, OTHER).unwrap();
    assert!(is_refused());
    lease.remove();
    assert!(is_refused());
}

#[test]
fn a_panic_leaves_the_staging_idle() {
    let scratch = Scratch::new();
    for is_written in [false, true] {
        let mut lease = scratch.create();
        let changed = scratch.state().changed().unwrap().clone();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            if is_written {
                lease.write_as(ALIVE, OWN);
            }
            let _lease = lease;
            std::panic::resume_unwind(Box::new("in the middle"));
        }));
        assert!(panicked.is_err() && changed.has_ended());
        assert!(matches!(scratch.state(), StagingState::Idle(0)));
        scratch.index.discard_idle(&key());
    }
}

#[test]
fn after_a_takeover_the_old_writer_changes_nothing() {
    let scratch = Scratch::new();
    let mut lease = scratch.create();
    lease.write_as(SILENT, OWN);
    let old_writer = Mutex::new(Some(lease));
    let mut taken = old_writer.lock().unwrap().take().unwrap();
    taken.hold(OTHER);
    drop(old_writer);
    assert!(matches!(scratch.state(), StagingState::Leased { owner: OTHER, .. }));
    taken.write_as(ALIVE, OTHER);
    assert!(matches!(scratch.state(), StagingState::Written { owner: OTHER, .. }));
}

#[test]
fn only_idle_stagings_are_discarded() {
    let scratch = Scratch::new();
    let (mut written, leased) = (scratch.create(), scratch.create());
    written.write_as(ALIVE, OWN);
    scratch.create().release(1);
    drop(scratch.create());
    scratch.index.discard_idle(&key());
    assert_eq!((scratch.index.of(&key()).len(), scratch.files()), (2, 4));
    drop((written, leased));
    scratch.index.discard_idle(&key());
    assert_eq!((scratch.index.of(&key()).len(), scratch.files()), (0, 0));
}

#[test]
fn only_idle_stagings_expire() {
    let scratch = Scratch::new();
    let (mut written, leased) = (scratch.create(), scratch.create());
    written.write_as(SILENT, OWN);
    drop(scratch.create());
    let expire = || {
        scratch.index.expire(&scratch.expiry, TTL);
        scratch.index.of(&key()).len()
    };
    assert_eq!(expire(), 3);
    scratch.clock.pass(8);
    assert_eq!(expire(), 2);
    drop((written, leased));
    // First seen when they were idle.
    assert_eq!(expire(), 2);
    scratch.clock.pass(8);
    assert_eq!((expire(), scratch.files()), (0, 0));
}

#[test]
fn stagings_of_earlier_runs_are_idle() {
    let scratch = Scratch::new();
    drop(scratch.create());
    let mut lease = scratch.create();
    lease.write_as(ALIVE, OWN);
    let again = open(&scratch.dir, &scratch.expiry);
    let entries = again.of(&key());
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| matches!(entry.state, StagingState::Idle(0))));
    assert_eq!(again.idle(|_| true).len(), 2);
    // Their numbers are not given again.
    let new = again.create(&key(), OWN);
    assert!(entries.iter().all(|entry| entry.id.files().data != new.files().data));
    drop(lease);
}

#[test]
fn a_principal_finds_and_discards_its_own_stagings_only() {
    let scratch = Scratch::new();
    drop(scratch.create());
    let name = key().name().clone();
    for other in [Principal::Anonymous, Principal::Legacy, Principal::user("bob")] {
        let other = StagingKey::new(&name, &other);
        assert!(scratch.index.of(&other).is_empty());
        let id = scratch.index.of(&key()).remove(0).id;
        assert!(scratch.index.get(&other, id).is_none());
        assert!(scratch.index.lease(&other, id, OWN).is_none());
        scratch.index.discard_idle(&other);
        assert_eq!((scratch.index.of(&key()).len(), scratch.files()), (1, 2));
    }
}

#[test]
fn a_principal_has_its_stagings_and_others_have_theirs() {
    let scratch = Scratch::new();
    let mut leases: Vec<_> = (0..MOST).map(|_| scratch.create()).collect();
    let refusal = scratch.index.check_room(&key()).unwrap_err();
    assert_eq!(refusal.limit, Some(Limit::StagingsPerUser));
    assert!(refusal.message.contains("max_stagings_per_user"), "{refusal}");
    // Interrupted ones count too, after a restart as well.
    leases.pop().unwrap().release(0);
    assert!(scratch.index.check_room(&key()).is_err());
    assert!(open(&scratch.dir, &scratch.expiry).check_room(&key()).is_err());
    let bob = StagingKey::new(&RemoteName::parse("a.bin").unwrap(), &Principal::user("bob"));
    assert!(scratch.index.check_room(&bob).is_ok());
    leases.pop().unwrap().discard();
    assert!(scratch.index.check_room(&key()).is_ok());
    leases.into_iter().for_each(StagingLease::discard);
    scratch.index.discard_idle(&key());
    assert!(scratch.index.with(|index| index.counts.is_empty()));
}
