//! The files of a client that are open for blocks.

use std::collections::BTreeMap;

use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BlockRange, Cv, Digest, Manifest, PartialManifest, block_len};
use ftx_core::native::download::{
    ArrivingBlock, Fetch, FetchError, INITIAL_WINDOW_BLOCKS, RemoteVersion,
};
use ftx_core::native::wire::BlockHead;

use super::client::DownloadClient;
use crate::files::ModelStaging;

#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) name: String,
    pub(super) remote: RemoteVersion,
    pub(super) fetch: Fetch,
    pub(super) stream: StreamId,
    pub(super) is_closed: bool,
    /// Blocks that each connection has requested and not received.
    pub(super) outstanding: BTreeMap<StreamId, u64>,
}

impl OpenFile {
    /// A connection asks for blocks, within its window.
    pub(super) fn ask(&mut self, stream: StreamId, ranges: &[BlockRange]) {
        let outstanding = self.outstanding.entry(stream).or_default();
        *outstanding += ranges.iter().map(|range| range.count).sum::<u64>();
        assert!(*outstanding <= INITIAL_WINDOW_BLOCKS, "{outstanding} blocks are outstanding");
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ArrivingBytes {
    Write { file: usize, index: u64, offset: u64 },
    Skip,
}

impl DownloadClient {
    pub(super) fn open(
        &mut self,
        stream: StreamId,
        name: String,
        remote: RemoteVersion,
        fetch: Fetch,
    ) -> usize {
        let outstanding = BTreeMap::new();
        self.open.push(OpenFile { name, remote, fetch, stream, is_closed: false, outstanding });
        self.open.len() - 1
    }

    /// Fills a staging from the local data, as far as it is that of the manifest.
    pub(super) fn compare(
        &mut self,
        stream: StreamId,
        name: String,
        remote: RemoteVersion,
        manifest: &Manifest,
    ) {
        if !self.effect() {
            return;
        }
        let size = manifest.size();
        let disk = self.disk(&name);
        if disk.published.as_ref().is_some_and(|file| file.manifest() == *manifest) {
            disk.staging = None;
            return self.finish(&name, true);
        }
        let mut staging = disk.staging.take().filter(|staging| staging.size() == size);
        let staging = staging.get_or_insert_with(|| ModelStaging::new(size));
        if let Some(basis) = &disk.published {
            let known = PartialManifest::from(&basis.manifest()).resized(size);
            for (index, cv) in known.known_from(0) {
                let is_same = manifest.cvs().get(index as usize) == Some(&cv);
                if is_same && staging.block_map().get(index).is_none() {
                    let len = block_len(size, index);
                    staging.forget(index);
                    staging.write(index, 0, basis.blocks[index as usize], len);
                    staging.stored(index, cv);
                }
            }
        }
        let fetch = Fetch::resumed(manifest, &staging.block_map());
        disk.staging = Some(staging.clone());
        let open = self.open(stream, name, remote, fetch);
        self.publish_if_whole(open);
    }

    pub(super) fn on_block(&mut self, stream: StreamId, file: usize, head: BlockHead) {
        let arriving = match self.open[file].fetch.accept(stream, head).unwrap() {
            ArrivingBlock::Write => ArrivingBytes::Write { file, index: head.index, offset: 0 },
            ArrivingBlock::Skip => ArrivingBytes::Skip,
        };
        self.streams.get_mut(&stream).unwrap().arriving = Some(arriving);
    }

    pub(super) fn on_bytes(&mut self, stream: StreamId, content: u8, len: u64) {
        let arriving = self.streams.get_mut(&stream).unwrap().arriving.as_mut().unwrap();
        let ArrivingBytes::Write { file, index, offset } = arriving else { return };
        let (file, index, at) = (*file, *index, *offset);
        *offset += len;
        if self.open[file].is_closed || !self.effect() {
            return;
        }
        let name = self.open[file].name.clone();
        let staging = self.disk(&name).staging.as_mut().unwrap();
        staging.forget(index);
        staging.write(index, at, content, len);
    }

    pub(super) fn on_block_end(&mut self, stream: StreamId, claimed: Cv) {
        let arriving = self.streams.get_mut(&stream).unwrap().arriving.take().unwrap();
        let ArrivingBytes::Write { file, index, .. } = arriving else { return };
        if self.open[file].is_closed {
            return;
        }
        let name = self.open[file].name.clone();
        let staging = self.disk(&name).staging.as_mut().unwrap();
        let computed = staging.computed(index).unwrap();
        match self.open[file].fetch.block(stream, index, computed, claimed) {
            Ok(()) => {
                let outstanding = self.open[file].outstanding.entry(stream).or_default();
                *outstanding = outstanding.saturating_sub(1);
            }
            Err(FetchError::Step(error)) => panic!("{error}"),
            Err(_) => {
                self.distrusted.insert(name);
                return self.fail(file);
            }
        }
        if self.effect() {
            self.disk(&name).staging.as_mut().unwrap().stored(index, computed);
        }
    }

    pub(super) fn end_blocks(&mut self, stream: StreamId, file: usize, digest: Option<Digest>) {
        match self.open[file].fetch.range_end(stream, digest) {
            Ok(()) => self.publish_if_whole(file),
            Err(FetchError::DigestMismatch { .. }) => {
                let name = self.open[file].name.clone();
                self.distrusted.insert(name);
                self.fail(file);
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn publish_if_whole(&mut self, file: usize) {
        let OpenFile { name, fetch, is_closed, .. } = &mut self.open[file];
        if *is_closed || !fetch.is_finished() {
            return;
        }
        let name = name.clone();
        if self.effect() {
            self.open[file].is_closed = true;
            let disk = self.disk(&name);
            disk.published = Some(disk.staging.take().unwrap().publish());
            self.finish(&name, true);
        }
    }

    pub(super) fn fail(&mut self, file: usize) {
        let OpenFile { name, fetch, is_closed, .. } = &mut self.open[file];
        fetch.fail();
        *is_closed = true;
        let name = name.clone();
        self.finish(&name, false);
    }
}
