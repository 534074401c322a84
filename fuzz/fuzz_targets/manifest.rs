//! Reading a manifest whose file holds anything: it is found as it was stored, or not at all.
//!
//! The input begins with two bytes, the place of the change, and one that is zero if it replaces the file.

#![no_main]

use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, Manifest};
use ftx_store::{FileIdentity, ManifestCache, ManifestLimits, StableIdentity};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&[low, high, keep], bytes)) = input.split_first_chunk() else { return };
    let at = u16::from_le_bytes([low, high]);
    let temp = tempfile::tempdir().expect("a directory can be made");
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).expect("it is there");
    let size = 2 * BLOCK_BYTES + 5;
    let identity = FileIdentity { dev: 1, ino: 2, size, mtime_ns: 3, ctime_ns: 4, nlink: 1 };
    let cvs = (0..3).map(|byte| Cv([byte + 1; 32])).collect();
    let manifest = Arc::new(Manifest::new(size, cvs).expect("there is one for each block"));
    let cache = || ManifestCache::in_dir(&dir, ManifestLimits::default());
    let stable = StableIdentity::assumed(identity);
    cache().expect("the directory is empty").learn_all(&stable, &manifest);

    for entry in dir.entries().expect("it can be read") {
        let name = entry.expect("it can be read").file_name();
        let mut whole = dir.read(&name).expect("it was just written");
        if keep == 0 {
            whole = bytes.to_vec();
        } else {
            let at = usize::from(at) % (whole.len() + 1);
            let end = (at + bytes.len()).min(whole.len());
            whole.splice(at..end, bytes.iter().copied());
        }
        dir.write(&name, whole).expect("it can be written");
    }
    if let Some(found) = cache().expect("it can be read").manifest(&identity) {
        assert_eq!(*found, *manifest);
    }
});
