//! The time of day, by which tokens expire.

use std::fmt::Debug;
use std::time::SystemTime;

/// Tells the time of day.
pub trait WallClock: Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// The clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemWallClock;

impl WallClock for SystemWallClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
