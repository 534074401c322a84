//! The last lines of a terminal, and text above them.
//!
//! The cursor rests at the beginning of the lines, so that everything from it on can be erased at any time: also
//! after a change of the width has wrapped the lines anew.

use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use console::Term;

use super::stall::tracked_write;

/// The time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// Text that may wait for the next frame. More is written at once, at the speed of the terminal.
const MAX_PENDING_BYTES: usize = 64 * 1024;

/// How long a process that ends waits for a terminal that does not take its output.
const CLOSE_LIMIT: Duration = Duration::from_millis(200);

/// A terminal on standard error. Clones share it.
#[derive(Clone)]
pub(crate) struct Terminal {
    shared: Arc<SharedTerminal>,
}

struct SharedTerminal {
    screen: Mutex<TerminalState>,
    /// Wakes the thread that draws.
    closed: Condvar,
}

/// Makes the lines for a width in columns.
type LineSource = Box<dyn FnMut(usize) -> Vec<String> + Send>;

struct TerminalState {
    term: Term,
    lines: LineSource,
    /// Text for the next frame, in whole lines.
    pending: String,
    /// The lines on the terminal, and its rows and columns then.
    drawn: (Vec<String>, (u16, u16)),
    is_open: bool,
}

/// Whether standard error is a terminal on which lines can be erased.
pub(crate) fn is_usable() -> bool {
    Term::stderr().is_term() && !console::is_dumb()
}

impl Terminal {
    /// Begins to draw `lines` on a thread of its own.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub(crate) fn open(
        lines: impl FnMut(usize) -> Vec<String> + Send + 'static,
    ) -> io::Result<Self> {
        let screen = TerminalState {
            term: Term::buffered_stderr(),
            lines: Box::new(lines),
            pending: String::new(),
            drawn: (Vec::new(), (0, 0)),
            is_open: true,
        };
        let shared =
            Arc::new(SharedTerminal { screen: Mutex::new(screen), closed: Condvar::new() });
        let terminal = Self { shared };
        let drawing = terminal.clone();
        thread::Builder::new().name("ftx-display".to_owned()).spawn(move || drawing.run())?;
        Ok(terminal)
    }

    fn run(&self) {
        let mut screen = self.screen();
        loop {
            let wait = self.shared.closed.wait_timeout_while(screen, FRAME, |now| now.is_open);
            screen = wait.unwrap_or_else(PoisonError::into_inner).0;
            if !screen.is_open {
                return;
            }
            screen.draw();
        }
    }

    fn screen(&self) -> MutexGuard<'_, TerminalState> {
        self.shared.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a text of whole lines above the lines at the bottom, with the next frame.
    pub(crate) fn print(&self, text: &str) {
        let mut screen = self.screen();
        screen.pending.push_str(text);
        if !screen.is_open || screen.pending.len() > MAX_PENDING_BYTES {
            screen.draw();
        }
    }

    /// Erases the lines, and draws none any more.
    pub(crate) fn close(&self) {
        let mut screen = self.screen();
        screen.is_open = false;
        screen.draw();
        self.shared.closed.notify_all();
    }

    /// Closes it before the process ends, unless it takes no output.
    pub(crate) fn close_in_time(&self) {
        let (done, closed) = mpsc::channel();
        let terminal = self.clone();
        let close = move || {
            terminal.close();
            let _ = done.send(());
        };
        if thread::Builder::new().spawn(close).is_ok() {
            let _ = closed.recv_timeout(CLOSE_LIMIT);
        }
    }

    /// Erases the lines while `stop` stops the process, and draws them again afterwards.
    #[cfg(unix)]
    pub(crate) fn suspend(&self, stop: impl FnOnce()) {
        let mut screen = self.screen();
        screen.paint(Vec::new(), (0, 0));
        stop();
        screen.draw();
    }
}

impl TerminalState {
    fn draw(&mut self) {
        let size = self.term.size_checked().unwrap_or((24, 80));
        let (rows, columns) = size;
        let mut lines = Vec::new();
        // In the background, the terminal belongs to others.
        if self.is_open && is_in_foreground() {
            lines = (self.lines)(columns.into());
            lines.truncate(rows.into());
        }
        let is_same = lines == self.drawn.0 && (lines.is_empty() || size == self.drawn.1);
        if !is_same || !self.pending.is_empty() {
            self.paint(lines, size);
        }
    }

    /// Replaces the lines; the pending text comes first.
    fn paint(&mut self, lines: Vec<String>, size: (u16, u16)) {
        // A closed standard error is no failure.
        let _ = tracked_write(|| self.write(&lines));
        self.pending.clear();
        self.drawn = (lines, size);
    }

    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        if !self.drawn.0.is_empty() {
            self.term.write_all(b"\r")?;
            self.term.clear_to_end_of_screen()?;
        }
        self.term.write_all(self.pending.as_bytes())?;
        self.term.write_all(lines.join("\n").as_bytes())?;
        self.term.flush()?;
        if !lines.is_empty() {
            self.term.move_cursor_up(lines.len() - 1)?;
            self.term.write_all(b"\r")?;
            self.term.flush()?;
        }
        Ok(())
    }
}

/// Whether the terminal's input goes to this process, and not to the shell that runs it in the background.
fn is_in_foreground() -> bool {
    #[cfg(unix)]
    {
        let group = rustix::termios::tcgetpgrp(io::stderr());
        // It may be a terminal of another session.
        !group.is_ok_and(|group| group != rustix::process::getpgrp())
    }
    #[cfg(not(unix))]
    true
}
