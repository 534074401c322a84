//! `ftx-server`, as a process of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::bins;
use crate::process::{Outcome, Process};
use crate::sockets;
use crate::strace::Strace;
use crate::wait::DEADLINE;

/// A running `ftx-server` on a free port of the loopback interface.
#[derive(Debug)]
pub struct Server {
    builder: ServerBuilder,
    process: Process,
    addr: SocketAddr,
}

/// How a server is to be started.
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    root: PathBuf,
    /// Names the root, if there is one.
    config: Option<PathBuf>,
    args: Vec<OsString>,
    /// Words in front of the program.
    prefix: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

/// The monitor's counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Active connections of each thread.
    pub active: Vec<u64>,
    /// The lines between the threads and the totals, as they were printed.
    pub details: Vec<String>,
    /// The line of totals, as it was printed.
    pub total: String,
}

impl ServerBuilder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Has it recorded.
    #[must_use]
    pub fn under(mut self, strace: &Strace) -> Self {
        self.prefix = strace.prefix();
        self
    }

    /// Has it run within a limit, as `ulimit` takes it: `-f 1000`.
    #[must_use]
    pub fn within_limit(mut self, limit: &str) -> Self {
        self.prefix = crate::process::within_limit(limit);
        self
    }

    /// The process, before it has said anything; for servers that are not meant to come up.
    #[must_use]
    pub fn spawn(&self) -> Process {
        let program = bins::server();
        let mut words = self.prefix.iter().map(OsString::as_os_str).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).envs(self.env.iter().map(|(name, value)| (name, value)));
        if !self.args.iter().any(|arg| arg == "--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        match &self.config {
            Some(config) => command.arg("--config").arg(config),
            None => command.arg("--root").arg(&self.root),
        };
        Process::spawn(command.args(&self.args))
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn start(self) -> Server {
        let process = self.spawn();
        let line = process.stdout_line(0, DEADLINE);
        let addr = line
            .strip_prefix("listening on ")
            .and_then(|addr| addr.parse().ok())
            .unwrap_or_else(|| panic!("a first line without an address: {line}"));
        Server { builder: self, process, addr }
    }
}

impl Server {
    /// A server on this root with its default settings.
    #[must_use]
    pub fn start(root: &Path) -> Self {
        Self::builder(root).start()
    }

    /// A server on this root, to be given arguments.
    #[must_use]
    pub fn builder(root: &Path) -> ServerBuilder {
        let root = root.to_owned();
        let (args, prefix, env) = Default::default();
        ServerBuilder { root, config: None, args, prefix, env }
    }

    /// A server with a configuration file that names this root, to be given arguments.
    #[must_use]
    pub fn configured(config: &Path, root: &Path) -> ServerBuilder {
        ServerBuilder { config: Some(config.to_owned()), ..Self::builder(root) }
    }

    /// Makes a token for a user of a server with this configuration file, which may run or not.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn add_token(config: &Path, user: &str) -> String {
        let mut command = Command::new(bins::server());
        command.env_remove("STATE_DIRECTORY").args(["token", "add", user]);
        let outcome = Process::spawn(command.arg("--config").arg(config)).wait(DEADLINE);
        outcome.assert_done();
        outcome.stdout.trim_end().to_owned()
    }

    /// The fingerprint of its key at its start.
    ///
    /// # Panics
    /// If it has no TLS.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let line = self.stdout_line(1, DEADLINE);
        line.strip_prefix("fingerprint ").unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A path below its root.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.builder.root.join(name)
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it if it still runs, and starts it again on the same root, on another port.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.kill();
        self.builder.clone().start()
    }

    /// Asks it to end with SIGTERM and waits until it has.
    ///
    /// # Panics
    /// If it takes longer than `deadline`.
    #[must_use]
    pub fn terminate(self, deadline: Duration) -> Outcome {
        self.end_with(Signal::TERM, deadline)
    }

    /// Sends a signal that is to end it and waits until it has.
    ///
    /// # Panics
    /// If it takes longer than `deadline`.
    #[must_use]
    pub fn end_with(mut self, signal: Signal, deadline: Duration) -> Outcome {
        self.process.signal(signal);
        self.process.wait(deadline)
    }

    /// Sends a signal that does not end it.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Bytes that are on their way to it on connections within this machine, or have come and were
    /// not read by it.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.process.unread()
    }

    /// The connections that it has not closed, with those that it has not accepted.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        sockets::open_connections(self.process.id(), self.addr().port())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// Asks for the monitor's counts.
    ///
    /// # Panics
    /// If they do not come.
    pub fn monitor(&mut self) -> Monitor {
        let mut line = self.process.stdout_lines();
        self.process.signal(Signal::USR1);
        let (mut active, mut details) = (Vec::new(), Vec::new());
        loop {
            let text = self.process.stdout_line(line, DEADLINE);
            line += 1;
            if text.starts_with("total ") {
                return Monitor { active, details, total: text };
            }
            let thread = text.strip_prefix("thread=").and_then(|rest| rest.split_once(" active="));
            match thread {
                Some((thread, count)) => {
                    assert_eq!(thread.parse(), Ok(active.len()), "{text}");
                    active.push(count.parse().unwrap());
                }
                // The line of a reload just before.
                None if text.starts_with("fingerprint ") => {}
                None => {
                    assert!(text.contains('='), "not a line of the monitor: {text}");
                    details.push(text);
                }
            }
        }
    }

    /// Bytes of files that it has read from its connections so far.
    ///
    /// # Panics
    /// If the monitor's counts do not come.
    pub fn bytes_in(&mut self) -> u64 {
        let total = self.monitor().total;
        let count = total.split(' ').find_map(|part| part.strip_prefix("bytes_in="));
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count: {total}"))
    }

    /// The largest resident set so far, in KiB.
    #[must_use]
    pub fn peak_rss_kib(&self) -> u64 {
        self.process.peak_rss_kib()
    }

    /// Waits for a line of its standard output; the first one is 0.
    ///
    /// # Panics
    /// If it does not come in time.
    #[must_use]
    pub fn stdout_line(&self, index: usize, deadline: Duration) -> String {
        self.process.stdout_line(index, deadline)
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr()
    }
}
