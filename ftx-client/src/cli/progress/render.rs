//! The lines of the display: a function of its content, the width and the characters of the terminal.

use super::format::{self, Charset, bytes, bytes_of, columns, time_left};
use super::view::{Amount, DetailView, FileState, ProgressView, ScanView, WholeView};

/// The widest bar, and the narrowest one that says anything.
const MAX_BAR_COLUMNS: usize = 30;
const MIN_BAR_COLUMNS: usize = 5;

/// The columns in which a name can be recognised.
const MIN_NAME_COLUMNS: usize = 8;

/// Columns of fields whose width would change all the time.
const SPEED_COLUMNS: usize = 10;
const ETA_COLUMNS: usize = 11;

/// A field of the line about the whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WholeField {
    /// The number of files, or the name of the only one.
    Head,
    ShortHead,
    Bar,
    Percent,
    Bytes,
    Speed,
    Eta,
}

/// The fields of the line about the whole: the first layout that fits counts.
const LAYOUTS: [&[WholeField]; 7] = {
    use WholeField::{Bar, Bytes, Eta, Head, Percent, ShortHead, Speed};
    [
        &[Head, Bar, Percent, Bytes, Speed, Eta],
        &[ShortHead, Bar, Percent, Bytes, Speed, Eta],
        &[ShortHead, Bar, Percent, Speed, Eta],
        &[ShortHead, Percent, Speed, Eta],
        &[ShortHead, Percent, Eta],
        &[ShortHead, Percent],
        &[Percent],
    ]
};

/// The lines of the display on a terminal with so many columns. Each is shorter than the terminal is wide, so
/// that none wraps.
pub(crate) fn render(
    view: &ProgressView,
    terminal_columns: usize,
    charset: Charset,
) -> Vec<String> {
    let width = terminal_columns.saturating_sub(1);
    let page = LineSpace { width, charset };
    let (first, detail) = match view {
        ProgressView::Scanning { scan, detail } => (page.scan(*scan), detail),
        ProgressView::Whole(transfer) => (page.whole(transfer), &transfer.detail),
    };
    let detail = detail.as_ref().map(|detail| page.detail(detail));
    std::iter::once(first).chain(detail).collect()
}

/// The space for a line.
#[derive(Clone, Copy)]
struct LineSpace {
    width: usize,
    charset: Charset,
}

impl LineSpace {
    fn scan(self, scan: ScanView) -> String {
        let files = format::count(scan.files, "file", "files");
        let text = format!("looking for files: {files} so far, {}", bytes(scan.bytes));
        if columns(&text) <= self.width {
            return text;
        }
        self.charset.head(&format!("{files} so far"), self.width)
    }

    fn whole(self, transfer: &WholeView) -> String {
        let fitting = LAYOUTS.iter().find_map(|layout| self.lay_out(transfer, layout));
        fitting.unwrap_or_else(|| self.charset.head(&percent(transfer), self.width))
    }

    /// The line with these fields, if it fits.
    fn lay_out(self, transfer: &WholeView, layout: &[WholeField]) -> Option<String> {
        let mut fields = Vec::with_capacity(layout.len());
        let mut bar = None;
        for field in layout {
            match field {
                WholeField::Bar if transfer.work.total.is_some() => {
                    bar = Some(fields.len());
                    fields.push(String::new());
                }
                field => fields.extend(self.field(transfer, *field)),
            }
        }
        let taken = fields.iter().map(|field| columns(field) + 1).sum::<usize>();
        let left = (self.width + 1).checked_sub(taken)?;
        if let Some(bar) = bar.and_then(|bar| fields.get_mut(bar)) {
            *bar = self.bar(transfer.work, left.min(MAX_BAR_COLUMNS))?;
        }
        Some(fields.join(" ").trim_end().to_owned())
    }

    fn field(self, transfer: &WholeView, field: WholeField) -> Option<String> {
        let WholeView { bytes: size, speed, eta, .. } = transfer;
        match field {
            WholeField::Head => self.head(transfer, true),
            WholeField::ShortHead => self.head(transfer, false),
            // Without a total, the bytes stand in its place.
            WholeField::Percent => Some(percent(transfer)),
            WholeField::Bytes => size.total.map(|total| bytes_of(size.done, total)),
            WholeField::Speed => {
                let speed = speed.map_or_else(|| "-".to_owned(), |speed| bytes(speed) + "/s");
                Some(format!("{speed:>SPEED_COLUMNS$}"))
            }
            WholeField::Eta => {
                let eta = eta.map_or_else(|| "-".to_owned(), time_left);
                Some(format!("{:<ETA_COLUMNS$}", format!("ETA {eta}")))
            }
            WholeField::Bar => None,
        }
    }

    /// The name of the only file, or the number of files.
    fn head(self, transfer: &WholeView, is_long: bool) -> Option<String> {
        let WholeView { name, files, .. } = transfer;
        if let Some(name) = name {
            let width = if is_long { self.width / 3 } else { self.width / 4 };
            let shown = || self.charset.tail(&self.charset.shown(name), width);
            return (width >= MIN_NAME_COLUMNS).then(shown);
        }
        let count = match files.total.map(|total| total.to_string()) {
            Some(total) => format!("{:>width$}/{total}", files.done, width = total.len()),
            None => files.done.to_string(),
        };
        Some(if is_long { format!("{count} files") } else { count })
    }

    fn bar(self, amount: Amount, cells: usize) -> Option<String> {
        let full = amount.share(cells)?;
        (cells >= MIN_BAR_COLUMNS).then(|| self.charset.bar(full, cells))
    }

    fn detail(self, detail: &DetailView) -> String {
        match detail {
            DetailView::Retrying { attempt, pause, error } => {
                let error = self.charset.shown(error);
                let text = if pause.is_zero() {
                    format!("retry {attempt}: {error}")
                } else {
                    format!("retry {attempt} in {}: {error}", format::pause(*pause))
                };
                self.charset.head(&text, self.width)
            }
            DetailView::File { name, state, amount } => self.file(name, *state, *amount),
        }
    }

    fn file(self, name: &str, state: FileState, amount: Amount) -> String {
        let name = self.charset.shown(name);
        let before = match state {
            FileState::Begun | FileState::Moving => "",
            FileState::Hashing | FileState::Comparing => "checking ",
            FileState::Finishing => {
                return self.charset.head(&format!("finishing {name}"), self.width);
            }
            FileState::Waiting => {
                let text = format!("waiting: another upload of {name} is running");
                return self.charset.head(&text, self.width);
            }
            FileState::Draining => {
                let left = amount.total.unwrap_or(0).saturating_sub(amount.done);
                return self.charset.head(&draining(left), self.width);
            }
        };
        let mut after = String::new();
        if let Some(percent) = amount.share(100) {
            let bar = if self.width >= 60 { self.bar(amount, 20) } else { None };
            after = format!(" {}{percent:>3}%", bar.map_or_else(String::new, |bar| bar + " "));
        }
        if let Some(total) = amount.total.filter(|_| self.width >= 36) {
            after = format!("{after} {}", bytes_of(amount.done, total));
        }
        match self.width.checked_sub(columns(before) + columns(&after)) {
            Some(room) if room > 0 => format!("{before}{}{after}", self.charset.tail(&name, room)),
            _ => self.charset.tail(&after, self.width),
        }
    }
}

/// The percentage, or the bytes so far if the total is unknown.
fn percent(transfer: &WholeView) -> String {
    match transfer.work.share(100) {
        Some(percent) => format!("{percent:>3}%"),
        None => bytes(transfer.bytes.done),
    }
}

/// A cancelled transfer whose last `left` bytes are read.
pub(crate) fn draining(left: u64) -> String {
    format!(
        "cancelled; reading the last {}, or the original server would hang \
         (interrupt again to leave at once)",
        bytes(left)
    )
}

#[cfg(test)]
mod tests;
