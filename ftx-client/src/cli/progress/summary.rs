//! The lines at the end of a transfer.

use std::time::Duration;

use super::format::{bytes, count, time_taken};

/// The totals of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TransferSummary {
    /// Files that were transferred.
    pub(crate) transferred: u64,
    /// Files that were up to date.
    pub(crate) already_there: u64,
    /// Files that failed.
    pub(crate) failed: u64,
    /// Files that vanished before their turn. They are told with the other entries that are left out.
    pub(crate) vanished: u64,
    /// Files that did not begin or were interrupted.
    pub(crate) left: u64,
    /// Attempts after the first one.
    pub(crate) retries: u64,
    /// Bytes of files that went over the network.
    pub(crate) moved: u64,
    /// Bytes of the finished files that did not have to.
    pub(crate) saved: u64,
    /// From the start of the command.
    pub(crate) time: Duration,
}

impl TransferSummary {
    /// Files that have ended, however.
    pub(super) fn ended_files(&self) -> u64 {
        self.transferred + self.already_there + self.failed + self.vanished
    }

    /// The lines; `done` is `uploaded` or `downloaded`. None if the only file failed, which its error has
    /// told.
    pub(crate) fn lines(&self, done: &str) -> Vec<String> {
        let Self { transferred, already_there, failed, left, retries, .. } = *self;
        if transferred + already_there == 0 && failed + left <= 1 {
            return Vec::new();
        }
        let mut lines = vec![self.main_line(done)];
        let others: Vec<_> = [
            (failed, count(failed, "file failed", "files failed")),
            (left, count(left, "file not transferred", "files not transferred")),
            (retries, count(retries, "retry", "retries")),
        ]
        .into_iter()
        .filter_map(|(number, text)| (number > 0).then_some(text))
        .collect();
        if !others.is_empty() {
            lines.push(others.join(", "));
        }
        lines
    }

    fn main_line(&self, done: &str) -> String {
        let Self { transferred, already_there, moved, saved, time, .. } = *self;
        let files = count(transferred, "file", "files");
        let mut line = match (transferred, already_there) {
            (0, 1..) => count(already_there, "file", "files") + " already there",
            (_, 0) => format!("{files} {done}"),
            _ => format!("{files} {done}, {already_there} already there"),
        };
        line += &format!(": {} moved", bytes(moved));
        if saved > 0 {
            line += &format!(", {} saved", bytes(saved));
        }
        line += &format!(" in {}", time_taken(time));
        if let Some(speed) = average(moved, time) {
            line += &format!(" ({}/s)", bytes(speed));
        }
        line
    }
}

/// Bytes per second; `None` if nothing was moved.
fn average(moved: u64, time: Duration) -> Option<u64> {
    let speed = (u128::from(moved) * 1_000_000_000).checked_div(time.as_nanos())?;
    (moved > 0).then(|| u64::try_from(speed).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::TransferSummary;

    const MIB: u64 = 1 << 20;

    const DONE: TransferSummary = TransferSummary {
        transferred: 400,
        already_there: 0,
        failed: 0,
        vanished: 0,
        left: 0,
        retries: 0,
        moved: 1200 * MIB,
        saved: 0,
        time: Duration::from_millis(12_340),
    };

    #[track_caller]
    fn assert_lines(summary: TransferSummary, lines: &[&str]) {
        assert_eq!(summary.lines("uploaded"), lines);
    }

    #[test]
    fn the_totals_are_told() {
        assert_lines(DONE, &["400 files uploaded: 1.17 GiB moved in 12.3s (97.2 MiB/s)"]);
        assert_lines(
            TransferSummary { transferred: 1, already_there: 2, saved: 5 * MIB, ..DONE },
            &[
                "1 file uploaded, 2 already there: 1.17 GiB moved, 5.00 MiB saved in 12.3s (97.2 MiB/s)",
            ],
        );
        let there =
            TransferSummary { transferred: 0, already_there: 1, moved: 0, saved: 5 * MIB, ..DONE };
        assert_lines(there, &["1 file already there: 0 B moved, 5.00 MiB saved in 12.3s"]);
    }

    #[test]
    fn the_rest_is_told() {
        assert_lines(
            TransferSummary { failed: 1, left: 2, retries: 3, ..DONE },
            &[
                "400 files uploaded: 1.17 GiB moved in 12.3s (97.2 MiB/s)",
                "1 file failed, 2 files not transferred, 3 retries",
            ],
        );
        let none = TransferSummary { transferred: 0, moved: 0, failed: 1, retries: 1, ..DONE };
        assert_lines(none, &[]);
        assert_lines(
            TransferSummary { failed: 2, ..none },
            &["0 files uploaded: 0 B moved in 12.3s", "2 files failed, 1 retry"],
        );
    }
}
