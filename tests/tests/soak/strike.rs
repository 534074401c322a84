//! A transfer up to the moment at which a fault strikes it.

use std::time::{Duration, Instant};
use std::{mem, thread};

use ftx_tests::soak::{Load, Moment, Step, Way};
use ftx_tests::{DEADLINE, Plan, Process, Proxy, Strace};

use super::transfer::{Files, direction, reported};
use super::world::World;

/// Bytes a second of a line on which a transfer lasts long enough to be struck.
const LINE_BYTES_A_SECOND: u64 = 64 << 20;

/// Time between two looks at a transfer: less than a sync takes on a slow disk.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// A client whose transfer is to be struck.
pub(crate) struct Attempt {
    pub(crate) client: Process,
    pub(crate) proxy: Proxy,
    /// Bytes that the receiver has read, and no more are under way.
    pub(crate) arrived: Option<u64>,
}

impl World<'_> {
    /// Starts the transfer of a step through a line with a plan for each connection.
    pub(crate) fn attempt(
        &mut self,
        step: &Step,
        files: &Files,
        plan: impl Fn(usize) -> Plan + Send + 'static,
        flags: &[&str],
        under: Option<&Strace>,
    ) -> Attempt {
        let proxy = Proxy::start(self.server().addr(), plan);
        if let Moment::Settled(part) = step.moment {
            proxy.let_pass(direction(step.way), step.sent_bytes() * part / 1000);
        }
        self.begin(step.way, files);
        let retries = if step.retries { "20" } else { "0" };
        let client = self.client(step, step.way, proxy.addr());
        let client = client.args(["--retries", retries]).args(flags);
        let client = match under {
            Some(strace) => client.under(strace),
            None => client,
        };
        Attempt { client: client.spawn(), proxy, arrived: None }
    }

    /// Starts it, and returns at the moment of the step, or when the client has ended before.
    pub(crate) fn attempt_until_moment(&mut self, step: &Step, files: &Files) -> Attempt {
        self.attempt_under(step, files, None)
    }

    /// As [`attempt_until_moment`](Self::attempt_until_moment), with the calls of the client failing or
    /// taking their time.
    pub(crate) fn attempt_under(
        &mut self,
        step: &Step,
        files: &Files,
        under: Option<&Strace>,
    ) -> Attempt {
        let line = match step.moment {
            Moment::Racing(_) => Plan::default().rate(LINE_BYTES_A_SECOND),
            _ => Plan::default(),
        };
        let mut attempt = self.attempt(step, files, move |_| line, &[], under);
        let (bytes, way) = (step.sent_bytes(), direction(step.way));
        let (mut was_quiet, begin) = (false, Instant::now());
        let is_now = loop {
            let has_ended = attempt.client.ended().is_some();
            let passed = attempt.proxy.count(way);
            let is_now = match step.moment {
                Moment::Done => false,
                Moment::Racing(part) => passed >= bytes * part / 1000,
                Moment::Acknowledged(part) => {
                    let files = files.files.len() as u64 * part / 1000;
                    reported(&attempt.client.stdout()).len() as u64 > files
                }
                Moment::Settled(part) => {
                    let unread = match step.way {
                        Way::Up => self.server().unread(),
                        Way::Down => attempt.client.unread(),
                    };
                    let is_quiet = passed == bytes * part / 1000 && unread == 0;
                    // Twice: bytes are counted a little before they are on their way.
                    mem::replace(&mut was_quiet, is_quiet) && is_quiet
                }
            };
            if has_ended || is_now {
                break is_now && !has_ended;
            }
            assert!(begin.elapsed() < DEADLINE, "the transfer stands still");
            thread::sleep(LOOK_PAUSE);
        };
        if let (Moment::Settled(part), true) = (step.moment, is_now) {
            attempt.arrived = Some(bytes * part / 1000);
        }
        attempt
    }
}

impl Attempt {
    /// Lets everything pass again.
    pub(crate) fn release(&self, step: &Step) {
        self.proxy.let_pass(direction(step.way), u64::MAX);
    }

    /// The bytes that had arrived, of one large file.
    pub(crate) fn kept(&self, step: &Step) -> Option<u64> {
        matches!(step.load, Load::Large(_)).then_some(self.arrived).flatten()
    }
}
