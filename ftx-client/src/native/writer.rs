//! Who uploads a file, for the server to tell a client that comes back from another one.

use std::fs;

use ftx_core::native::blocks::BlockHasher;
use ftx_core::native::wire::Token;

use crate::LocalPath;

/// The writer that uploads the local file `path`: the same for each process on this machine, so that
/// the same command given again takes over at once what a connection holds that the server has not
/// lost yet. `None` where the machine cannot be told from others. Blocks.
pub(super) fn of(path: &LocalPath) -> Option<Token> {
    // Copies of one machine may share its id, and containers their names.
    let machine = fs::read("/etc/machine-id").unwrap_or_default();
    let host = fs::read("/proc/sys/kernel/hostname").ok()?;
    let path = path.canonical()?;
    token(&[&machine, &host, path.as_os_str().as_encoded_bytes()])
}

fn token(parts: &[&[u8]]) -> Option<Token> {
    let lens = parts.iter().map(|part| (part.len() as u64).to_le_bytes());
    let bytes: Vec<u8> =
        lens.flatten().chain(parts.iter().flat_map(|part| part.iter().copied())).collect();
    let mut hasher = BlockHasher::new(bytes.len() as u64, 0);
    hasher.update(&bytes);
    let hash = hasher.finish().ok()?.0;
    hash.first_chunk().copied().map(Token)
}

#[cfg(test)]
mod tests {
    use super::{LocalPath, of, token};
    use crate::LocalTree;

    #[test]
    fn parts_are_told_apart() {
        let tokens = [token(&[b"a", b"bc"]), token(&[b"ab", b"c"]), token(&[b"abc"])];
        assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2] && tokens[0] != tokens[2]);
        assert_eq!(tokens[0], token(&[b"a", b"bc"]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_has_one_writer_by_whatever_path() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("dir")).unwrap();
        for name in ["dir/a", "dir/b"] {
            std::fs::write(root.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("dir/a", root.join("link")).unwrap();
        let [a, b, link] = ["dir/a", "dir/b", "link"].map(|name| of(&root.join(name).into()));
        assert!(a.is_some() && a == link && a != b);
        // Nor by whatever path a tree is reached.
        std::os::unix::fs::symlink("root", temp.path().join("tree")).unwrap();
        for tree in [root, temp.path().join("tree"), temp.path().join("root/dir/..")] {
            for tree in [LocalTree::open(&tree).unwrap(), LocalTree::at(&tree)] {
                assert_eq!(of(&LocalPath::beneath(&tree, "dir/a")), a);
            }
        }
    }
}
