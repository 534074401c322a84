//! A local file that is downloaded: what is here of it, and where the rest goes.
//!
//! A download grows in `NAME.ftxpart` beside its target, or what else [`PartNames`](ftx_store::PartNames)
//! finds free, with a journal, and becomes `NAME` only when it is whole. A partial file under the name itself, as the original
//! client leaves it, is taken over.

use cap_std::fs::{Dir, File};
use ftx_core::legacy::{Md5Digest, Prefix};
use ftx_io::{StagingWriter, blocking, hash_prefix};
use ftx_store::{
    BlockStaging, BootId, Durability, FileIdentity, PrefixHasher, Staging, StagingFiles,
    StoreError, check_space,
};

use crate::place::{Place, staged_bytes};
use crate::{Cancel, Event, LocalPath, Observer, TransferError};

/// A place for a downloaded file.
pub(crate) struct Target {
    place: Place,
    local: Local,
}

/// What is here already.
enum Local {
    Nothing,
    Staged(Box<Staging>),
    /// The target itself, hashed to its end, and what it was before.
    Whole {
        file: File,
        identity: FileIdentity,
        hasher: PrefixHasher,
    },
}

impl Target {
    /// Looks at what is here of `path`, hashing it if there is no journal that tells.
    pub(crate) async fn open(
        path: &LocalPath,
        durability: Durability,
        observer: &Observer,
        cancel: &Cancel,
    ) -> Result<Self, TransferError> {
        let place = Place::new(path, durability)?;
        let (mut local, file) = blocking(path.path(), {
            let (place, observer, cancel) = (place.clone(), observer.clone(), cancel.clone());
            move || look(&place, &observer, &cancel)
        })
        .await?;
        if let Some((file, identity)) = file {
            let len = identity.size;
            observer.tell(&Event::Hashing { done: 0, total: len });
            let (file, hasher) = hash_prefix(file, len, hashing(observer, cancel, len))
                .await
                .map_err(|error| StoreError::io("read", path.path(), error))?
                .ok_or(TransferError::cancelled())?;
            local = Local::Whole { file, identity, hasher };
        }
        Ok(Self { place, local })
    }

    /// What is here, as the server is told.
    pub(crate) fn held(&self) -> Option<Prefix> {
        let hasher = match &self.local {
            Local::Nothing => None,
            Local::Staged(staging) => Some(staging.hasher()),
            Local::Whole { hasher, .. } => Some(hasher),
        };
        hasher.map(|hasher| Prefix { len: hasher.len(), md5: hasher.digest() })
    }

    /// Makes a staging ready for `len` bytes from `start`, which is 0 or what is held. For a small
    /// file that begins anew it is made only when all of it is here.
    pub(crate) async fn prepare(
        &mut self,
        start: u64,
        len: u64,
    ) -> Result<StagingWriter, TransferError> {
        let local = std::mem::replace(&mut self.local, Local::Nothing);
        let place = self.place.clone();
        let name = place.path().to_string_lossy().into_owned();
        if start == 0 && len <= StagingWriter::MAX_DEFERRED_BYTES {
            drop(local);
            return Ok(StagingWriter::deferred(&name, move || create(&place, len)));
        }
        let writer = blocking(self.place.path(), move || match local {
            Local::Staged(staging) if start == staging.hasher().len() && start > 0 => {
                let dir = place.directory()?;
                place.check_target(&dir)?;
                check_space(&dir, place.path(), len)?;
                let hashed = staging.hasher().clone();
                StagingWriter::new(staging.rewound(hashed)?)
            }
            Local::Whole { file, hasher, .. } if start == hasher.len() && start > 0 => {
                let dir = place.directory()?;
                // The whole file is copied beside itself.
                check_space(&dir, place.path(), start.saturating_add(len))?;
                let files = place.choose_files(&dir)?;
                let staging = Staging::adopt(&dir, files, &name, &file, hasher)?;
                StagingWriter::new(staging.with_durability(place.durability))
            }
            other => {
                // What is held keeps its file locked.
                drop(other);
                StagingWriter::new(create(&place, len)?.journalled()?)
            }
        });
        Ok(writer.await?)
    }

    /// Makes what is staged the file, when the server has said that it is whole.
    pub(crate) async fn settle(&mut self) -> Result<(), TransferError> {
        let local = std::mem::replace(&mut self.local, Local::Nothing);
        let place = self.place.clone();
        let settle = move || match local {
            Local::Nothing => Ok(()),
            Local::Staged(staging) => {
                // What the server compared is what was hashed.
                let hashed = staging.hasher().clone();
                place.check_target(&place.directory()?)?;
                let published = staging.rewound(hashed)?.publish_beside(&place.name);
                published.map(|_| ()).map_err(|error| error.with_path(place.path()))
            }
            Local::Whole { file, identity, .. } => place.keep(&file.into_std(), &identity),
        };
        Ok(blocking(self.place.path(), settle).await?)
    }

    /// Makes what was written the file, if it has the MD5 that it must have.
    pub(crate) async fn publish(
        &self,
        writer: StagingWriter,
        expected: Option<Md5Digest>,
        observer: &Observer,
        cancel: &Cancel,
    ) -> Result<(), TransferError> {
        let place = self.place.clone();
        let (observer, cancel) = (observer.clone(), cancel.clone());
        let end = move |mut staging: Staging| {
            if let Some(expected) = expected {
                let total = staging.len();
                if !staging.catch_up(&mut hashing(&observer, &cancel, total))? {
                    staging.suspend()?;
                    return Ok(Err(TransferError::cancelled()));
                }
                let received = staging.digest();
                if received != expected {
                    // There is no telling which of its bytes are wrong.
                    staging.discard()?;
                    return Ok(Err(TransferError::digest_mismatch(received, expected)));
                }
            }
            place.check_target(&place.directory()?)?;
            let published = staging.publish_beside(&place.name);
            published.map(|_| Ok(())).map_err(|error| error.with_path(place.path()))
        };
        writer.finish(end).await?
    }
}

/// Looks for a staging or a file; a file is still to be hashed. Blocks.
fn look(
    place: &Place,
    observer: &Observer,
    cancel: &Cancel,
) -> Result<(Local, Option<(File, FileIdentity)>), StoreError> {
    let Some(dir) = place.existing_directory()? else { return Ok((Local::Nothing, None)) };
    if let Some(files) = place.parts.find(&dir)? {
        let mut go_on = hashing(observer, cancel, staged_bytes(&dir, &files));
        if let Some(staging) = recover(&dir, files, &mut go_on)? {
            let staging = staging.with_durability(place.durability);
            return Ok((Local::Staged(Box::new(staging)), None));
        }
    }
    // What can't be read can still be replaced.
    let file = place.open_in(&dir, &place.name).ok();
    Ok((Local::Nothing, file.map(|(file, metadata)| (file, FileIdentity::of(&metadata)))))
}

/// What an earlier download left in these files, whichever dialect it was in. Blocks.
fn recover(
    dir: &Dir,
    files: StagingFiles,
    go_on: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<Staging>, StoreError> {
    let boot = BootId::current();
    if let Some(staging) = Staging::recover_with(dir, files.clone(), boot, go_on)? {
        return Ok(Some(staging));
    }
    // What a download in the native dialect left is as good.
    let Some(blocks) = BlockStaging::recover_with(dir, files, boot, go_on)?.staging() else {
        return Ok(None);
    };
    match blocks.into_prefix()? {
        Some(prefix) => Staging::from_prefix(prefix, go_on).map(Some),
        None => Ok(None),
    }
}

/// An empty staging with room for `len` bytes. Blocks.
fn create(place: &Place, len: u64) -> Result<Staging, StoreError> {
    let dir = place.directory()?;
    let files = place.choose_files(&dir)?;
    // What lies there is replaced, and its space with it.
    check_space(&dir, place.path(), len.saturating_sub(staged_bytes(&dir, &files)))?;
    let staging = Staging::create(&dir, files, &place.path().to_string_lossy())?;
    Ok(staging.with_durability(place.durability))
}

/// Tells the observer how much of `total` bytes is hashed, and says whether to go on.
fn hashing(observer: &Observer, cancel: &Cancel, total: u64) -> impl FnMut(u64) -> bool {
    move |done| {
        observer.tell(&Event::Hashing { done, total });
        !cancel.is_cancelled()
    }
}
