//! `ftx-client`, as a process of its own.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::bins;
use crate::process::{Outcome, Process};
use crate::pty::Pty;
use crate::strace::Strace;
use crate::wait::DEADLINE;

/// A command line of `ftx-client`.
#[derive(Debug)]
pub struct Client {
    command: Command,
}

impl Client {
    /// `ftx-client upload ADDR`; the paths are to follow.
    #[must_use]
    pub fn upload(addr: SocketAddr) -> Self {
        Self::new().arg("upload").arg(addr.to_string())
    }

    /// `ftx-client download ADDR`; the names are to follow.
    #[must_use]
    pub fn download(addr: SocketAddr) -> Self {
        Self::new().arg("download").arg(addr.to_string())
    }

    /// `ftx-client` without arguments.
    #[must_use]
    pub fn new() -> Self {
        let mut command = Command::new(bins::client());
        // The cache of local files stays in the build directory.
        command.env("XDG_CACHE_HOME", bins::client().with_file_name("test-cache"));
        // Nothing of the user who runs the tests counts.
        command.env("XDG_CONFIG_HOME", bins::client().with_file_name("no-config"));
        command.env_remove("FTX_TOKEN");
        Self { command }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Has it speak one dialect: `native` or `legacy`.
    #[must_use]
    pub fn dialect(self, dialect: &str) -> Self {
        self.arg("--dialect").arg(dialect)
    }

    /// Has it use this many connections, in the native dialect.
    #[must_use]
    pub fn streams(self, streams: usize) -> Self {
        self.arg("--streams").arg(streams.to_string())
    }

    /// Keeps the client's cache of local files in `dir/ftx/manifests`.
    #[must_use]
    pub fn cache_home(mut self, dir: &Path) -> Self {
        self.command.env("XDG_CACHE_HOME", dir);
        self
    }

    /// Runs it in a directory.
    #[must_use]
    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Records the client with strace. Arguments added later still go to the client.
    #[must_use]
    pub fn under(self, strace: &Strace) -> Self {
        self.behind(&strace.prefix())
    }

    /// Runs the client within a limit, as `ulimit` takes it. Arguments added later still go to the
    /// client.
    #[must_use]
    pub fn within_limit(self, limit: &str) -> Self {
        self.behind(&crate::process::within_limit(limit))
    }

    /// Has SIGHUP be ignored when it is started, as `nohup` does, or not, however this process was
    /// started. Arguments added later still go to the client.
    #[must_use]
    pub fn with_hangups(self, are_ignored: bool) -> Self {
        let how = if are_ignored { "--ignore-signal=HUP" } else { "--default-signal=HUP" };
        self.behind(&["env", how].map(Into::into))
    }

    /// Runs it on a terminal of this size, in a locale with Unicode.
    #[must_use]
    pub fn on_terminal(self, rows: u16, columns: u16) -> Pty {
        Pty::spawn(self.command, rows, columns)
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    fn behind(self, prefix: &[OsString]) -> Self {
        let (first, others) = prefix.split_first().unwrap();
        let mut command = Command::new(first);
        command.args(others).arg(self.command.get_program()).args(self.command.get_args());
        let set = self.command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(set);
        if let Some(dir) = self.command.get_current_dir() {
            command.current_dir(dir);
        }
        Self { command }
    }

    /// Starts it.
    #[must_use]
    pub fn spawn(mut self) -> Process {
        Process::spawn(&mut self.command)
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(self) -> Outcome {
        self.spawn().wait(DEADLINE)
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}
