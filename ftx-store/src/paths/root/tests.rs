use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;

use super::Root;
use crate::{Durability, StoreError};

fn scratch(durability: Durability) -> (TempDir, Root) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    (temp, Root::new(dir, durability, Arc::default()).with_private(".ftx"))
}

#[test]
fn creates_missing_directories_and_nothing_else() {
    for durability in [Durability::Full, Durability::None] {
        let (_temp, root) = scratch(durability);
        for path in ["x", "a/x", "a/b/c/x"] {
            let dir = root.create_parents(Path::new(path)).unwrap();
            assert!(!root.dir().exists(path));
            dir.write("x", path).unwrap();
            assert_eq!(root.dir().read_to_string(path).unwrap(), path);
            root.make_durable(Path::new(path)).unwrap();
            root.remove_file(Path::new(path)).unwrap();
            assert!(!root.dir().exists(path));
        }
    }
}

#[test]
fn refuses_paths_that_do_not_stay_beneath() {
    let (_temp, root) = scratch(Durability::None);
    for path in ["", "..", "../x", "a/../x", "/x", "./x", "a/.."] {
        let refused = root.create_parents(Path::new(path));
        assert!(matches!(refused, Err(StoreError::BadName { .. })), "{path}: {refused:?}");
    }
    assert_eq!(root.dir().entries().unwrap().count(), 0);
}

#[test]
fn a_file_in_the_way_is_named() {
    let (_temp, root) = scratch(Durability::None);
    root.dir().write("a", "").unwrap();
    let refused = root.create_parents(Path::new("a/b/x"));
    assert!(matches!(refused, Err(StoreError::NotDirectory { .. })), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn a_link_does_not_lead_out() {
    let (temp, root) = scratch(Durability::None);
    std::os::unix::fs::symlink("/tmp", temp.path().join("out")).unwrap();
    root.dir().symlink("..", "up").unwrap();
    for path in ["out/x/y", "up/x"] {
        let path = Path::new(path);
        assert!(root.create_parents(path).is_err());
        assert!(root.open_regular(path).is_err());
        assert!(root.remove_file(path).is_err());
        assert!(root.metadata(path).is_err());
    }
    assert!(root.open_dir(Path::new("up")).is_err());
}

#[cfg(unix)]
#[test]
fn a_link_that_stays_inside_is_followed() {
    let (_temp, root) = scratch(Durability::Full);
    root.dir().create_dir_all("a/b").unwrap();
    root.dir().symlink("a/b", "link").unwrap();
    root.dir().symlink("../link/file", "a/file").unwrap();
    root.create_parents(Path::new("link/c/x")).unwrap().write("x", "deep").unwrap();
    assert_eq!(root.dir().read_to_string("a/b/c/x").unwrap(), "deep");
    root.dir().write("a/b/file", "bytes").unwrap();
    for path in ["link/file", "a/file"] {
        assert_eq!(root.open_regular(Path::new(path)).unwrap().1.len(), 5, "{path}");
        assert_eq!(root.metadata(Path::new(path)).unwrap().len(), 5, "{path}");
        root.make_durable(Path::new(path)).unwrap();
    }
    // The link itself is removed, not the file that it leads to.
    root.remove_file(Path::new("a/file")).unwrap();
    assert!(root.dir().exists("a/b/file"));
}

#[cfg(unix)]
#[test]
fn no_link_leads_to_the_private_directory() {
    let (_temp, root) = scratch(Durability::None);
    root.dir().create_dir_all(".ftx/blocks").unwrap();
    root.dir().write(".ftx/blocks/1.data", "secret").unwrap();
    root.dir().create_dir("a").unwrap();
    for (target, link) in [
        (".ftx", "top"),
        (".ftx/blocks", "below"),
        ("../.ftx", "a/up"),
        ("a/up", "chain"),
        (".ftx/blocks/1.data", "file"),
    ] {
        root.dir().symlink(target, link).unwrap();
    }
    for path in ["top/x", "below/x", "a/up/x", "chain/x"] {
        let refused = root.create_parents(Path::new(path));
        assert!(matches!(refused, Err(StoreError::Outside { .. })), "{path}: {refused:?}");
    }
    for path in
        ["file", "top/blocks/1.data", "below/1.data", "a/up/blocks/1.data", "chain/blocks/1.data"]
    {
        let path = Path::new(path);
        assert!(root.open_regular(path).is_err(), "{path:?}");
        assert!(root.metadata(path).is_err(), "{path:?}");
        assert!(root.make_durable(path).is_err() || path == Path::new("file"), "{path:?}");
        assert!(path == Path::new("file") || root.remove_file(path).is_err(), "{path:?}");
    }
    for path in ["top", "below", "a/up", "chain"] {
        assert!(root.open_dir(Path::new(path)).is_err(), "{path}");
    }
    assert!(root.dir().exists(".ftx/blocks/1.data"));
}

/// In the root itself, which a link may lead to, the private directory has a name like any.
#[cfg(unix)]
#[test]
fn the_private_directory_has_no_name_in_the_root() {
    let (_temp, root) = scratch(Durability::None);
    root.dir().create_dir_all(".ftx/blocks").unwrap();
    root.dir().create_dir_all("a/.ftx").unwrap();
    for (target, link) in [(".", "self"), ("..", "a/up")] {
        root.dir().symlink(target, link).unwrap();
    }
    for path in ["self/.ftx", "self/self/.FTX", "a/up/.ftx", "self/a/up/.ftx"] {
        let path = Path::new(path);
        assert!(root.is_private(path), "{path:?}");
        assert!(root.symlink_metadata(path).is_err(), "{path:?}");
        assert!(root.metadata(path).is_err(), "{path:?}");
        assert!(root.open_dir(path).is_err(), "{path:?}");
        assert!(root.remove_file(path).is_err(), "{path:?}");
        for path in [path, &path.join("x")] {
            let refused = root.create_parents(path);
            assert!(matches!(refused, Err(StoreError::Outside { .. })), "{refused:?}");
        }
    }
    for path in ["a/.ftx", "self/a/.ftx"] {
        assert!(!root.is_private(Path::new(path)), "{path}");
        assert!(root.metadata(Path::new(path)).unwrap().is_dir(), "{path}");
        root.create_parents(&Path::new(path).join("x")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_file_goes_where_a_link_of_its_name_leads() {
    let (_temp, root) = scratch(Durability::Full);
    for dir in ["a/b", ".ftx"] {
        root.dir().create_dir_all(dir).unwrap();
    }
    for (target, link) in [
        ("b/file", "a/link"),
        ("a/link", "chain"),
        ("none", "dangling"),
        ("a", "dir"),
        ("none/x", "lost"),
        ("../x", "out"),
        (".ftx/x", "private"),
        (".", "root"),
    ] {
        root.dir().symlink(target, link).unwrap();
    }
    root.dir().symlink_contents("/etc/x", "absolute").unwrap();
    for (path, real) in [
        ("new/x", "new/x"),
        ("a/link", "a/b/file"),
        ("chain", "a/b/file"),
        ("dir/link", "a/b/file"),
        ("dangling", "none"),
        ("dir", "a"),
    ] {
        let (dir, name) = root.target_of(Path::new(path)).unwrap();
        dir.dir().symlink("mark", &name).map_or_else(
            |_| assert_eq!(real, "a"),
            |()| {
                assert_eq!(root.dir().read_link(real).unwrap(), Path::new("mark"), "{path}");
                dir.dir().remove_file(&name).unwrap();
            },
        );
    }
    for path in ["lost", "out", "private", "absolute", "root", ".ftx", "../x"] {
        assert!(root.target_of(Path::new(path)).is_err(), "{path}");
    }
    assert!(!root.dir().exists("none"));
}
