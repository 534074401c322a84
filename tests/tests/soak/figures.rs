//! The counts of a run, for people and for programs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use serde_json::json;

use super::machine::Machine;
use super::options::Options;

/// The counts of all lanes.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) steps: AtomicU64,
    pub(crate) server_kills: AtomicU64,
    pub(crate) client_kills: AtomicU64,
    pub(crate) power_cuts: AtomicU64,
    /// Bytes of unfinished uploads that were changed on the disk.
    pub(crate) rotten: AtomicU64,
    pub(crate) cuts: AtomicU64,
    pub(crate) stalls: AtomicU64,
    pub(crate) flips: AtomicU64,
    pub(crate) full_disks: AtomicU64,
    pub(crate) injected: AtomicU64,
    pub(crate) clock_jumps: AtomicU64,
    pub(crate) transfers: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Files that were compared with the ledger.
    pub(crate) verified: AtomicU64,
    /// Retries that had to send less than the whole, and how many bytes less they sent.
    pub(crate) resumed: AtomicU64,
    pub(crate) spared: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) half_visible: AtomicU64,
    pub(crate) wrong: AtomicU64,
    /// Files under names that nobody gave.
    pub(crate) strays: AtomicU64,
    /// Partial downloads that a power cut left without a journal.
    pub(crate) orphans: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Figures {
    pub(crate) fn count(&self, which: impl Fn(&Self) -> &AtomicU64) {
        self.add(which, 1);
    }

    pub(crate) fn add(&self, which: impl Fn(&Self) -> &AtomicU64, count: u64) {
        which(self).fetch_add(count, SeqCst);
    }

    pub(crate) fn kills(&self) -> u64 {
        self.server_kills.load(SeqCst) + self.client_kills.load(SeqCst)
    }

    pub(crate) fn power_cuts(&self) -> u64 {
        self.power_cuts.load(SeqCst)
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.lock().unwrap().is_empty()
    }

    /// Takes note that a lane has failed, in this step if it got as far as one.
    pub(crate) fn failed(&self, lane: &str, seed: u64, step: Option<(u64, String)>) {
        let said = match step {
            None => format!("soak: FAILED: {lane}, before the first step, seed {seed}"),
            Some((number, step)) => format!(
                "soak: FAILED: {lane}, step {number}, seed {seed}: {step}\n\
                 soak: again: scripts/soak --seed {seed} --step {lane}:{number}"
            ),
        };
        println!("{said}");
        self.failures.lock().unwrap().push(said);
    }

    /// Each count with its name in JSON and in words.
    fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let of = |count: &AtomicU64| count.load(SeqCst);
        vec![
            ("kills", "SIGKILLs", self.kills()),
            ("server_kills", "  of the server", of(&self.server_kills)),
            ("client_kills", "  of the client", of(&self.client_kills)),
            ("power_cuts", "power cuts", of(&self.power_cuts)),
            ("rotten", "  with a byte of an unfinished upload changed", of(&self.rotten)),
            ("cuts", "connections cut", of(&self.cuts)),
            ("stalls", "connections that stood still", of(&self.stalls)),
            ("flips", "bytes changed on their way", of(&self.flips)),
            ("full_disks", "full disks", of(&self.full_disks)),
            ("injected", "system calls that failed", of(&self.injected)),
            ("clock_jumps", "jumps of the clock", of(&self.clock_jumps)),
            ("steps", "steps", of(&self.steps)),
            ("transfers", "transfers", of(&self.transfers)),
            ("bytes", "bytes on the wire", of(&self.bytes)),
            ("acknowledged", "files acknowledged", of(&self.acknowledged)),
            ("verified", "comparisons of a file with its promise", of(&self.verified)),
            ("resumed", "retries that resumed", of(&self.resumed)),
            ("spared", "  bytes that they did not send again", of(&self.spared)),
            ("orphans", "partial downloads orphaned by power cuts", of(&self.orphans)),
            ("lost", "acknowledged files lost", of(&self.lost)),
            ("half_visible", "half files visible", of(&self.half_visible)),
            ("wrong", "downloads with wrong bytes", of(&self.wrong)),
            ("strays", "files left behind", of(&self.strays)),
        ]
    }

    pub(crate) fn print(&self, options: &Options, took: Duration) {
        let (machine, failures) = (Machine::here(), self.failures.lock().unwrap().len());
        println!("soak: {:48} {:>14}", "what", "count");
        for (_, words, count) in self.rows() {
            println!("soak: {words:48} {count:>14}");
        }
        let hours = took.as_secs_f64() / 3600.0;
        println!("soak: {:48} {hours:>14.3}", "hours");
        println!("soak: {}", machine.command);
        println!("soak: {}, {}", machine.described, machine.date);
        let mut all = json!({
            "seed": options.seed,
            "failures": failures,
            "hours": hours,
            "command": machine.command,
            "machine": machine.described,
            "date": machine.date,
        });
        for (name, _, count) in self.rows() {
            all[name] = count.into();
        }
        println!("soak: json {all}");
        println!("soak: {}", if failures == 0 { "ok" } else { "FAILED" });
    }
}
