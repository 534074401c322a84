//! A local file that is downloaded: what is here of it, and where the rest goes.
//!
//! A download grows in `NAME.ftxpart` beside its target, with a journal in `NAME.ftxpart.journal`,
//! and becomes `NAME` only when it is whole. A partial file under the name itself, as the original
//! client leaves it, is taken over.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use ftx_core::Md5Digest;
use ftx_core::legacy::Held;
use ftx_io::{blocking, hash_prefix};
use ftx_store::{Durability, PrefixHasher, Staging, StagingFiles, StoreError, check_space};

use crate::{Cancel, Event, Observer, TransferError};

/// A place for a downloaded file.
pub(crate) struct Target {
    dir: Dir,
    path: PathBuf,
    name: PathBuf,
    files: StagingFiles,
    durability: Durability,
    local: Local,
}

/// What is here already.
enum Local {
    Nothing,
    Staged(Staging),
    /// The target itself, hashed to its end.
    Whole(File, PrefixHasher),
}

impl Target {
    /// Looks at what is here of `path`, hashing it if there is no journal that tells.
    pub(crate) async fn open(
        path: &Path,
        durability: Durability,
        observer: &Observer,
        cancel: &Cancel,
    ) -> Result<Self, TransferError> {
        let owned = path.to_owned();
        let (mut target, file) = blocking(path, move || Self::find(owned, durability)).await?;
        if let Some((file, len)) = file {
            observer.tell(&Event::Hashing { done: 0, total: len });
            let hashed = hash_prefix(file, len, |done| {
                observer.tell(&Event::Hashing { done, total: len });
                !cancel.is_cancelled()
            });
            let (file, hasher) = hashed
                .await
                .map_err(|error| StoreError::io("read", &target.path, error))?
                .ok_or(TransferError::Cancelled)?;
            target.local = Local::Whole(file, hasher);
        }
        Ok(target)
    }

    /// What is here, as the server is told.
    pub(crate) fn held(&self) -> Option<Held> {
        match &self.local {
            Local::Nothing => None,
            Local::Staged(staging) => Some(Held { len: staging.len(), md5: staging.digest() }),
            Local::Whole(_, hasher) => Some(Held { len: hasher.len(), md5: hasher.digest() }),
        }
    }

    /// Makes a staging ready for `len` bytes from `start`, which is 0 or what is held.
    pub(crate) async fn prepare(&mut self, start: u64, len: u64) -> Result<Staging, TransferError> {
        let local = std::mem::replace(&mut self.local, Local::Nothing);
        let dir = self.dir.try_clone().map_err(|error| self.failed("open", error))?;
        let (files, path, durability) = (self.files.clone(), self.path.clone(), self.durability);
        let prepared = blocking(&self.path, move || {
            let name = path.to_string_lossy();
            let needed = match &local {
                // The whole file is copied beside itself.
                Local::Whole(..) => start.saturating_add(len),
                Local::Nothing | Local::Staged(_) => len,
            };
            check_space(&dir, &path, needed)?;
            let staging = match local {
                Local::Staged(staging) if start == staging.len() => staging,
                Local::Whole(file, hasher) if start == hasher.len() && start > 0 => {
                    Staging::adopt(&dir, files, &name, &file, hasher)?
                }
                Local::Nothing | Local::Staged(_) | Local::Whole(..) => {
                    Staging::create(&dir, files, &name)?
                }
            };
            Ok(staging.with_durability(durability))
        });
        Ok(prepared.await?)
    }

    /// Makes what is staged the file, when the server has said that it is whole.
    pub(crate) async fn settle(&mut self) -> Result<(), TransferError> {
        if let Local::Staged(staging) = std::mem::replace(&mut self.local, Local::Nothing) {
            self.publish(staging, None).await?;
        }
        Ok(())
    }

    /// Makes a staging the file, if it has the MD5 that it must have.
    pub(crate) async fn publish(
        &self,
        staging: Staging,
        expected: Option<Md5Digest>,
    ) -> Result<(), TransferError> {
        let received = staging.digest();
        let dir = self.dir.try_clone().map_err(|error| self.failed("open", error))?;
        let name = self.name.clone();
        let differs = expected.filter(|expected| *expected != received);
        blocking(&self.path, move || match differs {
            // There is no telling which of its bytes are wrong.
            Some(_) => staging.discard(),
            None => staging.publish(&dir, &name).map(drop),
        })
        .await?;
        match differs {
            Some(expected) => Err(TransferError::Digest { received, expected }),
            None => Ok(()),
        }
    }

    /// Opens the directory and looks for a staging or a file; a file is still to be hashed.
    fn find(
        path: PathBuf,
        durability: Durability,
    ) -> Result<(Self, Option<(File, u64)>), StoreError> {
        let failed = |op, error| StoreError::io(op, &path, error);
        let Some(name) = path.file_name().map(PathBuf::from) else {
            return Err(failed("create", io::ErrorKind::IsADirectory.into()));
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(parent).map_err(|error| StoreError::io("create", parent, error))?;
        let dir = Dir::open_ambient_dir(parent, ambient_authority())
            .map_err(|error| StoreError::io("open", parent, error))?;
        let files = StagingFiles {
            data: suffixed(&name, ".ftxpart"),
            journal: suffixed(&name, ".ftxpart.journal"),
        };
        let local = match Staging::recover(&dir, files.clone())? {
            Some(staging) => Local::Staged(staging.with_durability(durability)),
            None => Local::Nothing,
        };
        let file = match (&local, dir.metadata(&name)) {
            (_, Ok(metadata)) if metadata.is_dir() => {
                return Err(failed("create", io::ErrorKind::IsADirectory.into()));
            }
            (Local::Nothing, Ok(metadata)) if metadata.is_file() => {
                // A file that can't be read can still be replaced.
                dir.open(&name).ok().map(|file| (file, metadata.len()))
            }
            _ => None,
        };
        Ok((Self { dir, path: path.clone(), name, files, durability, local }, file))
    }

    fn failed(&self, op: &'static str, error: io::Error) -> StoreError {
        StoreError::io(op, &self.path, error)
    }
}

fn suffixed(name: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(name);
    name.push(suffix);
    name.into()
}
