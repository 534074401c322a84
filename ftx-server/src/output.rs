//! Lines for standard output and standard error, written by a separate thread: an unread pipe, a stopped
//! terminal or a full disk blocks only that thread.
//!
//! Lines that do not fit into the queue are dropped and counted. A notice with the count takes their
//! place as soon as the stream accepts writes again.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Limit of the bytes that wait in the queue.
const MAX_QUEUED_BYTES: usize = 256 * 1024;

/// A stream of lines. Clones share its queue.
#[derive(Clone)]
pub(crate) struct Output(Arc<SharedQueue>);

struct SharedQueue {
    queue: Mutex<LineQueue>,
    changed: Condvar,
}

#[derive(Default)]
struct LineQueue {
    items: VecDeque<QueuedItem>,
    /// Bytes of the lines in it.
    bytes: usize,
    /// Lines that were dropped, or could not be written, since the start.
    dropped: u64,
    /// A line is being written.
    is_writing: bool,
}

enum QueuedItem {
    Line(Vec<u8>),
    /// The number of lines dropped here.
    Dropped(u64),
}

impl Output {
    /// A stream that keeps its lines until its thread is started.
    pub(crate) fn new() -> Self {
        Self(Arc::new(SharedQueue { queue: Mutex::default(), changed: Condvar::new() }))
    }

    /// Starts the thread that writes to `target`. `notice` formats the notice of dropped lines.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn start(
        &self,
        name: &str,
        mut target: impl Write + Send + 'static,
        notice: fn(u64) -> String,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        let work = move || {
            let mut unreported = 0;
            loop {
                match shared.next() {
                    QueuedItem::Line(line) => {
                        if target.write_all(&line).and_then(|()| target.flush()).is_err() {
                            unreported += 1;
                            shared.lock().dropped += 1;
                        }
                    }
                    QueuedItem::Dropped(lines) => unreported += lines,
                }
                let report = |target: &mut dyn Write| {
                    target.write_all(notice(unreported).as_bytes())?;
                    target.flush()
                };
                if unreported > 0 && report(&mut target).is_ok() {
                    unreported = 0;
                }
                shared.written();
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(())
    }

    /// Queues a line, which includes its line break, or drops it.
    pub(crate) fn line(&self, line: &[u8]) {
        let mut queue = self.0.lock();
        if queue.bytes.saturating_add(line.len()) <= MAX_QUEUED_BYTES {
            queue.bytes += line.len();
            queue.items.push_back(QueuedItem::Line(line.to_owned()));
        } else {
            queue.dropped += 1;
            match queue.items.back_mut() {
                Some(QueuedItem::Dropped(lines)) => *lines += 1,
                _ => queue.items.push_back(QueuedItem::Dropped(1)),
            }
        }
        drop(queue);
        self.0.changed.notify_all();
    }

    /// Lines that were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Waits until everything is written, or until `limit` has passed.
    pub(crate) fn finish(&self, limit: Duration) {
        let is_unwritten = |queue: &mut LineQueue| queue.is_writing || !queue.items.is_empty();
        drop(self.0.changed.wait_timeout_while(self.0.lock(), limit, is_unwritten));
    }
}

impl SharedQueue {
    fn lock(&self) -> MutexGuard<'_, LineQueue> {
        // Each change is a single step, so a panic elsewhere leaves the queue consistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next item.
    fn next(&self) -> QueuedItem {
        let mut queue = self.lock();
        loop {
            if let Some(item) = queue.items.pop_front() {
                if let QueuedItem::Line(line) = &item {
                    queue.bytes = queue.bytes.saturating_sub(line.len());
                }
                queue.is_writing = true;
                return item;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn written(&self) {
        self.lock().is_writing = false;
        self.changed.notify_all();
    }
}

/// One event of the log.
impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::Duration;

    use super::{MAX_QUEUED_BYTES, Output};

    const DEADLINE: Duration = Duration::from_secs(60);

    /// A pipe that holds one write.
    struct Pipe(SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start(target: impl Write + Send + 'static) -> Output {
        let output = Output::new();
        output.start("test", target, |lines| format!("dropped {lines}\n")).unwrap();
        output
    }

    fn read(pipe: &Receiver<Vec<u8>>) -> String {
        String::from_utf8(pipe.recv_timeout(DEADLINE).unwrap()).unwrap()
    }

    #[test]
    fn unread_lines_are_dropped_and_a_notice_takes_their_place() {
        let (write, pipe) = sync_channel(0);
        let output = start(Pipe(write));
        let line = |number: usize| format!("{number:04}{:1$}\n", "", 1019);
        output.line(line(0).as_bytes());
        // The thread has taken it, so the queue is empty.
        while output.0.lock().bytes > 0 {
            std::thread::yield_now();
        }
        let kept = 1 + MAX_QUEUED_BYTES / 1024;
        for number in 1..kept + 7 {
            output.line(line(number).as_bytes());
        }
        // Returns although the pipe is not read.
        output.finish(Duration::from_millis(10));
        assert_eq!(output.dropped(), 7);
        for number in 0..kept {
            assert_eq!(read(&pipe), line(number));
        }
        assert_eq!(read(&pipe), "dropped 7\n");
        output.line(b"again\n");
        assert_eq!(read(&pipe), "again\n");
        output.finish(DEADLINE);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let output = start(Full);
        for _ in 0..3 {
            output.line(b"x\n");
        }
        output.finish(DEADLINE);
        assert_eq!(output.dropped(), 3);
    }
}
