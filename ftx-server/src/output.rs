//! Lines for standard output and standard error, written by a thread of their own: a pipe that nobody
//! reads, a stopped terminal or a full disk holds up that thread and nobody else.
//!
//! What does not fit into the queue is dropped and counted. The count is told in the place of what is
//! missing, as soon as anything can be written again.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that wait to be written at most.
const QUEUED_BYTES: usize = 256 * 1024;

/// Where lines go; clones are the same place.
#[derive(Clone)]
pub(crate) struct Output(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Bytes of the lines in it.
    bytes: usize,
    /// Lines that were dropped, or could not be written, since the start.
    dropped: u64,
    /// A line is being written.
    is_writing: bool,
}

enum Item {
    Line(Vec<u8>),
    /// So many lines were dropped here.
    Dropped(u64),
}

impl Output {
    /// Writes to `target` from now on. `notice` is the line that tells of dropped ones.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        name: &str,
        mut target: impl Write + Send + 'static,
        notice: fn(u64) -> String,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let output = Self(Arc::clone(&shared));
        let work = move || {
            let mut untold = 0;
            loop {
                match shared.next() {
                    Item::Line(line) => {
                        if target.write_all(&line).and_then(|()| target.flush()).is_err() {
                            untold += 1;
                            shared.lock().dropped += 1;
                        }
                    }
                    Item::Dropped(lines) => untold += lines,
                }
                let tell = |target: &mut dyn Write| {
                    target.write_all(notice(untold).as_bytes())?;
                    target.flush()
                };
                if untold > 0 && tell(&mut target).is_ok() {
                    untold = 0;
                }
                shared.written();
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(output)
    }

    /// Queues a line, with its end, or drops it.
    pub(crate) fn line(&self, line: &[u8]) {
        let mut queue = self.0.lock();
        if queue.bytes.saturating_add(line.len()) <= QUEUED_BYTES {
            queue.bytes += line.len();
            queue.items.push_back(Item::Line(line.to_owned()));
        } else {
            queue.dropped += 1;
            match queue.items.back_mut() {
                Some(Item::Dropped(lines)) => *lines += 1,
                _ => queue.items.push_back(Item::Dropped(1)),
            }
        }
        drop(queue);
        self.0.changed.notify_all();
    }

    /// Lines that were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Waits until everything is written, at most for `limit`: nobody may ever read it.
    pub(crate) fn finish(&self, limit: Duration) {
        let is_unwritten = |queue: &mut Queue| queue.is_writing || !queue.items.is_empty();
        drop(self.0.changed.wait_timeout_while(self.0.lock(), limit, is_unwritten));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Each change is a single step, so a panic elsewhere leaves it in order.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what is to be written next.
    fn next(&self) -> Item {
        let mut queue = self.lock();
        loop {
            if let Some(item) = queue.items.pop_front() {
                if let Item::Line(line) = &item {
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

    use super::{Output, QUEUED_BYTES};

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
        Output::start("test", target, |lines| format!("dropped {lines}\n")).unwrap()
    }

    fn read(pipe: &Receiver<Vec<u8>>) -> String {
        String::from_utf8(pipe.recv_timeout(DEADLINE).unwrap()).unwrap()
    }

    #[test]
    fn lines_that_nobody_reads_are_dropped_and_told_of_in_their_place() {
        let (write, pipe) = sync_channel(0);
        let output = start(Pipe(write));
        let line = |number: usize| format!("{number:04}{:1$}\n", "", 1019);
        output.line(line(0).as_bytes());
        // It is on its way, so the queue has room for just so many more.
        while output.0.lock().bytes > 0 {
            std::thread::yield_now();
        }
        let kept = 1 + QUEUED_BYTES / 1024;
        for number in 1..kept + 7 {
            output.line(line(number).as_bytes());
        }
        // Nobody reads: this does not wait for ever.
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
