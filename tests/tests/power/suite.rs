//! Named cases, run side by side, and their report.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// One case.
pub(crate) struct Case<'a> {
    name: String,
    run: Box<dyn FnOnce() + Send + 'a>,
}

/// Cases that are run one after the other.
pub(crate) type Lane<'a> = Vec<Case<'a>>;

/// The selection of cases, by the arguments that `cargo test` passes on.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) list: bool,
    exact: bool,
    names: Vec<String>,
    skipped: Vec<String>,
}

/// All cases of a run, and their results.
pub(crate) struct Suite {
    options: Options,
    left_out: Vec<String>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(name: impl Into<String>, run: impl FnOnce() + Send + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

impl Options {
    pub(crate) fn from(args: impl Iterator<Item = String>) -> Self {
        let mut options = Self::default();
        let mut args = args;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => options.list = true,
                "--exact" => options.exact = true,
                "--skip" => options.skipped.extend(args.next()),
                "--test-threads" | "--format" | "--color" | "--logfile" => drop(args.next()),
                flag if flag.starts_with('-') => {}
                _ => options.names.push(arg),
            }
        }
        options
    }

    /// Prints the name of the whole suite, as a test binary lists its tests.
    pub(crate) fn print_list(&self) {
        println!("power: test");
    }

    fn wants(&self, name: &str) -> bool {
        let is_meant = |part: &String| if self.exact { name == part } else { name.contains(part) };
        let named = self.names.is_empty() || self.names.iter().any(is_meant);
        named && !self.skipped.iter().any(is_meant)
    }
}

impl Suite {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, left_out: Vec::new() }
    }

    /// Says why a part cannot be run.
    pub(crate) fn leave_out(&mut self, why: String) {
        self.left_out.push(why);
    }

    /// Runs all cases that are wanted.
    pub(crate) fn run(self, lanes: Vec<Lane<'_>>) -> ExitCode {
        let begin = Instant::now();
        let (passed, failed) = (Mutex::new(0), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for lane in lanes {
                scope.spawn(|| {
                    for case in lane.into_iter().filter(|case| self.options.wants(&case.name)) {
                        let begin = Instant::now();
                        let ended = catch_unwind(AssertUnwindSafe(case.run));
                        let how = if ended.is_ok() { "ok" } else { "FAILED" };
                        let took = begin.elapsed().as_secs_f64();
                        println!("test {} ... {how} ({took:.2} s)", case.name);
                        match ended {
                            Ok(()) => *passed.lock().unwrap() += 1,
                            Err(_) => failed.lock().unwrap().push(case.name),
                        }
                    }
                });
            }
        });
        let (passed, failed) = (passed.into_inner().unwrap(), failed.into_inner().unwrap());
        for name in &failed {
            println!("failed: {name}");
        }
        let (took, count) = (begin.elapsed().as_secs_f64(), failed.len());
        println!("power: {passed} passed, {count} failed; finished in {took:.2} s");
        self.end(failed.is_empty())
    }

    fn end(&self, passed: bool) -> ExitCode {
        for why in &self.left_out {
            println!("power: not run: {why}");
        }
        let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        if is_ci && !self.left_out.is_empty() {
            println!("power: failed: CI is set, and so all of it must run");
            return ExitCode::FAILURE;
        }
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
