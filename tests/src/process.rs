//! A child process whose output is collected and which never outlives its value.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::sockets;
use crate::wait::within;

/// A running child process.
#[derive(Debug)]
pub struct Process {
    what: String,
    child: Child,
    ended: Option<ExitStatus>,
    stdout: Output,
    stderr: Output,
}

/// A process's exit status and output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output, bytes that are no UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

/// The identity of a thread, in the words of `/proc/PID/task/TID/status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadStatus {
    /// The name of the thread.
    pub name: String,
    fields: String,
}

/// Lines that a thread reads as they come.
#[derive(Debug)]
struct Output {
    lines: Arc<(Mutex<Lines>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

/// Prefix that runs a program and its arguments within a limit, as `ulimit` takes it.
pub(crate) fn within_limit(limit: &str) -> Vec<OsString> {
    ["bash", "-c", &format!("ulimit {limit} && exec \"$@\""), "bash"].map(Into::into).into()
}

impl Process {
    /// Starts the command with its output collected and nothing on its standard input.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn spawn(command: &mut Command) -> Self {
        Self::spawn_fed(command, Stdio::null())
    }

    /// Starts the command with its output collected, and this for its standard input.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn spawn_fed(command: &mut Command, stdin: Stdio) -> Self {
        let what = format!("{command:?}");
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        let stdout = Output::collect(child.stdout.take().unwrap());
        let stderr = Output::collect(child.stderr.take().unwrap());
        Self { what, child, ended: None, stdout, stderr }
    }

    /// Line `index` of standard output, as soon as it is there.
    ///
    /// # Panics
    /// If the output ends before it, or the line does not come within `deadline`.
    #[must_use]
    pub fn stdout_line(&self, index: usize, deadline: Duration) -> String {
        self.stdout.line(index, deadline).unwrap_or_else(|| {
            panic!("{}: no output line {index}, it said: {}", self.what, self.stderr.text())
        })
    }

    /// How many lines of standard output there are so far.
    #[must_use]
    pub fn stdout_lines(&self) -> usize {
        self.stdout.lines.0.lock().unwrap().lines.len()
    }

    /// Standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; one that has ended already is left alone.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
            kill_process(pid, signal).unwrap();
        }
    }

    /// Kills it with SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        if self.ended.is_none() {
            self.child.kill().unwrap();
            self.ended = Some(self.child.wait().unwrap());
        }
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come within `deadline`.
    #[must_use]
    pub fn wait(mut self, deadline: Duration) -> Outcome {
        let ended = within(deadline, || self.ended());
        let Some(status) = ended else {
            panic!("{} still runs after {deadline:?}: {}", self.what, self.stderr.text());
        };
        self.stdout.finish();
        self.stderr.finish();
        Outcome {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }

    /// Bytes that it has read so far, from files and connections.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    }

    /// Bytes that are on their way to it on connections within this machine, or have come and were
    /// not read by it.
    #[must_use]
    pub fn unread(&self) -> u64 {
        sockets::unread(self.child.id())
    }

    /// The largest resident set so far, in KiB.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn peak_rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl ThreadStatus {
    /// Those of all threads of a process.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn all_of(process: u32) -> Vec<Self> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let fields = tasks.filter_map(|task| {
            // It may have ended meanwhile.
            fs::read_to_string(task.unwrap().path().join("status")).ok()
        });
        let threads = fields.map(|fields| {
            let mut thread = Self { name: String::new(), fields };
            thread.name = thread.field("Name");
            thread
        });
        threads.collect()
    }

    /// The value of a field, its words separated by single spaces.
    ///
    /// # Panics
    /// If there is no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        let line = self.fields.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Outcome {
    /// Asserts exit code 0.
    ///
    /// # Panics
    /// If it ended otherwise, with its output.
    pub fn assert_done(&self) {
        assert_eq!(self.code, Some(0), "{self:#?}");
    }

    /// Asserts the exit code.
    ///
    /// # Panics
    /// If it ended otherwise, with its output.
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self:#?}");
    }
}

impl Output {
    fn collect(from: impl Read + Send + 'static) -> Self {
        let lines = Arc::new((Mutex::new(Lines::default()), Condvar::new()));
        let shared = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                shared.0.lock().unwrap().lines.push(text);
                shared.1.notify_all();
                line.clear();
            }
            shared.0.lock().unwrap().ended = true;
            shared.1.notify_all();
        });
        Self { lines, reader: Some(reader) }
    }

    fn line(&self, index: usize, deadline: Duration) -> Option<String> {
        let end = Instant::now() + deadline;
        let (mutex, condvar) = &*self.lines;
        let mut lines = mutex.lock().unwrap();
        loop {
            if let Some(line) = lines.lines.get(index) {
                return Some(line.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                return None;
            }
            lines = condvar.wait_timeout(lines, left).unwrap().0;
        }
    }

    fn text(&self) -> String {
        self.lines.0.lock().unwrap().lines.join("\n")
    }

    /// Waits until all is read; the process must have ended.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}
