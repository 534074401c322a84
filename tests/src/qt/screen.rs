//! An X server without a screen of glass.

use std::process::Command;

use rustix::process::Signal;

use crate::process::Process;
use crate::wait::{DEADLINE, within};

/// A running Xvfb with a display number of its own.
#[derive(Debug)]
pub struct Screen {
    server: Process,
    display: String,
}

impl Screen {
    /// Starts one, and waits until it takes clients.
    ///
    /// # Panics
    /// If it does not come up; `scripts/setup` installs it.
    #[must_use]
    pub fn start() -> Self {
        let mut command = Command::new("Xvfb");
        // It looks for a free number by itself, and says it on its standard output.
        command.args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"]);
        let server = Process::spawn(&mut command);
        let display = format!(":{}", server.stdout_line(0, DEADLINE));
        Self { server, display }
    }

    /// Has a Qt program show itself there.
    pub fn show(&self, command: &mut Command) {
        command.env("DISPLAY", &self.display).env("QT_QPA_PLATFORM", "xcb");
        // Nothing of the desktop that the tests may run on.
        for name in ["QT_STYLE_OVERRIDE", "QT_QPA_PLATFORMTHEME", "QT_SCALE_FACTOR"] {
            command.env_remove(name);
        }
    }
}

impl Drop for Screen {
    /// Killed, it would leave its lock and its socket behind.
    fn drop(&mut self) {
        self.server.signal(Signal::TERM);
        let _ = within(DEADLINE, || self.server.ended());
    }
}
