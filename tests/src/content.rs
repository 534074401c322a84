//! File contents that can be made again from a seed, piece by piece.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::Path;

use md5::{Digest as _, Md5};

/// A stream of pseudo-random bytes; equal seeds and lengths give equal bytes, and a shorter
/// content is a prefix of a longer one.
#[derive(Clone, Debug)]
pub struct Content {
    seed: u64,
    at: u64,
    len: u64,
}

/// The content with this seed and this many bytes.
#[must_use]
pub fn content(seed: u64, len: u64) -> Content {
    Content { seed, at: 0, len }
}

impl Content {
    /// The content behind the first `at` bytes.
    #[must_use]
    pub fn from(mut self, at: u64) -> Self {
        self.at = at.min(self.len);
        self
    }

    /// All of it in memory; for small ones.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        BufReader::new(self).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The MD5, as 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn md5(self) -> String {
        md5_of(self).unwrap()
    }

    /// Word `index` of the seed's stream: splitmix64 at a counter, so that any word can be had
    /// without those before it.
    fn word(&self, index: u64) -> [u8; 8] {
        let mut z = self
            .seed
            .wrapping_mul(0xd1b5_4a32_d192_ed03)
            .wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    }
}

impl Read for Content {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() && self.at < self.len {
            let word = self.word(self.at / 8);
            let inside = (self.at % 8) as usize;
            let left = usize::try_from(self.len - self.at).unwrap_or(usize::MAX);
            let count = (8 - inside).min(buf.len() - filled).min(left);
            buf[filled..filled + count].copy_from_slice(&word[inside..inside + count]);
            filled += count;
            self.at += count as u64;
        }
        Ok(filled)
    }
}

/// Writes a content to a file, replacing it.
///
/// # Panics
/// If it cannot be written.
pub fn write_file(path: &Path, mut content: Content) {
    let mut file = BufWriter::with_capacity(1 << 18, File::create(path).unwrap());
    io::copy(&mut content, &mut file).unwrap();
    file.flush().unwrap();
}

/// Makes a file of `len` zeros that takes no space.
///
/// # Panics
/// If it cannot be made.
pub fn sparse_file(path: &Path, len: u64) {
    File::create(path).unwrap().set_len(len).unwrap();
}

/// The MD5 of a file, as 32 lower-case hexadecimal digits.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn md5_file(path: &Path) -> String {
    md5_of(File::open(path).unwrap()).unwrap()
}

/// Asserts that a file holds exactly this content.
///
/// # Panics
/// If it does not, with the place of the first difference.
pub fn assert_content(path: &Path, content: Content) {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let len = file.metadata().unwrap().len();
    assert_eq!(len, content.len, "length of {}", path.display());
    let (mut file, mut content) = (file, content);
    let (mut found, mut wanted) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    let mut at = 0;
    while at < len {
        let count = content.read(&mut wanted).unwrap();
        file.read_exact(&mut found[..count]).unwrap();
        if let Some(off) = (0..count).find(|&i| found[i] != wanted[i]) {
            panic!("{} differs at byte {} of {len}", path.display(), at + off as u64);
        }
        at += count as u64;
    }
}

fn md5_of(mut from: impl Read) -> io::Result<String> {
    let mut md5 = Md5::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(hex::encode(md5.finalize())),
            count => md5.update(&piece[..count]),
        }
    }
}
