//! The source token: identifies a file of a machine, so that the server lets one run at a time send it.

use std::fs;

use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::Token;
use ftx_io::Executor;
use ftx_store::FileIdentity;

use crate::LocalPath;

/// Separates these hashes from all other uses of the hash.
const CONTEXT: &[u8] = b"ftx 2026-11-28 source of an upload";

/// The token of a local file in its present version: the same for each run on this machine, and a
/// different one when the file has changed. `None` where the machine has no identity.
pub(super) async fn of(
    executor: &Executor,
    local: &LocalPath,
    identity: &FileIdentity,
) -> Option<Token> {
    let (owned, identity) = (local.clone(), *identity);
    let found = executor.run(move || token_of(&owned, &identity)).await;
    // Without a token the upload is shared with no other run.
    found.ok().flatten()
}

/// Blocks.
fn token_of(local: &LocalPath, identity: &FileIdentity) -> Option<Token> {
    // Copies of one machine may share its id, and containers their names.
    let [machine, host] = ["/etc/machine-id", "/proc/sys/kernel/hostname"]
        .map(|path| fs::read(path).unwrap_or_default());
    let machine = match machine.as_slice() {
        [] => fs::read("/proc/sys/kernel/random/boot_id").ok()?,
        _ => machine,
    };
    let path = local.canonical()?;
    let FileIdentity { size, mtime_ns, .. } = identity;
    Some(token(&[
        CONTEXT,
        &machine,
        &host,
        path.as_os_str().as_encoded_bytes(),
        &size.to_le_bytes(),
        &mtime_ns.to_le_bytes(),
    ]))
}

fn token(parts: &[&[u8]]) -> Token {
    let lens = parts.iter().map(|part| (part.len() as u64).to_le_bytes());
    let bytes: Vec<u8> =
        lens.flatten().chain(parts.iter().flat_map(|part| part.iter().copied())).collect();
    let Digest(hash) = Digest::of(&bytes);
    let mut token = [0; 16];
    for (to, from) in token.iter_mut().zip(hash) {
        *to = from;
    }
    Token(token)
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn parts_are_distinguished() {
        let tokens = [token(&[b"a", b"bc"]), token(&[b"ab", b"c"]), token(&[b"abc"])];
        assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2] && tokens[0] != tokens[2]);
        assert_eq!(tokens[0], token(&[b"a", b"bc"]));
    }

    #[cfg(target_os = "linux")]
    mod files {
        use std::fs::{File, FileTimes};
        use std::os::unix::fs::symlink;
        use std::time::{Duration, SystemTime};

        use ftx_core::native::wire::Token;
        use ftx_store::FileIdentity;

        use super::super::token_of;
        use crate::{LocalPath, LocalTree};

        fn of(path: &LocalPath) -> Option<Token> {
            let (_, metadata) = path.open_regular().unwrap();
            token_of(path, &FileIdentity::of(&metadata))
        }

        #[test]
        fn a_file_is_one_source_by_any_path() {
            let temp = tempfile::tempdir().unwrap();
            let root = temp.path().join("root");
            std::fs::create_dir_all(root.join("dir")).unwrap();
            for name in ["dir/a", "dir/b"] {
                std::fs::write(root.join(name), "").unwrap();
            }
            symlink("dir/a", root.join("link")).unwrap();
            let [a, b, link] = ["dir/a", "dir/b", "link"].map(|name| of(&root.join(name).into()));
            assert!(a.is_some() && a == link && a != b);
            // Nor by whatever path a tree is reached.
            symlink("root", temp.path().join("tree")).unwrap();
            for tree in [root, temp.path().join("tree"), temp.path().join("root/dir/..")] {
                for tree in [LocalTree::open(&tree).unwrap(), LocalTree::at(&tree)] {
                    assert_eq!(of(&LocalPath::beneath(&tree, "dir/a")), a);
                }
            }
        }

        #[test]
        fn a_file_that_has_changed_is_another_source() {
            let temp = tempfile::tempdir().unwrap();
            let path = temp.path().join("a");
            let set = |content: &str, nanos| {
                std::fs::write(&path, content).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, nanos);
                let file = File::options().write(true).open(&path).unwrap();
                file.set_times(FileTimes::new().set_modified(time)).unwrap();
                of(&path.as_path().into()).unwrap()
            };
            let first = set("one", 100);
            assert_eq!(set("one", 100), first);
            assert_ne!(set("other", 100), first);
            assert_ne!(set("one", 200), first);
        }
    }
}
