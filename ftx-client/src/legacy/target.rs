//! The target of a download in the legacy dialect: the bytes already present, and where the rest is
//! written.
//!
//! A download grows in `NAME.ftxpart` beside its target, or under another name that
//! [`PartNames`](ftx_store::PartNames) finds free, with a journal. It becomes `NAME` only when it is
//! whole. A partial file under `NAME` itself, as the original client leaves it, is adopted.

use cap_std::fs::{Dir, File};
use ftx_core::legacy::{Md5Digest, Prefix};
use ftx_io::{Executor, StagingWriter, hash_prefix};
use ftx_store::{
    BlockStaging, BootId, Durability, FileIdentity, PrefixHasher, PrefixStaging, StagingFiles,
    StoreError, check_space,
};

use crate::target_paths::{TargetPaths, staged_bytes};
use crate::{Cancel, Event, LocalPath, Observer, TransferError};

/// The target of a download.
pub(crate) struct Target {
    paths: TargetPaths,
    local: TargetState,
}

/// The local data of the file.
enum TargetState {
    Nothing,
    Staged(Box<PrefixStaging>),
    /// The target itself, hashed to its end, and its identity before that.
    Whole {
        file: File,
        identity: FileIdentity,
        hasher: PrefixHasher,
    },
}

impl Target {
    /// Inspects the local data of `path`. Without a journal it is hashed.
    pub(crate) async fn open(
        executor: &Executor,
        path: &LocalPath,
        durability: Durability,
        observer: &Observer,
        cancel: &Cancel,
    ) -> Result<Self, TransferError> {
        let paths = TargetPaths::new(path, durability)?;
        let inspecting = {
            let (paths, observer, cancel) = (paths.clone(), observer.clone(), cancel.clone());
            move || inspect(&paths, &observer, &cancel)
        };
        let (mut local, file) = executor.run(inspecting).await??;
        if let Some((file, identity)) = file {
            let len = identity.size;
            observer.tell(&Event::Hashing { done: 0, total: len });
            let (file, hasher) = hash_prefix(executor, file, len, hashing(observer, cancel, len))
                .await
                .map_err(|error| StoreError::io("read", path.path(), error))?
                .ok_or(TransferError::cancelled())?;
            local = TargetState::Whole { file, identity, hasher };
        }
        Ok(Self { paths, local })
    }

    /// The length and MD5 of the local data, for the server.
    pub(crate) fn held(&self) -> Option<Prefix> {
        let hasher = match &self.local {
            TargetState::Nothing => None,
            TargetState::Staged(staging) => Some(staging.hasher()),
            TargetState::Whole { hasher, .. } => Some(hasher),
        };
        hasher.map(|hasher| Prefix { len: hasher.len(), md5: hasher.digest() })
    }

    /// Prepares a staging for `len` bytes from `start`, which is 0 or the end of the local data. A small
    /// file that begins anew gets one only when it has arrived completely.
    pub(crate) async fn prepare(
        &mut self,
        executor: &Executor,
        start: u64,
        len: u64,
    ) -> Result<StagingWriter, TransferError> {
        let local = std::mem::replace(&mut self.local, TargetState::Nothing);
        let paths = self.paths.clone();
        let name = paths.path().to_string_lossy().into_owned();
        if start == 0 && len <= StagingWriter::MAX_DEFERRED_BYTES {
            drop(local);
            return Ok(StagingWriter::deferred(executor, move || Ok((create(&paths, len)?, ()))));
        }
        let executor_of_task = executor.clone();
        let begin = move |staging| StagingWriter::start(&executor_of_task, None, |_| (), staging);
        let writer = executor.run(move || match local {
            TargetState::Staged(staging) if start == staging.hasher().len() && start > 0 => {
                let dir = paths.directory()?;
                paths.check_target(&dir)?;
                check_space(&dir, paths.path(), len)?;
                let hashed = staging.hasher().clone();
                begin(staging.rewound(hashed)?)
            }
            TargetState::Whole { file, hasher, .. } if start == hasher.len() && start > 0 => {
                let dir = paths.directory()?;
                // The file is copied beside itself.
                check_space(&dir, paths.path(), start.saturating_add(len))?;
                let files = paths.choose_files(&dir)?;
                let staging = PrefixStaging::adopt(&dir, files, &name, &file, hasher)?;
                begin(staging.with_durability(paths.durability))
            }
            other => {
                // Its file stays locked until it is dropped.
                drop(other);
                begin(create(&paths, len)?.journalled()?)
            }
        });
        Ok(writer.await??)
    }

    /// Publishes the local data when the server has confirmed that it is whole.
    pub(crate) async fn settle(&mut self, executor: &Executor) -> Result<(), TransferError> {
        let local = std::mem::replace(&mut self.local, TargetState::Nothing);
        let paths = self.paths.clone();
        let settle = move || match local {
            TargetState::Nothing => Ok(()),
            TargetState::Staged(staging) => {
                // The server compared the hashed bytes.
                let hashed = staging.hasher().clone();
                paths.check_target(&paths.directory()?)?;
                let published = staging.rewound(hashed)?.publish_beside(&paths.name);
                published.map(|_| ()).map_err(|error| error.with_path(paths.path()))
            }
            TargetState::Whole { file, identity, .. } => paths.keep(&file.into_std(), &identity),
        };
        Ok(executor.run(settle).await??)
    }

    /// Publishes the written bytes, if they have the `expected` MD5.
    pub(crate) async fn publish(
        &self,
        writer: StagingWriter,
        expected: Option<Md5Digest>,
        observer: &Observer,
        cancel: &Cancel,
    ) -> Result<(), TransferError> {
        let paths = self.paths.clone();
        let (observer, cancel) = (observer.clone(), cancel.clone());
        let end = move |mut staging: PrefixStaging, ()| {
            if let Some(expected) = expected {
                let total = staging.len();
                if !staging.catch_up(&mut hashing(&observer, &cancel, total))? {
                    staging.suspend()?;
                    return Err(StoreError::Cancelled { path: paths.path().to_owned() });
                }
                let received = staging.digest();
                if received != expected {
                    // Which of its bytes are wrong is unknown.
                    staging.discard()?;
                    return Ok(Some((received, expected)));
                }
            }
            paths.check_target(&paths.directory()?)?;
            let published = staging.publish_beside(&paths.name);
            published.map(|_| None).map_err(|error| error.with_path(paths.path()))
        };
        match writer.finish(end).await? {
            None => Ok(()),
            Some((received, expected)) => Err(TransferError::digest_mismatch(received, expected)),
        }
    }
}

/// Finds a staging or a file. The file is not hashed yet. Blocks.
fn inspect(
    paths: &TargetPaths,
    observer: &Observer,
    cancel: &Cancel,
) -> Result<(TargetState, Option<(File, FileIdentity)>), StoreError> {
    let Some(dir) = paths.existing_directory()? else { return Ok((TargetState::Nothing, None)) };
    if let Some(files) = paths.parts.find(&dir)? {
        let mut on_hashed = hashing(observer, cancel, staged_bytes(&dir, &files));
        if let Some(staging) = recover(&dir, files, &mut on_hashed)? {
            let staging = staging.with_durability(paths.durability);
            return Ok((TargetState::Staged(Box::new(staging)), None));
        }
    }
    // An unreadable file can still be replaced.
    let file = paths.open_in(&dir, &paths.name).ok();
    Ok((TargetState::Nothing, file.map(|(file, metadata)| (file, FileIdentity::of(&metadata)))))
}

/// Recovers the staging of an earlier download in either dialect. Blocks.
fn recover(
    dir: &Dir,
    files: StagingFiles,
    on_hashed: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<PrefixStaging>, StoreError> {
    let boot = BootId::current();
    if let Some(staging) = PrefixStaging::recover_with(dir, files.clone(), boot, on_hashed)? {
        return Ok(Some(staging));
    }
    // A staging of the native dialect is converted.
    let Some(blocks) = BlockStaging::recover_with(dir, files, boot, on_hashed)?.staging() else {
        return Ok(None);
    };
    match blocks.into_prefix()? {
        Some(prefix) => PrefixStaging::from_prefix(prefix, on_hashed).map(Some),
        None => Ok(None),
    }
}

/// An empty staging with room for `len` bytes. Blocks.
fn create(paths: &TargetPaths, len: u64) -> Result<PrefixStaging, StoreError> {
    let dir = paths.directory()?;
    let files = paths.choose_files(&dir)?;
    // The old staging is replaced, which frees its space.
    check_space(&dir, paths.path(), len.saturating_sub(staged_bytes(&dir, &files)))?;
    let staging = PrefixStaging::create(&dir, files, &paths.path().to_string_lossy())?;
    Ok(staging.with_durability(paths.durability))
}

/// Reports the hashed bytes of `total` to the observer, and returns whether to continue.
fn hashing(observer: &Observer, cancel: &Cancel, total: u64) -> impl FnMut(u64) -> bool {
    move |done| {
        observer.tell(&Event::Hashing { done, total });
        !cancel.is_cancelled()
    }
}
