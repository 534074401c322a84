//! The counts of a run, for people and for programs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use ftx_tests::soak::WriteBack;
use serde_json::json;

use super::machine::Machine;
use super::options::Options;

/// Time between two lines that say how far a run is.
const TELL_INTERVAL: Duration = Duration::from_secs(60);

/// The counts of all lanes.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) steps: AtomicU64,
    /// Steps whose fault did not strike: the transfer had ended before, or needed nothing that failed.
    pub(crate) missed: AtomicU64,
    server_kills: AtomicU64,
    client_kills: AtomicU64,
    /// Kills of either side while a client was at work.
    kills_amid: AtomicU64,
    /// Power cuts by what was written back before, in the order of `WriteBack`.
    power_cuts: [AtomicU64; 4],
    power_cuts_amid: AtomicU64,
    /// Bytes of unfinished transfers that were changed on the disk.
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
    /// Partial downloads that a power cut or a kill left without a journal.
    pub(crate) orphans: AtomicU64,
    failures: Mutex<Vec<String>>,
    /// When the run last said how far it is, since its begin.
    told: Mutex<Duration>,
}

impl Figures {
    pub(crate) fn count(&self, which: impl Fn(&Self) -> &AtomicU64) {
        self.add(which, 1);
    }

    pub(crate) fn add(&self, which: impl Fn(&Self) -> &AtomicU64, count: u64) {
        which(self).fetch_add(count, SeqCst);
    }

    pub(crate) fn count_server_kill(&self, is_amid: bool) {
        self.count(|figures| &figures.server_kills);
        self.add(|figures| &figures.kills_amid, u64::from(is_amid));
    }

    pub(crate) fn count_client_kill(&self) {
        self.count(|figures| &figures.client_kills);
        self.count(|figures| &figures.kills_amid);
    }

    pub(crate) fn count_power_cut(&self, write_back: WriteBack, is_amid: bool) {
        self.count(|figures| &figures.power_cuts[write_back as usize]);
        self.add(|figures| &figures.power_cuts_amid, u64::from(is_amid));
    }

    pub(crate) fn kills(&self) -> u64 {
        self.server_kills.load(SeqCst) + self.client_kills.load(SeqCst)
    }

    pub(crate) fn power_cuts(&self) -> u64 {
        self.power_cuts.iter().map(|count| count.load(SeqCst)).sum()
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.lock().unwrap().is_empty()
    }

    /// Says how far the run is, if it has not for a while.
    pub(crate) fn tell_now_and_then(&self, elapsed: Duration) {
        let mut told = self.told.lock().unwrap();
        if elapsed.saturating_sub(*told) >= TELL_INTERVAL {
            *told = elapsed;
            let (steps, minutes) = (self.steps.load(SeqCst), elapsed.as_secs() / 60);
            let (kills, power_cuts) = (self.kills(), self.power_cuts());
            println!("soak: {minutes} min: {steps} steps, {kills} kills, {power_cuts} power cuts");
        }
    }

    /// Takes note that a lane has failed, in this step if it got as far as one.
    pub(crate) fn failed(&self, lane: &str, seed: u64, step: Option<(u64, String)>) {
        let said = match &step {
            None => format!("soak: FAILED: {lane}, before the first step, seed {seed}"),
            Some((number, step)) => format!(
                "soak: FAILED: {lane}, step {number}, seed {seed}: {step}\n\
                 soak: again: scripts/soak --seed {seed} --step {lane}:{number}"
            ),
        };
        println!("{said}");
        let number = step.map_or_else(|| "start".to_owned(), |(number, _)| number.to_string());
        self.failures.lock().unwrap().push(format!("{lane}:{number}:{}", self.broken()));
    }

    /// The figures that must be 0 and are not.
    fn broken(&self) -> String {
        let all = [
            ("lost", &self.lost),
            ("half_visible", &self.half_visible),
            ("wrong", &self.wrong),
            ("strays", &self.strays),
        ];
        let broken = all.iter().filter(|(_, count)| count.load(SeqCst) > 0);
        let names: Vec<_> = broken.map(|(name, _)| *name).collect();
        if names.is_empty() { "stopped".to_owned() } else { names.join("+") }
    }

    /// Each count with its name in JSON and in words; an indented one is a part of that above it.
    fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let of = |count: &AtomicU64| count.load(SeqCst);
        let cuts_after = |write_back| of(&self.power_cuts[write_back as usize]);
        vec![
            ("steps", "steps", of(&self.steps)),
            ("missed", "  whose fault did not strike", of(&self.missed)),
            ("kills", "SIGKILLs", self.kills()),
            ("server_kills", "  of the server", of(&self.server_kills)),
            ("client_kills", "  of the client", of(&self.client_kills)),
            ("kills_amid", "  in the middle of a transfer", of(&self.kills_amid)),
            ("power_cuts", "power cuts", self.power_cuts()),
            ("cuts_unwritten", "  nothing written back before", cuts_after(WriteBack::Nothing)),
            ("cuts_names", "  names written back, and no bytes", cuts_after(WriteBack::Names)),
            ("cuts_files", "  some files written back", cuts_after(WriteBack::Files)),
            ("cuts_everything", "  all written back", cuts_after(WriteBack::Everything)),
            ("power_cuts_amid", "  in the middle of a transfer", of(&self.power_cuts_amid)),
            ("rotten", "  with a byte of an unfinished transfer changed", of(&self.rotten)),
            ("cuts", "connections cut", of(&self.cuts)),
            ("stalls", "connections that stood still", of(&self.stalls)),
            ("flips", "bytes changed on their way", of(&self.flips)),
            ("full_disks", "full disks", of(&self.full_disks)),
            ("injected", "system calls that failed (EIO, ENOSPC)", of(&self.injected)),
            ("clock_jumps", "jumps of the clock", of(&self.clock_jumps)),
            ("transfers", "transfers", of(&self.transfers)),
            ("bytes", "bytes on the wire", of(&self.bytes)),
            ("resumed", "retries that resumed", of(&self.resumed)),
            ("spared", "  bytes that they did not send again", of(&self.spared)),
            ("acknowledged", "files acknowledged", of(&self.acknowledged)),
            ("verified", "comparisons of a file with its promise", of(&self.verified)),
            ("orphans", "partial downloads left without a journal", of(&self.orphans)),
            ("lost", "acknowledged files lost", of(&self.lost)),
            ("half_visible", "half files visible", of(&self.half_visible)),
            ("wrong", "downloads with wrong bytes", of(&self.wrong)),
            ("strays", "files left behind", of(&self.strays)),
        ]
    }

    /// Prints a table in Markdown, and the same for programs.
    pub(crate) fn print(&self, options: &Options, took: Duration) {
        let (machine, failures) = (Machine::here(), self.failures.lock().unwrap());
        let hours = took.as_secs_f64() / 3600.0;
        println!("\n| what | count |\n|---|---:|");
        println!("| seed | {} |", options.seed);
        println!("| hours | {hours:.2} |");
        for (_, words, count) in self.rows() {
            // An indentation that Markdown keeps.
            let words = words.replace("  ", "&nbsp;&nbsp;");
            println!("| {words} | {} |", grouped(count));
        }
        println!("\n`{}` on {}, {}.\n", machine.command, machine.described, machine.date);
        let mut all = json!({
            "seed": options.seed,
            "failures": failures.len(),
            "hours": hours,
            "command": machine.command,
            "machine": machine.described,
            "date": machine.date,
        });
        for (name, _, count) in self.rows() {
            all[name] = count.into();
        }
        println!("soak: json {all}");
        println!("soak: {}", if failures.is_empty() { "ok" } else { "FAILED" });
        if !failures.is_empty() {
            // As the other test programs name theirs.
            println!("\nfailures:\n    {}", failures.join("\n    "));
        }
    }
}

/// A number with its thousands apart.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
