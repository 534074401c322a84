//! The directories in which small files are written, one for each batch at a time.

use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use cap_std::fs::Dir;
use ftx_store::{BatchPublisher, Durability, StoreError};

use super::super::private_dir::PrivateDir;

/// The directories in which small files are written before they are published.
///
/// Each batch has a directory of its own: in a shared one, each would wait for the files of the others.
#[derive(Debug)]
pub(super) struct BatchDirs {
    dir: PrivateDir,
    durability: Durability,
    /// Files that each may have open at a time.
    pub(super) open_files: usize,
    idle: Mutex<IdlePublishers>,
}

#[derive(Debug, Default)]
struct IdlePublishers {
    publishers: Vec<BatchPublisher>,
    made: u64,
}

impl BatchDirs {
    pub(super) fn open(
        private_dir: &Dir,
        durability: Durability,
        open_files: usize,
    ) -> Result<Self, StoreError> {
        let own = PrivateDir::open(private_dir, "batch")?;
        let dir = own.get();
        // Nothing in it is good for anything after a crash.
        let failed = |error| StoreError::io("clear", ".ftx/batch", error);
        for entry in dir.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let is_dir = entry.file_type().map_err(failed)?.is_dir();
            let name = entry.file_name();
            let removed = if is_dir { dir.remove_dir_all(name) } else { dir.remove_file(name) };
            removed.map_err(failed)?;
        }
        Ok(Self { dir: own, durability, open_files, idle: Mutex::default() })
    }

    /// A publisher with a directory that is not in use. The lock of the root keeps other servers out.
    pub(super) fn publisher(&self) -> Result<BatchPublisher, StoreError> {
        let name = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(publisher) = idle.publishers.pop() {
                if !publisher.is_dir_removed() {
                    return Ok(publisher);
                }
            }
            idle.made += 1;
            format!("{:x}", idle.made)
        };
        let dir = self.dir.make(|dir| made_in(dir, &name))?;
        Ok(BatchPublisher::new(&dir, self.durability)?
            .with_exclusive_dir()
            .with_open_files(self.open_files))
    }

    /// Takes one back.
    pub(super) fn give_back(&self, publisher: BatchPublisher) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.publishers.push(publisher);
    }
}

/// Makes a directory in one that is there: a path that is made as a whole could not tell.
fn made_in(dir: &Dir, name: &str) -> Result<Dir, StoreError> {
    match dir.create_dir(name) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.map_err(|error| StoreError::io("create", name, error))?,
    }
    dir.open_dir(name).map_err(|error| StoreError::io("open", name, error))
}
