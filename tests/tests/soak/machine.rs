//! The machine, the day and the command of a run.

use std::env;
use std::fs;
use std::process::Command;
use std::thread;

pub(crate) struct Machine {
    /// The command that was given.
    pub(crate) command: String,
    /// Processor, cores, memory, system, and the build of the programs.
    pub(crate) described: String,
    pub(crate) date: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let args: Vec<_> = env::args().skip(1).collect();
        let command = ["scripts/soak".to_owned()].into_iter().chain(args);
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = value(&cpus, "model name").unwrap_or("unknown processor");
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = value(&memory, "MemTotal").and_then(|it| it.split(' ').next()?.parse().ok());
        let gib = kib.unwrap_or(0_u64).div_ceil(1 << 20);
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        // Without the words of its builder.
        let kernel = release.trim().split('-').next().unwrap_or_default();
        let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        let system = format!("{} {}", assigned(&system, "NAME"), assigned(&system, "VERSION_ID"));
        let described =
            format!("{model}, {cores} cores, {gib} GiB, {system}, Linux {kernel}, {build} build");
        let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
        let date = date.map(|date| String::from_utf8_lossy(&date.stdout).trim().to_owned());
        Self {
            command: command.collect::<Vec<_>>().join(" "),
            described,
            date: date.unwrap_or_default(),
        }
    }
}

/// The value of a variable in the form of a shell's, without quotes.
fn assigned<'a>(text: &'a str, name: &str) -> &'a str {
    let values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    values.map(|value| value.trim_matches('"')).next().unwrap_or_default()
}

/// The value of the first line with this name.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}
