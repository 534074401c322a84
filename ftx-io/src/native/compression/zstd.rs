//! The only module that names the zstd library, which is C.
//!
//! Contexts take megabytes, and their memory is reused: as many are kept as a few cores use at a time, not one
//! for each connection.

use std::sync::{Mutex, PoisonError};

use ftx_core::native::wire::{FrameError, MAX_DECODED_BYTES};
use zstd_safe::{CCtx, DCtx};

/// Contexts that are kept for later use, of each kind.
const MAX_IDLE_CONTEXTS: usize = 4;

/// Above this level contexts are too large to be kept.
const MAX_KEPT_LEVEL: i32 = 12;

static COMPRESSORS: Mutex<Vec<CCtx<'static>>> = Mutex::new(Vec::new());
static DECOMPRESSORS: Mutex<Vec<DCtx<'static>>> = Mutex::new(Vec::new());

/// Appends one zstd frame of `plain` to `out`, and returns its length; `None` if the memory is exhausted.
pub(super) fn compress(plain: &[u8], level: i32, out: &mut Vec<u8>) -> Option<usize> {
    let mut context = take(&COMPRESSORS).or_else(CCtx::try_create)?;
    let start = out.len();
    out.resize(start + zstd_safe::compress_bound(plain.len()), 0);
    let written = context.compress(out.get_mut(start..)?, plain, level);
    if level <= MAX_KEPT_LEVEL {
        give_back(&COMPRESSORS, context);
    }
    let written = written.ok();
    out.truncate(start + written.unwrap_or_default());
    written
}

/// Decodes one zstd frame into the whole of `plain`.
///
/// # Errors
/// `encoded` is not exactly one frame of exactly so many bytes.
pub(super) fn decompress(encoded: &[u8], plain: &mut [u8]) -> Result<(), FrameError> {
    let error = FrameError::Undecodable { len: plain.len() as u64 };
    // The decoder would take several frames, and writes no further than `plain` reaches.
    let announced = zstd_safe::get_frame_content_size(encoded).ok().flatten();
    if plain.len() > MAX_DECODED_BYTES
        || announced != Some(plain.len() as u64)
        || zstd_safe::find_frame_compressed_size(encoded) != Ok(encoded.len())
    {
        return Err(error);
    }
    let mut context =
        take(&DECOMPRESSORS).or_else(DCtx::try_create).ok_or_else(|| error.clone())?;
    let written = context.decompress(plain, encoded);
    give_back(&DECOMPRESSORS, context);
    if written == Ok(plain.len()) { Ok(()) } else { Err(error) }
}

fn take<C>(idle: &Mutex<Vec<C>>) -> Option<C> {
    idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn give_back<C>(idle: &Mutex<Vec<C>>, context: C) {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() < MAX_IDLE_CONTEXTS {
        idle.push(context);
    }
}
