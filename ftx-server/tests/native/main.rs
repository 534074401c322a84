//! The native dialect from its connections: in one process with the tests, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod admission;
mod ask;
mod bandwidth;
mod chaos;
mod check;
mod client;
#[path = "../kit/content.rs"]
mod content;
mod crowded;
mod distrust;
mod downloads;
mod frame;
mod granules;
mod handshake;
mod hostile;
mod identities;
mod limits;
mod metrics;
mod names;
mod overwrite;
mod plain;
mod principals;
mod private;
#[path = "../kit/proxied.rs"]
mod proxied;
mod ranges;
mod records;
mod refused;
mod repeated;
mod replaced;
mod resume;
mod rights;
mod root;
#[path = "../kit/running.rs"]
mod running;
mod runs;
mod shutdown;
mod small;
mod takeover;
mod tls_handshake;
mod tokens;
#[path = "../kit/unseen.rs"]
mod unseen_kit;
mod uploads;
mod wrong;

use ftx_core::native::blocks::{BlockHasher, Cv, Digest, Manifest, block_len, block_offset};

use content::{DEADLINE, MIB, content};
use running::wait_until;

/// The bytes of block `index` of a file.
fn block(file: &[u8], index: u64) -> &[u8] {
    let start = usize::try_from(block_offset(index)).unwrap();
    &file[start..][..usize::try_from(block_len(file.len() as u64, index)).unwrap()]
}

fn cv(file: &[u8], index: u64) -> Cv {
    let mut hasher = BlockHasher::new(file.len() as u64, index);
    hasher.update(block(file, index));
    hasher.finish().unwrap()
}

fn digest(file: &[u8]) -> Digest {
    let cvs = (0..(file.len() as u64).div_ceil(MIB as u64)).map(|index| cv(file, index));
    Manifest::new(file.len() as u64, cvs.collect()).unwrap().digest()
}
