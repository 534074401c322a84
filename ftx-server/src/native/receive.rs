//! Bytes of files on their way in.

use ftx_core::native::blocks::Cv;
use ftx_io::{Frames, StreamError};

use super::NativeError;
use super::conversation::Conversation;
use super::life::SignsOfLife;
use crate::store::Store;

impl<S: Store> Conversation<S> {
    /// Reads and discards bytes of a file, and returns the hash behind them.
    pub(super) async fn drain(
        &mut self,
        frames: &mut Frames,
        request: u32,
        mut left: u64,
    ) -> Result<Cv, NativeError> {
        let mut signs = SignsOfLife::new(request);
        while left > 0 {
            let (chunk, len) = self.piece_of(frames, &mut signs, left, |_| {}).await?;
            left -= len;
            self.spare = chunk;
        }
        Ok(Cv(frames.reader().read_hash(self.stall()).await?))
    }

    /// Reads some of the bytes of a file, and says how many. As they arrive, `arrived` is told.
    pub(super) async fn piece_of(
        &mut self,
        frames: &mut Frames,
        signs: &mut SignsOfLife,
        left: u64,
        arrived: impl Fn(u64) + Send,
    ) -> Result<(Vec<u8>, u64), NativeError> {
        let mut chunk = std::mem::take(&mut self.spare);
        chunk.clear();
        let len = usize::try_from(left).map_or(self.piece(), |left| left.min(self.piece()));
        self.receive(frames, signs, &mut chunk, len, arrived).await?;
        Ok((chunk, len as u64))
    }

    /// Reads `len` bytes of a file to the end of `chunk`. On a slow line that takes long, and the
    /// client, whose system has taken all of them long ago, is told that they still arrive.
    pub(super) async fn receive(
        &self,
        frames: &mut Frames,
        signs: &mut SignsOfLife,
        chunk: &mut Vec<u8>,
        len: usize,
        arrived: impl Fn(u64) + Send,
    ) -> Result<(), NativeError> {
        let (mut reader, writer) = frames.split();
        let guard = self.stall();
        let read = async {
            let end = chunk.len() + len;
            while chunk.len() < end {
                let before = chunk.len();
                reader.read_data(chunk, end - before, guard).await?;
                arrived((chunk.len() - before) as u64);
            }
            Ok::<_, StreamError>(())
        };
        signs.during(writer, || (0, len as u64), read).await??;
        self.context.monitor.received(len);
        Ok(())
    }

    /// How many bytes of a file are taken from the connection at a time.
    pub(super) fn piece(&self) -> usize {
        ftx_io::receive_chunk_bytes(self.context.monitor.active()).min(ftx_io::CHUNK_BYTES)
    }
}
