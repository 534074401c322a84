//! A pseudo-terminal with a program on it, and the screen that a person would see.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::wait::within;

/// A running program on a terminal of its own.
pub struct Pty {
    what: String,
    child: Child,
    master: File,
    shown: Arc<Mutex<Screenful>>,
    reader: Option<JoinHandle<()>>,
}

/// What the program wrote.
struct Screenful {
    parser: vt100::Parser,
    bytes: Vec<u8>,
}

/// How a program on a terminal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The screen at its end: its lines, without the empty ones at the end.
    pub screen: String,
    /// Everything that it wrote.
    pub output: String,
}

impl Pty {
    /// Starts the command as the leader of a session on a new terminal.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn spawn(command: Command, rows: u16, columns: u16) -> Self {
        let what = format!("{command:?}");
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(name.as_bytes());
        let terminal = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let master = File::from(master);
        set_size(&master, rows, columns);

        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg(command.get_program()).args(command.get_args());
        leader.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        leader.env_remove("LC_ALL").env_remove("LC_CTYPE");
        leader.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(directory) = command.get_current_dir() {
            leader.current_dir(directory);
        }
        let stdio = || terminal.try_clone().unwrap();
        leader.stdin(stdio()).stdout(stdio()).stderr(terminal.try_clone().unwrap());
        let child = leader.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));

        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        let shown = Arc::new(Mutex::new(Screenful { parser, bytes: Vec::new() }));
        let reader = {
            let (mut master, shown) = (master.try_clone().unwrap(), Arc::clone(&shown));
            thread::spawn(move || {
                let mut piece = [0; 4096];
                // It fails when no process has the terminal any more.
                while let Ok(read @ 1..) = master.read(&mut piece) {
                    let mut shown = shown.lock().unwrap();
                    shown.parser.process(&piece[..read]);
                    shown.bytes.extend_from_slice(&piece[..read]);
                }
            })
        };
        Self { what, child, master, shown, reader: Some(reader) }
    }

    /// The lines of the screen, without the empty ones at the end.
    #[must_use]
    pub fn screen(&self) -> String {
        let contents = self.shown.lock().unwrap().parser.screen().contents();
        contents.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    /// Everything written so far.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap().bytes).into_owned()
    }

    /// Waits until the screen fulfils a condition, and returns it.
    ///
    /// # Panics
    /// If it does not within `deadline`; `what` describes the condition.
    pub fn wait_for(
        &self,
        what: &str,
        deadline: Duration,
        condition: impl Fn(&str) -> bool,
    ) -> String {
        let shown = within(deadline, || Some(self.screen()).filter(|screen| condition(screen)));
        shown.unwrap_or_else(|| {
            panic!("{}: waited in vain: {what}; the screen:\n{}", self.what, self.screen())
        })
    }

    /// Types a text.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Changes the size of the terminal, which the program is told.
    pub fn resize(&self, rows: u16, columns: u16) {
        let mut shown = self.shown.lock().unwrap();
        shown.parser.screen_mut().set_size(cells(rows), cells(columns));
        set_size(&self.master, rows, columns);
    }

    /// Sends a signal to the program.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come within `deadline`.
    #[must_use]
    pub fn wait(mut self, deadline: Duration) -> Shown {
        let ended = within(deadline, || self.child.try_wait().unwrap());
        let Some(status) = ended else {
            panic!("{} still runs after {deadline:?}; the screen:\n{}", self.what, self.screen());
        };
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        Shown { code: status.code(), screen: self.screen(), output: self.output() }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).expect("a terminal has rows and columns")
}

fn set_size(terminal: &File, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}
