//! The files in memory as the legacy dialect sees them: prefixes that grow byte by byte.

use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::legacy::{Md5Digest, Prefix};
use ftx_core::native::Reason;
use ftx_core::native::wire::{Meta, Overwrite};
use ftx_io::{CHUNK_BYTES, Executor};
use ftx_store::PrefixHasher;

use super::{MemStore, MemVersion, manifest_of, not_found, part};
use crate::auth::Principal;
use crate::store::{
    LegacyBegin, LegacyDownload, LegacyOffer, LegacyStore, LegacyUpload, Refusal, TakenName,
};

/// The bytes that were offered to a client.
#[derive(Debug)]
pub struct MemOffer {
    bytes: Arc<Vec<u8>>,
    /// The number of bytes offered.
    len: usize,
}

/// An upload, which holds its bytes until it ends.
#[derive(Debug)]
pub struct MemUpload {
    store: MemStore,
    name: RemoteName,
    bytes: Vec<u8>,
    has_ended: bool,
}

/// A published file that is downloaded.
#[derive(Debug)]
pub struct MemDownload(Arc<MemVersion>);

fn prefix_of(bytes: &[u8]) -> Prefix {
    Prefix { len: bytes.len() as u64, md5: PrefixHasher::of(bytes).digest() }
}

impl LegacyStore for MemStore {
    type Offer = MemOffer;
    type Upload = MemUpload;
    type Download = MemDownload;

    async fn offer_prefix(
        &self,
        _: &Executor,
        name: &RemoteName,
        limit: u64,
    ) -> Result<LegacyOffer<MemOffer>, Refusal> {
        let state = self.lock();
        state.check_parents(name)?;
        state.check_file(name)?;
        let own = state.prefixes.iter().filter(|(other, _)| other == name);
        // The last byte is never offered: a client that holds all bytes would send none, and the file would
        // never be published.
        let staged = own.map(|(_, bytes)| (bytes, bytes.len().saturating_sub(1), false));
        let published = state.files.get(name).map(|version| &version.bytes);
        let published = published.map(|bytes| (bytes, bytes.len(), true));
        let found = staged
            .filter(|&(_, len, _)| len > 0 && len as u64 <= limit)
            .max_by_key(|&(_, len, _)| len)
            .or(published.filter(|&(_, len, _)| len > 0 && len as u64 <= limit));
        let Some((bytes, len, published)) = found else {
            let offer = MemOffer { bytes: Arc::default(), len: 0 };
            return Ok(LegacyOffer { held: None, published: false, offer });
        };
        let held = bytes.get(..len).map(prefix_of);
        Ok(LegacyOffer { held, published, offer: MemOffer { bytes: Arc::clone(bytes), len } })
    }

    async fn begin(
        &self,
        _: &Executor,
        name: &RemoteName,
        begin: LegacyBegin<MemOffer>,
        len: u64,
    ) -> Result<MemUpload, Refusal> {
        let mut state = self.lock();
        let (LegacyBegin::Anew(offer) | LegacyBegin::Resume(offer)) = &begin;
        // Only the client that got it could use it, and it continues with a copy.
        state.prefixes.retain(|(_, bytes)| !Arc::ptr_eq(bytes, &offer.bytes));
        let bytes = match &begin {
            LegacyBegin::Anew(_) => Vec::new(),
            LegacyBegin::Resume(MemOffer { len: 0, .. }) => {
                let message = format!("nothing of {name:?} was offered; ask again");
                return Err(Refusal::new(Reason::Changed, message));
            }
            LegacyBegin::Resume(offer) => offer.bytes.get(..offer.len).unwrap_or_default().to_vec(),
        };
        self.check_space(&state, name, len.saturating_add(bytes.len() as u64))?;
        Ok(MemUpload { store: self.clone(), name: name.clone(), bytes, has_ended: false })
    }

    async fn open_download(&self, _: &Executor, name: &RemoteName) -> Result<MemDownload, Refusal> {
        let state = self.lock();
        state.check_file(name)?;
        let version = state.files.get(name).ok_or_else(|| not_found(name))?;
        Ok(MemDownload(Arc::clone(version)))
    }
}

impl MemUpload {
    /// Keeps the bytes for a client that resumes.
    fn keep(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if !std::mem::replace(&mut self.has_ended, true) && !bytes.is_empty() {
            self.store.lock().prefixes.push((self.name.clone(), Arc::new(bytes)));
        }
    }
}

impl LegacyUpload for MemUpload {
    async fn write(&mut self, _: &Executor, chunk: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let room = self.store.capacity_bytes.saturating_sub(self.bytes.len() as u64);
        if chunk.len() as u64 > room {
            let state = self.store.lock();
            self.store.check_space(&state, &self.name, u64::MAX)?;
        }
        self.bytes.extend_from_slice(&chunk);
        Ok(chunk)
    }

    async fn publish_as(
        mut self,
        _: &Executor,
        taken: TakenName,
    ) -> Result<Option<Md5Digest>, Refusal> {
        let (manifest, md5) = (manifest_of(&self.bytes)?, PrefixHasher::of(&self.bytes).digest());
        let store = self.store.clone();
        let mut state = store.lock();
        state.check_parents(&self.name)?;
        let name = match taken {
            TakenName::FirstFree => state.first_free(&self.name)?,
            TakenName::Replace | TakenName::Refuse => self.name.clone(),
        };
        state.check_file(&name)?;
        if taken == TakenName::Refuse {
            state.check_overwrite(&name, Overwrite::Fail)?;
        }
        self.has_ended = true;
        let bytes = std::mem::take(&mut self.bytes);
        if taken == TakenName::FirstFree {
            state.insert(name, bytes, manifest, Meta::default());
        } else {
            state.publish(&name, &Principal::Legacy, bytes, manifest, Meta::default());
        }
        Ok(Some(md5))
    }

    async fn suspend(mut self, _: &Executor) -> Result<(), Refusal> {
        self.keep();
        Ok(())
    }
}

impl Drop for MemUpload {
    fn drop(&mut self) {
        self.keep();
    }
}

impl LegacyDownload for MemDownload {
    fn size(&self) -> u64 {
        self.0.manifest.size()
    }

    fn md5(&self) -> Option<Md5Digest> {
        None
    }

    async fn starts_with(&mut self, _: &Executor, held: Prefix) -> Result<bool, Refusal> {
        Ok(part(&self.0.bytes, 0, held.len).is_some_and(|start| prefix_of(start) == held))
    }

    async fn read(
        &mut self,
        _: &Executor,
        offset: u64,
        len: u64,
        mut spare: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        let left = self.size().saturating_sub(offset);
        let bytes = part(&self.0.bytes, offset, len.min(left).min(CHUNK_BYTES as u64));
        spare.clear();
        spare.extend_from_slice(bytes.unwrap_or_default());
        Ok(spare)
    }
}
