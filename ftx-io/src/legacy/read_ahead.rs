//! Reading a file ahead of the connection, on blocking threads.

use std::io::{self, Read, Seek, SeekFrom};
use std::mem;

use cap_std::fs::File;
use ftx_store::PrefixHasher;
use tokio::task::JoinHandle;

use crate::{CHUNK_BYTES, Executor, WorkPanicked};

/// Reads a file from one position to its end, one chunk ahead of the connection, and optionally
/// hashes it.
#[derive(Debug)]
pub struct ReadAhead {
    state: ReadState,
    /// The bytes not yet requested from the disk.
    left: u64,
}

#[derive(Debug)]
enum ReadState {
    Idle(HashedFile),
    Running(JoinHandle<(HashedFile, io::Result<Vec<u8>>)>),
    Broken,
}

#[derive(Debug)]
struct HashedFile {
    file: File,
    hasher: Option<PrefixHasher>,
}

impl ReadAhead {
    /// Reads the `len` bytes of `file` from `offset`. An optional `hasher`, which must have hashed
    /// the bytes before, hashes them too.
    ///
    /// # Errors
    /// The file cannot be positioned.
    pub fn new(
        mut file: File,
        offset: u64,
        len: u64,
        hasher: Option<PrefixHasher>,
    ) -> io::Result<Self> {
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { state: ReadState::Idle(HashedFile { file, hasher }), left: len })
    }

    /// Returns the next bytes, and starts reading those behind them into `spare`. Empty after the
    /// last.
    ///
    /// # Errors
    /// The file cannot be read, or ends early ([`io::ErrorKind::UnexpectedEof`]).
    pub async fn next(&mut self, executor: &Executor, spare: Vec<u8>) -> io::Result<Vec<u8>> {
        if matches!(self.state, ReadState::Idle(_)) {
            self.read_ahead(executor, Vec::new());
        }
        match mem::replace(&mut self.state, ReadState::Broken) {
            ReadState::Running(job) => {
                let (source, chunk) = job.await.map_err(WorkPanicked::from)?;
                let chunk = chunk?;
                self.state = ReadState::Idle(source);
                self.read_ahead(executor, spare);
                Ok(chunk)
            }
            ReadState::Idle(source) => {
                self.state = ReadState::Idle(source);
                Ok(Vec::new())
            }
            ReadState::Broken => Err(io::Error::other("an earlier read failed")),
        }
    }

    /// Waits for the read under way. Afterwards the file's position is undefined.
    pub async fn wait(self) {
        if let ReadState::Running(job) = self.state {
            // Neither its bytes nor its error matter any more.
            let _ = job.await;
        }
    }

    /// Returns the file and the hasher, once everything was read.
    #[must_use]
    pub fn into_parts(self) -> Option<(File, Option<PrefixHasher>)> {
        match self.state {
            ReadState::Idle(HashedFile { file, hasher }) => Some((file, hasher)),
            ReadState::Running(_) | ReadState::Broken => None,
        }
    }

    fn read_ahead(&mut self, executor: &Executor, spare: Vec<u8>) {
        if self.left == 0 {
            return;
        }
        let len = usize::try_from(self.left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        self.left -= len as u64;
        self.state = match mem::replace(&mut self.state, ReadState::Broken) {
            ReadState::Idle(mut source) => ReadState::Running(executor.spawn(move || {
                let chunk = source.read(len, spare);
                (source, chunk)
            })),
            other => other,
        };
    }
}

impl HashedFile {
    fn read(&mut self, len: usize, mut chunk: Vec<u8>) -> io::Result<Vec<u8>> {
        chunk.clear();
        chunk.reserve(len);
        (&mut self.file).take(len as u64).read_to_end(&mut chunk)?;
        if chunk.len() < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        Ok(chunk)
    }
}
