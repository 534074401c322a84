//! The parts of a long run of faults that touch nothing: its [`schedule`](step), drawn from a seed,
//! and the [`Ledger`] of its promises.

mod ledger;
mod schedule;

pub use ledger::{Digest, Ledger, Owner, Verdict};
pub use schedule::{
    BLOCK_BYTES, CHECKPOINT_BYTES, DECK_STEPS, Dialect, Fault, Load, Moment, Step, Way, WriteBack,
    step,
};
