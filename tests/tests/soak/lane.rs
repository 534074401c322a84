//! One step after the other on one file system, until the goals are reached or a step fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use ftx_tests::FsKind;
use ftx_tests::soak::{DECK_STEPS, step};

use super::figures::Figures;
use super::options::Options;
use super::run;
use super::world::World;

pub(crate) struct Lane<'a> {
    kind: FsKind,
    options: &'a Options,
    figures: &'a Figures,
    begin: Instant,
}

impl<'a> Lane<'a> {
    pub(crate) fn new(
        kind: FsKind,
        options: &'a Options,
        figures: &'a Figures,
        begin: Instant,
    ) -> Self {
        Self { kind, options, figures, begin }
    }

    pub(crate) fn run(&self) {
        let numbers = match &self.options.step {
            None => 0..u64::MAX,
            Some((lane, number)) if lane == self.kind.name() => *number..number + 1,
            Some(_) => return,
        };
        let mut current = None;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(self.kind, self.figures);
            for number in numbers {
                if self.is_over(number) {
                    break;
                }
                let step = step(self.options.seed, self.kind as u64, number);
                current = Some(step.clone());
                run::run(&mut world, &step);
                self.figures.count(|figures| &figures.steps);
                self.figures.tell_now_and_then(self.begin.elapsed());
            }
            world.end();
        }));
        if ended.is_err() {
            let step = current.map(|step| (step.number, format!("{step:?}")));
            self.figures.failed(self.kind.name(), self.options.seed, step);
        }
    }

    /// Whether no further step is needed; each lane has every kind of fault.
    fn is_over(&self, number: u64) -> bool {
        let figures = self.figures;
        figures.has_failed()
            || self.options.step.is_none()
                && number >= DECK_STEPS
                && figures.kills() >= self.options.kills
                && figures.power_cuts() >= self.options.power_cuts
                && self.begin.elapsed() >= self.options.time
    }
}
