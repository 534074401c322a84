//! The answer to one request, frame by frame: the file may change between two frames.

use std::collections::VecDeque;

use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest, block_count, block_len};
use ftx_core::native::wire::{BlockHead, FileHead, GetScope, Meta, Reply, Version};

use super::{Lie, ModelServer};
use crate::files::{ModelFile, model_cv};
use crate::pair::{Bytes, block_frame, file_frame};

/// Chaining values in a message: few, so that a manifest has pages.
const PAGE_BLOCKS: usize = 3;

#[derive(Debug)]
enum AnswerFrame {
    Message(Reply),
    Cvs { first: u64 },
    Block { index: u64, is_whole: bool },
    File,
}

/// The frames that are still to be sent.
#[derive(Debug)]
pub(crate) struct Answer {
    request: u32,
    /// The file, which must not change meanwhile.
    file: Option<(String, Version)>,
    frames: VecDeque<AnswerFrame>,
}

impl Answer {
    pub(super) fn pong(request: u32, payload: u64) -> Self {
        Self::message(request, Reply::Pong { payload })
    }

    fn message(request: u32, reply: Reply) -> Self {
        Self { request, file: None, frames: [AnswerFrame::Message(reply)].into() }
    }

    pub(super) fn to_get(
        server: &ModelServer,
        request: u32,
        name: String,
        version: Option<Version>,
        what: GetScope,
    ) -> Self {
        let Some(file) = server.files.get(&name) else {
            return Self::message(request, Reply::failed(Reason::NotFound, "there is none"));
        };
        let current = file.version();
        if version.is_some_and(|version| version != current) {
            return Self::message(request, Reply::failed(Reason::Changed, "it has changed"));
        }
        let frames = frames(file, what);
        Self { request, file: Some((name, current)), frames }
    }

    /// The next frame.
    pub(super) fn next(&mut self, server: &mut ModelServer) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        let Some((name, version)) = &self.file else { return Some(self.encode(frame)) };
        let file = server.files.get(name).filter(|file| file.version() == *version).cloned();
        let Some(file) = file else {
            self.frames.clear();
            let failed = Reply::failed(Reason::Changed, "it has changed");
            return Some(self.encode(AnswerFrame::Message(failed)));
        };
        let lie = server.lie;
        Some(match frame {
            AnswerFrame::Message(_) => self.encode(frame),
            AnswerFrame::Cvs { first } => {
                let all = file.manifest().cvs().to_vec();
                let page = all.iter().skip(first as usize).take(PAGE_BLOCKS);
                let cvs: Vec<Cv> = (first..)
                    .zip(page)
                    .map(|(index, cv)| {
                        let is_lie = lie == Some(Lie::OtherCv(server.of_manifests));
                        server.of_manifests += 1;
                        if is_lie { other_cv(&file, index) } else { *cv }
                    })
                    .collect();
                self.encode(AnswerFrame::Message(Reply::Cvs { first, cvs }))
            }
            AnswerFrame::Block { index, is_whole } => {
                let other_block = if is_whole {
                    Lie::OtherBlock(server.of_wholes)
                } else {
                    Lie::OtherPart(server.of_ranges)
                };
                let is_other = lie == Some(other_block);
                server.of_wholes += u64::from(is_whole);
                server.of_ranges += u64::from(!is_whole);
                let is_damaged = lie == Some(Lie::Damaged(server.sent));
                server.count_sent();
                let content = file.blocks[index as usize];
                let head = BlockHead { index, len: block_len(file.size, index) };
                let cv = if is_other { other_cv(&file, index) } else { file.cv(index) };
                let content = if is_other || is_damaged { other(content) } else { content };
                block_frame(self.request, head, content, cv)
            }
            AnswerFrame::File => {
                let is_damaged = lie == Some(Lie::Damaged(server.sent));
                server.count_sent();
                let content = file.blocks.first().copied().unwrap_or(0);
                let content = if is_damaged { other(content) } else { content };
                let head = FileHead::Got { meta: Meta::default(), version: *version };
                file_frame(self.request, &head, file.size, content, file.manifest().digest())
            }
        })
    }

    fn encode(&self, frame: AnswerFrame) -> Bytes {
        let AnswerFrame::Message(reply) = frame else { panic!("{frame:?} is no message") };
        reply.encode(self.request).unwrap().into()
    }
}

/// The contents that a lie puts in the place of others.
pub(crate) fn other(content: u8) -> u8 {
    content ^ 1
}

fn other_cv(file: &ModelFile, index: u64) -> Cv {
    model_cv(file.size, index, other(file.blocks[index as usize]))
}

fn frames(file: &ModelFile, what: GetScope) -> VecDeque<AnswerFrame> {
    let digest: Digest = file.manifest().digest();
    let is_small = file.size <= BLOCK_BYTES;
    let (size, meta, version) = (file.size, Meta::default(), file.version());
    let found = AnswerFrame::Message(Reply::Found { size, meta, version });
    let end = |digest| AnswerFrame::Message(Reply::End { digest });
    let blocks = |range: BlockRange, is_whole| {
        let indices = range.first..range.end().min(block_count(size));
        indices.map(move |index| AnswerFrame::Block { index, is_whole })
    };
    match what {
        GetScope::WholeUnless(theirs) if is_small && theirs == digest => {
            [found, end(Some(digest))].into()
        }
        GetScope::Whole | GetScope::WholeUnless(_) if is_small => [AnswerFrame::File].into(),
        GetScope::Whole | GetScope::WholeUnless(_) => {
            let all = BlockRange { first: 0, count: u64::MAX };
            [found].into_iter().chain(blocks(all, true)).chain([end(Some(digest))]).collect()
        }
        GetScope::Manifest | GetScope::FreshManifest => {
            let pages = (0..block_count(size)).step_by(PAGE_BLOCKS);
            let pages = pages.map(|first| AnswerFrame::Cvs { first });
            let working = AnswerFrame::Message(Reply::Working { done: 0, total: size });
            [found, working].into_iter().chain(pages).chain([end(Some(digest))]).collect()
        }
        GetScope::Blocks(ranges) => {
            let blocks = ranges.into_iter().flat_map(|range| blocks(range, false));
            [found].into_iter().chain(blocks).chain([end(None)]).collect()
        }
    }
}
