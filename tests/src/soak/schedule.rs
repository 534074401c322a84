//! The steps of a long run: each is a transfer and a fault that strikes it, drawn from the seed of the
//! run, the lane and the number of the step alone, so that any step can be run by itself.

use crate::random::Random;

const MIB: u64 = 1 << 20;

/// Bytes of a block, which is sent as a whole.
pub const BLOCK_BYTES: u64 = MIB;

/// The bytes between two checkpoints of an upload in the original's protocol.
pub const CHECKPOINT_BYTES: u64 = 4 * MIB;

/// Thousandths of a whole.
const WHOLE: u64 = 1000;

/// A day in seconds.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The kinds of fault in a deck, with the number of each. Each deck is shuffled anew.
const DECK: [(Kind, usize); 10] = [
    (Kind::PowerCut, 9),
    (Kind::Rot, 1),
    (Kind::KillServer, 5),
    (Kind::KillClient, 4),
    (Kind::Cut, 2),
    (Kind::Stall, 1),
    (Kind::Flip, 2),
    (Kind::FullDisk, 1),
    (Kind::Failing, 3),
    (Kind::ClockJump, 1),
];

/// The number of steps in which every kind of fault occurs.
pub const DECK_STEPS: u64 = {
    let (mut steps, mut at) = (0, 0);
    while at < DECK.len() {
        steps += DECK[at].1 as u64;
        at += 1;
    }
    steps
};

/// The calls of the server that are made to fail, and the errors. `write` is left out: it also wakes the
/// server's own threads, which no disk can prevent.
const CALLS: [&str; 7] =
    ["fsync", "fsync", "syncfs", "pwrite64", "renameat2", "renameat", "utimensat"];
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    KillServer,
    KillClient,
    PowerCut,
    /// A power cut that leaves an unfinished upload on the disk, with a byte of it changed.
    Rot,
    Cut,
    Stall,
    Flip,
    FullDisk,
    Failing,
    ClockJump,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL of the server.
    KillServer,
    /// SIGKILL of the client.
    KillClient,
    /// The power of the disk that both sides write to.
    PowerCut {
        /// What the disk has been given unasked.
        write_back: WriteBack,
        /// Whether a byte of an unfinished transfer has changed afterwards.
        rots: bool,
        /// Whether each sync of the receiver takes its time, so that the power goes while it lasts.
        slow: bool,
    },
    /// Connections are cut.
    Cut,
    /// Connections stand still.
    Stall,
    /// A byte changes on its way.
    Flip,
    /// The disk is full.
    FullDisk,
    /// A call of the server fails on each of its threads.
    Failing {
        /// The name of the call.
        call: &'static str,
        /// The error.
        error: &'static str,
        /// The number of the call, from 1.
        nth: u64,
    },
    /// The clock of the server is set.
    ClockJump {
        /// By how much.
        seconds: i64,
        /// Whether the server is killed right after it, and started again with this clock.
        kills: bool,
    },
}

/// What the system has written back by itself before the power goes, beside all that was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteBack {
    /// Nothing.
    Nothing,
    /// Changes of names, sizes and attributes, and not the bytes of the files.
    Names,
    /// Some of the files.
    Files,
    /// All that was written at the moment.
    Everything,
}

/// The moment at which the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// This many thousandths of the bytes have arrived, and nothing is under way.
    Settled(u64),
    /// At least this many thousandths of the bytes have passed, and more follow.
    Racing(u64),
    /// This many thousandths of the files are acknowledged.
    Acknowledged(u64),
    /// The client has ended.
    Done,
}

/// The direction of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// An upload.
    Up,
    /// A download.
    Down,
}

/// The protocol of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Our own.
    Native,
    /// The original's.
    Legacy,
}

/// The files of a transfer, by their names and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// Small files beside each other.
    Small(Vec<(String, u64)>),
    /// One large file.
    Large(Vec<(String, u64)>),
    /// A directory.
    Tree(Vec<(String, u64)>),
}

/// A transfer, and a fault that strikes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the lane, from 0.
    pub number: u64,
    /// The fault.
    pub fault: Fault,
    /// When it strikes.
    pub moment: Moment,
    /// The direction.
    pub way: Way,
    /// The protocol.
    pub dialect: Dialect,
    /// Whether the connections are encrypted.
    pub tls: bool,
    /// Connections of the client.
    pub streams: usize,
    /// The files.
    pub load: Load,
    /// Whether files of these names are there before.
    pub overwrites: bool,
    /// Whether the client that is struck retries by itself.
    pub retries: bool,
    /// The seed of everything else.
    pub seed: u64,
}

impl Dialect {
    /// The name that the client has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Legacy => "legacy",
        }
    }
}

impl Load {
    /// The names and bytes of the files.
    #[must_use]
    pub fn files(&self) -> &[(String, u64)] {
        match self {
            Self::Small(files) | Self::Large(files) | Self::Tree(files) => files,
        }
    }

    /// The bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files().iter().map(|(_, len)| len).sum()
    }
}

impl Step {
    /// Whether the old version of each file has all blocks of the new one but the first.
    #[must_use]
    pub fn changes_first_block(&self) -> bool {
        self.overwrites && !self.seed.is_multiple_of(2)
    }

    /// The bytes of files that are sent if nothing is in the way.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        let takes_over = self.changes_first_block() && self.dialect == Dialect::Native;
        let most = if takes_over { BLOCK_BYTES } else { u64::MAX };
        self.load.files().iter().map(|(_, len)| most.min(*len)).sum()
    }
}

/// Step `number` of a lane in the run with this seed.
#[must_use]
pub fn step(seed: u64, lane: u64, number: u64) -> Step {
    let (deck, place) = (number / DECK_STEPS, number % DECK_STEPS);
    let kind = shuffled(stream(seed, lane, deck, 1))[usize::try_from(place).unwrap()];
    let mut random = stream(seed, lane, number, 2);
    let way = if random.below(3) == 0 { Way::Down } else { Way::Up };
    let dialect = if random.below(3) == 0 { Dialect::Legacy } else { Dialect::Native };
    // A call of the server that fails, and a clock that is wrong, are the server's.
    let is_of_server = matches!(kind, Kind::Failing | Kind::ClockJump | Kind::Rot);
    let way = if is_of_server { Way::Up } else { way };
    let fault = fault(kind, &mut random);
    let moment = moment(kind, &mut random);
    let load = load(number, kind, dialect, &mut random);
    Step {
        number,
        fault,
        moment,
        way,
        dialect,
        // Unencrypted, the original's protocol has no digest of a whole file to find the byte by.
        tls: random.below(2) == 0 || (kind == Kind::Flip && dialect == Dialect::Legacy),
        streams: if dialect == Dialect::Native && random.below(2) == 0 { 4 } else { 1 },
        load,
        overwrites: random.below(2) == 0 && kind != Kind::Rot,
        retries: random.below(3) == 0 && kind != Kind::Rot,
        seed: random.below(1 << 40),
    }
}

/// A stream of its own for each use.
fn stream(seed: u64, lane: u64, number: u64, usage: u64) -> Random {
    let mut random = Random::new(seed);
    for word in [lane, number, usage] {
        random = Random::new(random.below(1 << 62) ^ word);
    }
    random
}

fn shuffled(mut random: Random) -> Vec<Kind> {
    let mut deck: Vec<_> =
        DECK.iter().flat_map(|&(kind, count)| std::iter::repeat_n(kind, count)).collect();
    for at in (1..deck.len()).rev() {
        deck.swap(at, random.below(at as u64 + 1) as usize);
    }
    deck
}

fn fault(kind: Kind, random: &mut Random) -> Fault {
    let pick = random.below(1 << 32);
    match kind {
        Kind::KillServer => Fault::KillServer,
        Kind::KillClient => Fault::KillClient,
        Kind::PowerCut => Fault::PowerCut {
            // With those after a call that failed, half of all lose everything that was not synced.
            write_back: match random.below(5) {
                0 | 1 => WriteBack::Nothing,
                2 => WriteBack::Names,
                3 => WriteBack::Files,
                _ => WriteBack::Everything,
            },
            rots: pick.is_multiple_of(2),
            slow: random.below(3) == 0,
        },
        Kind::Rot => Fault::PowerCut { write_back: WriteBack::Everything, rots: true, slow: false },
        Kind::Cut => Fault::Cut,
        Kind::Stall => Fault::Stall,
        Kind::Flip => Fault::Flip,
        Kind::FullDisk => Fault::FullDisk,
        Kind::Failing => Fault::Failing {
            call: CALLS[(pick % CALLS.len() as u64) as usize],
            error: ERRORS[random.below(2) as usize],
            nth: 1 + random.below(3),
        },
        Kind::ClockJump => Fault::ClockJump {
            seconds: [-400, -1, 1, 30, 400][(pick % 5) as usize] * DAY_SECONDS,
            kills: random.below(2) == 0,
        },
    }
}

fn moment(kind: Kind, random: &mut Random) -> Moment {
    let (pick, part) = (random.below(6), random.below(WHOLE));
    match (kind, pick) {
        // Half of all power cuts follow an answer: the promise is what counts.
        (Kind::PowerCut, 0 | 1) | (Kind::KillServer, 0) => Moment::Done,
        (Kind::PowerCut | Kind::KillServer | Kind::KillClient, 2) => Moment::Acknowledged(part),
        (Kind::ClockJump, _) => Moment::Settled(part),
        (Kind::Rot, _) => Moment::Settled(WHOLE / 2 + part / 3),
        (_, 3) => Moment::Racing(part),
        _ => Moment::Settled(part),
    }
}

fn load(number: u64, kind: Kind, dialect: Dialect, random: &mut Random) -> Load {
    let pick = random.below(3);
    // A clock that jumps must not cost an unfinished upload, so there is one.
    let pick = if matches!(kind, Kind::ClockJump | Kind::Rot) { 0 } else { pick };
    match (pick, dialect) {
        // Half of it is enough for a checkpoint.
        (0, _) if kind == Kind::Rot => {
            let len = 2 * CHECKPOINT_BYTES + MIB + random.below(MIB);
            Load::Large(vec![(format!("s{number}-large"), len)])
        }
        (0, _) => Load::Large(vec![(format!("s{number}-large"), large(random))]),
        // It has no directories in uploads.
        (1, _) | (_, Dialect::Legacy) => {
            let count = 4 + random.below(12);
            Load::Small((0..count).map(|it| (format!("s{number}-{it}"), small(random))).collect())
        }
        _ => {
            let count = 8 + random.below(12);
            let name = |it: u64| match it % 4 {
                0 => format!("s{number}/{it}"),
                1 => format!("s{number}/d/{it}"),
                _ => format!("s{number}/d/e/{it}"),
            };
            let mut files: Vec<_> = (0..count).map(|it| (name(it), small(random))).collect();
            files.push((format!("s{number}/z/large"), MIB + random.below(MIB)));
            Load::Tree(files)
        }
    }
}

fn large(random: &mut Random) -> u64 {
    4 * MIB + random.below(5 * MIB)
}

fn small(random: &mut Random) -> u64 {
    let most = [1, 5000, 70_000, 300_000][random.below(4) as usize];
    random.below(most)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::mem::discriminant;

    use super::{
        BLOCK_BYTES, DECK, DECK_STEPS, Dialect, Fault, Kind, Load, Moment, Step, WriteBack, step,
    };

    fn steps(seed: u64, lane: u64) -> Vec<Step> {
        (0..3 * DECK_STEPS).map(|number| step(seed, lane, number)).collect()
    }

    #[test]
    fn equal_seeds_give_equal_steps_and_others_do_not() {
        for seed in 0..20 {
            assert_eq!(steps(seed, 0), steps(seed, 0));
            assert_ne!(steps(seed, 0), steps(seed, 1));
            assert_ne!(steps(seed, 0), steps(seed + 1, 0));
        }
    }

    #[test]
    fn each_deck_has_every_kind_of_fault_as_often_as_it_says() {
        for seed in 0..20 {
            let steps = steps(seed, 0);
            for deck in steps.chunks(usize::try_from(DECK_STEPS).unwrap()) {
                let kinds: Vec<_> = deck.iter().map(|step| discriminant(&step.fault)).collect();
                // Both are power cuts.
                let of = |kind| DECK.iter().filter(|it| it.0 == kind).map(|it| it.1).sum::<usize>();
                let others = DECK.iter().filter(|it| !matches!(it.0, Kind::PowerCut | Kind::Rot));
                let mut counts: Vec<_> = others.map(|it| it.1).collect();
                counts.push(of(Kind::PowerCut) + of(Kind::Rot));
                let mut found: Vec<_> = kinds
                    .iter()
                    .map(|kind| kinds.iter().filter(|other| *other == kind).count())
                    .collect();
                // One for each kind.
                found.sort_unstable();
                counts = counts.iter().flat_map(|&it| std::iter::repeat_n(it, it)).collect();
                counts.sort_unstable();
                assert_eq!(found, counts);
            }
            assert_ne!(steps[..30], steps[30..60]);
        }
    }

    #[test]
    fn every_variation_occurs() {
        let steps: Vec<_> = (0..8).flat_map(|seed| steps(seed, 0)).collect();
        let has = |what: &dyn Fn(&Step) -> bool| steps.iter().any(what);
        for native in [true, false] {
            for tls in [true, false] {
                for overwrites in [true, false] {
                    assert!(has(&|it| (it.dialect == Dialect::Native, it.tls, it.overwrites)
                        == (native, tls, overwrites)));
                }
            }
        }
        assert!(has(&|it| it.streams == 4) && has(&|it| it.streams == 1));
        assert!(has(&|it| matches!(it.load, Load::Tree(_))));
        for write_back in
            [WriteBack::Nothing, WriteBack::Names, WriteBack::Files, WriteBack::Everything]
        {
            for (rots, slow) in [(true, true), (true, false), (false, true), (false, false)] {
                assert!(has(&|it| it.fault == Fault::PowerCut { write_back, rots, slow }));
            }
        }
        assert!(has(&|it| it.moment == Moment::Done) && has(&|it| it.retries));
    }

    #[test]
    fn half_of_the_power_cuts_come_before_any_write_back() {
        let steps = (0..40).flat_map(|seed| steps(seed, 0));
        let write_backs = steps.filter_map(|step| match step.fault {
            Fault::PowerCut { write_back, .. } => Some(write_back),
            // The power is cut after it.
            Fault::Failing { .. } => Some(WriteBack::Nothing),
            _ => None,
        });
        let (nothing, some): (Vec<_>, Vec<_>) =
            write_backs.partition(|write_back| *write_back == WriteBack::Nothing);
        let all = nothing.len() + some.len();
        assert!(
            (all * 4 / 10..all * 6 / 10).contains(&nothing.len()),
            "{} of {all}",
            nothing.len()
        );
    }

    #[test]
    fn of_files_that_keep_their_other_blocks_only_the_first_is_sent() {
        let all_steps = (0..8).flat_map(|seed| steps(seed, 0));
        for step in all_steps.filter(Step::changes_first_block) {
            let all = step.load.bytes();
            match (&step.load, step.dialect) {
                (Load::Large(_), Dialect::Native) => assert_eq!(step.sent_bytes(), BLOCK_BYTES),
                (_, Dialect::Legacy) => assert_eq!(step.sent_bytes(), all),
                _ => assert!(step.sent_bytes() <= all),
            }
        }
    }

    #[test]
    fn names_belong_to_their_step_and_only_native_steps_have_trees() {
        let mut names = BTreeSet::new();
        for step in steps(7, 1) {
            assert!(step.load.files().iter().all(|(name, _)| names.insert(name.clone())));
            let is_tree = matches!(step.load, Load::Tree(_));
            assert!(!is_tree || step.dialect == Dialect::Native);
            assert!(step.load.bytes() < 16 << 20);
        }
    }
}
