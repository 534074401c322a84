//! Resolving symbolic links beneath a directory.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Dir;

/// As many as the operating systems follow.
const MAX_LINKS: usize = 40;

/// Resolves all links of `path` beneath `root`. Parts that do not exist stay as they are.
///
/// The answer may be outdated when it is used, so use it without following links.
///
/// # Errors
/// A link leads out of `root`, the path has too many links, or a link cannot be read.
pub(crate) fn resolve(root: &Dir, path: &Path) -> io::Result<PathBuf> {
    let mut rest: VecDeque<OsString> = path.iter().map(OsString::from).collect();
    let mut real = PathBuf::new();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            // Only links contain such parts; plain paths have none.
            if !real.pop() {
                return Err(leads_out());
            }
            continue;
        }
        real.push(&part);
        let is_link = match root.symlink_metadata(&real) {
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            metadata => metadata?.is_symlink(),
        };
        if !is_link {
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::new(ErrorKind::InvalidInput, "too many symbolic links"));
        }
        let target = root.read_link_contents(&real)?;
        real.pop();
        for component in target.components().rev() {
            match component {
                Component::Normal(part) => rest.push_front(part.to_owned()),
                Component::ParentDir => rest.push_front("..".into()),
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => return Err(leads_out()),
            }
        }
    }
    Ok(real)
}

fn leads_out() -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, "a symbolic link leads out of the directory")
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::resolve;

    #[test]
    fn links_are_followed_as_far_as_they_stay_beneath() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        root.create_dir_all("a/b").unwrap();
        root.write("a/b/file", "").unwrap();
        for (target, link) in [
            ("a", "to_a"),
            ("../to_a/b", "a/up"),
            ("to_a/up", "chain"),
            ("a/none", "dangling"),
            ("../..", "a/out"),
            ("loop", "loop"),
        ] {
            root.symlink(target, link).unwrap();
        }
        root.symlink_contents("/etc", "absolute").unwrap();
        for (path, real) in [
            ("a/b/file", "a/b/file"),
            ("to_a/b/file", "a/b/file"),
            ("chain/file", "a/b/file"),
            ("chain", "a/b"),
            ("dangling/x", "a/none/x"),
            ("none/x/y", "none/x/y"),
        ] {
            assert_eq!(resolve(&root, Path::new(path)).unwrap(), Path::new(real), "{path}");
        }
        for path in ["a/out/x", "absolute", "absolute/passwd", "loop"] {
            assert!(resolve(&root, Path::new(path)).is_err(), "{path}");
        }
    }
}
