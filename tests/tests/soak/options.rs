//! The command line: the goals of a run, or one step of it; and the words that `cargo test` passes on.

use std::env;
use std::time::Duration;

pub(crate) const USAGE: &str = "usage: scripts/soak [--release] [--minutes N] [--seed S] [--kills N] \
    [--power-cuts N] [--step LANE:NUMBER]";

/// The kills, and the power cuts, of a run that is given neither a goal nor a time.
const KILLS: u64 = 50;
const POWER_CUTS: u64 = 50;

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) is_list: bool,
    /// Whether a filter of `cargo test` leaves it in.
    pub(crate) is_wanted: bool,
    /// The least time.
    pub(crate) time: Duration,
    pub(crate) seed: u64,
    /// The least numbers of both.
    pub(crate) kills: u64,
    pub(crate) power_cuts: u64,
    /// The one step to run: its lane and its number.
    pub(crate) step: Option<(String, u64)>,
}

impl Options {
    pub(crate) fn from(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            is_list: false,
            is_wanted: true,
            time: Duration::ZERO,
            seed: 0,
            kills: 0,
            power_cuts: 0,
            step: None,
        };
        let (mut seed, mut names) = (None, Vec::new());
        let (mut kills, mut power_cuts, mut minutes) = (None, None, None);
        while let Some(arg) = args.next() {
            let mut number = || {
                let value = args.next().ok_or_else(|| format!("{arg} without a number"))?;
                value.parse::<u64>().map_err(|_| format!("{arg} {value}: not a number"))
            };
            match arg.as_str() {
                "--list" => options.is_list = true,
                "--minutes" => minutes = Some(number()?),
                "--seed" => seed = Some(number()?),
                "--kills" => kills = Some(number()?),
                "--power-cuts" => power_cuts = Some(number()?),
                "--step" => options.step = Some(step(args.next())?),
                "--skip" => options.is_wanted &= !args.next().is_some_and(|it| is_meant(&it)),
                "--test-threads" | "--format" | "--color" | "--logfile" => drop(args.next()),
                flag if flag.starts_with('-') => {}
                _ => names.push(arg),
            }
        }
        if (kills, power_cuts, minutes) == (None, None, None) {
            (kills, power_cuts) = (Some(KILLS), Some(POWER_CUTS));
        }
        options.kills = kills.unwrap_or(0);
        options.power_cuts = power_cuts.unwrap_or(0);
        options.time = Duration::from_secs(60 * minutes.unwrap_or(0));
        options.is_wanted &= names.is_empty() || names.iter().any(|name| is_meant(name));
        options.seed = seed.unwrap_or_else(ftx_tests::seed);
        Ok(options)
    }
}

/// Whether a filter means this program, which is one test.
fn is_meant(filter: &str) -> bool {
    "soak".contains(filter)
}

fn step(given: Option<String>) -> Result<(String, u64), String> {
    let given = given.unwrap_or_default();
    let parts = given.split_once(':').and_then(|(lane, number)| Some((lane, number.parse().ok()?)));
    let (lane, number) = parts.ok_or_else(|| format!("--step {given}: not LANE:NUMBER"))?;
    match lane {
        "ext4" | "xfs" => Ok((lane.to_owned(), number)),
        _ => Err(format!("--step {given}: the lanes are ext4 and xfs")),
    }
}

pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty())
}
