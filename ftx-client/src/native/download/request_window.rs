//! How many files one connection requests ahead.
//!
//! A connection that requested thousands of files at its beginning would leave none to those that connect a
//! moment later. So each begins with a few, more than a server sends in the first round trips of a connection,
//! and at least doubles them with each round trip, as the connection itself does.

/// Files that a connection requests at its beginning.
const FIRST_FILES: usize = 128;

/// Files by which the window grows with each file that has arrived.
const GROWTH_FILES: usize = 2;

/// The most files that a connection has requested and not received.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestWindow {
    files: usize,
}

impl Default for RequestWindow {
    fn default() -> Self {
        Self { files: FIRST_FILES }
    }
}

impl RequestWindow {
    /// Whether another file may be requested beside `open` requests.
    pub(super) fn has_room(self, open: usize) -> bool {
        open < self.files
    }

    /// A file has arrived.
    pub(super) fn arrived(&mut self) {
        self.files = self.files.saturating_add(GROWTH_FILES);
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_FILES, RequestWindow};

    #[test]
    fn each_round_trip_doubles_the_files_under_way_at_least() {
        let (mut window, mut before) = (RequestWindow::default(), FIRST_FILES / 2);
        for _ in 0..5 {
            let open = (0..).take_while(|open| window.has_room(*open)).count();
            assert!(open >= 2 * before, "{open} after {before}");
            (0..open).for_each(|_| window.arrived());
            before = open;
        }
    }
}
