//! Walks through trees that are whole, change, or cannot be looked at.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::wire::Listed;
use ftx_core::{RawName, RemoteName};
use ftx_store::{Durability, Root};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{NameMemory, TreeWalk};

/// The listed entries, each followed by its obstacle, if there is one.
fn all(mut walk: TreeWalk) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(listed) = walk.next().unwrap() {
        names.push(name_and_obstacle(&listed));
    }
    names
}

fn name_and_obstacle(listed: &Listed) -> String {
    match listed {
        Listed::Entry(entry) => entry.name.as_str().to_owned(),
        Listed::Untransferable(other) => format!("{} {}", other.name, other.obstacle.name()),
    }
}

fn walk(root: &Root, name: Option<&str>, recursive: bool, after: Option<&str>) -> TreeWalk {
    let name = name.map(|name| RemoteName::parse(name).unwrap());
    let after = after.map(|after| RawName::parse(after).unwrap());
    TreeWalk::new(root, &NameMemory::default(), name.as_ref(), recursive, after.as_ref()).unwrap()
}

fn empty() -> (tempfile::TempDir, Root) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    (temp, Root::new(dir, Durability::None, Arc::default()).with_private(".ftx"))
}

fn tree() -> (tempfile::TempDir, Root) {
    let (temp, root) = empty();
    for dir in [".ftx/staging", "a/b/c", "empty"] {
        root.dir().create_dir_all(dir).unwrap();
    }
    for file in [".ftx/lock", "a/b/c/deep", "a/b/x", "a/z", "a.txt", "b"] {
        root.dir().write(file, file).unwrap();
    }
    root.dir().symlink("b", "link").unwrap();
    root.dir().symlink("a", "loop").unwrap();
    root.dir().symlink("gone", "dangling").unwrap();
    (temp, root)
}

const TREE: [&str; 12] = [
    "a",
    "a/b",
    "a/b/c",
    "a/b/c/deep",
    "a/b/x",
    "a/z",
    "a.txt",
    "b",
    "dangling link",
    "empty",
    "link link",
    "loop link",
];

/// The name of a listed entry.
fn name(shown: &str) -> &str {
    shown.split(' ').next().unwrap()
}

#[test]
fn a_tree_is_gone_through_in_order() {
    let (_temp, root) = tree();
    assert_eq!(all(walk(&root, None, true, None)), TREE);
    let top = ["a", "a.txt", "b", "dangling link", "empty", "link link", "loop link"];
    assert_eq!(all(walk(&root, None, false, None)), top);
    let below = ["a/b/c", "a/b/c/deep", "a/b/x"];
    assert_eq!(all(walk(&root, Some("a/b"), true, None)), below);
    // A link that is asked for is followed, and listed by its name.
    let through = ["loop/b", "loop/b/c", "loop/b/c/deep", "loop/b/x", "loop/z"];
    assert_eq!(all(walk(&root, Some("loop"), true, None)), through);
}

#[test]
fn a_walk_resumes_after_every_name() {
    let (_temp, root) = tree();
    for (index, after) in TREE.iter().enumerate() {
        let rest = all(walk(&root, None, true, Some(name(after))));
        assert_eq!(rest, TREE[index + 1..], "{after}");
    }
    for (gone, next) in [
        ("a/b/c/e", "a/b/x"),
        ("a/y", "a/z"),
        ("a/b/a", "a/b/c"),
        ("A", "a"),
        ("a/b\\xff", "a/z"),
        (".ftx", "a"),
        (".ftx\\xff", "a"),
        ("C:", "a"),
        ("z/z", ""),
    ] {
        let mut walk = walk(&root, None, true, Some(gone));
        assert_eq!(
            walk.next().unwrap().map_or(String::new(), |next| name_and_obstacle(&next)),
            next,
            "{gone}"
        );
    }
    let below = all(walk(&root, Some("a/b"), true, Some("a/b/c/deep")));
    assert_eq!(below, ["a/b/x"]);
}

/// SortedNames of all kinds, in the order of their bytes.
#[cfg(unix)]
#[test]
fn nothing_but_the_servers_own_is_left_out() {
    let (temp, root) = empty();
    let path = |name: &[u8]| temp.path().join(OsStr::from_bytes(name));
    root.dir().create_dir_all(".ftx/blocks").unwrap();
    root.dir().create_dir_all(".FTX/mine").unwrap();
    root.dir().create_dir_all("d/.ftx/mine").unwrap();
    for file in [&b"C:"[..], b"back\\slash", b"caf\xe9", "café".as_bytes(), b"d/\xff", b"\xff"] {
        fs::write(path(file), "bytes").unwrap();
    }
    fs::create_dir(path(b"d\xfe")).unwrap();
    fs::write(path(b"d\xfe/unnamed"), "").unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path(b"fifo"), fifo, 0o600.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path(b"socket")).unwrap();
    root.dir().symlink("d", "up").unwrap();
    let listed = [
        ".FTX name_refused",
        "C: name_refused",
        "back\\slash",
        "café",
        r"caf\xe9 not_utf8",
        "d",
        "d/.ftx",
        "d/.ftx/mine",
        r"d/\xff not_utf8",
        r"d\xfe not_utf8",
        "fifo special",
        "socket special",
        "up link",
        r"\xff not_utf8",
    ];
    assert_eq!(all(walk(&root, None, true, None)), listed);
    let mut walk = walk(&root, None, true, None);
    while let Some(listed) = walk.next().unwrap() {
        let rest =
            all(TreeWalk::new(&root, &NameMemory::default(), None, true, Some(&listed.raw_name()))
                .unwrap());
        assert_eq!(
            rest.first().cloned(),
            walk.next().unwrap().map(|next| {
                let shown = name_and_obstacle(&next);
                walk.put_back(next);
                shown
            })
        );
    }
}

/// A directory with this many files, whose names take some hundred bytes each.
fn many(count: usize) -> (tempfile::TempDir, Root, Vec<String>) {
    let (temp, root) = empty();
    let names: Vec<_> = (0..count).map(|index| format!("{index:0100}")).collect();
    for name in names.iter().rev() {
        root.dir().write(name, "").unwrap();
    }
    (temp, root, names)
}

#[test]
fn a_directory_is_read_once_if_its_names_fit_and_in_parts_otherwise() {
    let (temp, root, names) = many(2000);
    for (shared, floor) in [(1 << 20, 1000), (100_000, 1000), (0, 10_000), (0, 1 << 20)] {
        let memory = NameMemory::new(shared, floor);
        assert!(
            all(TreeWalk::new(&root, &memory, None, true, None).unwrap()) == names,
            "{shared} {floor}"
        );
        assert_eq!(memory.left(), shared);
    }
    // A file created after the read is not part of the listing.
    let memory = NameMemory::default();
    let mut walk = TreeWalk::new(&root, &memory, None, true, None).unwrap();
    walk.next().unwrap();
    fs::write(temp.path().join("0"), "").unwrap();
    fs::write(temp.path().join("zz"), "").unwrap();
    assert_eq!(all(walk).len(), names.len() - 1, "it was read again");
}

/// The directories on the way give their names up first, and are read again.
#[test]
fn the_names_of_a_whole_tree_have_one_bound() {
    let (_temp, root) = empty();
    let mut expected = Vec::new();
    for depth in 0..5 {
        let dir = "m/".repeat(depth);
        root.dir().create_dir_all(format!("{dir}m")).unwrap();
        for index in 0..50 {
            for first in ["a", "z"] {
                let file = format!("{dir}{first}{index:060}");
                root.dir().write(&file, "").unwrap();
                expected.push(file);
            }
        }
        expected.push(format!("{dir}m"));
    }
    expected.sort_by(|one, other| one.split('/').cmp(other.split('/')));
    for (shared, floor) in [(0, 0), (0, 2000), (0, 12_000), (15_000, 0), (1 << 20, 0)] {
        let memory = NameMemory::new(shared, floor);
        assert_eq!(all(TreeWalk::new(&root, &memory, None, true, None).unwrap()), expected);
        assert_eq!(memory.left(), shared);
    }
}

#[test]
fn a_walk_that_is_put_away_has_its_part_of_the_memory_or_is_given_up() {
    let (_temp, root, names) = many(500);
    let memory = NameMemory::new(200_000, 1 << 20);
    let mut seen = Vec::new();
    let mut walk = TreeWalk::new(&root, &memory, None, true, None).unwrap();
    for _ in 0..7 {
        let next = walk.next().unwrap().unwrap();
        walk.put_back(next);
        for _ in 0..70 {
            seen.push(name_and_obstacle(&walk.next().unwrap().unwrap()));
        }
        walk = walk.suspend().unwrap();
        let left = (500 - seen.len()) * 148;
        let taken = 200_000 - memory.left();
        assert!(taken >= left && taken < left + 50_000, "{taken} for {left}");
    }
    seen.extend(all(walk));
    assert!(seen == names);
    assert_eq!(memory.left(), 200_000);
    let memory = NameMemory::new(10_000, 1 << 20);
    let mut walk = TreeWalk::new(&root, &memory, None, true, None).unwrap();
    walk.next().unwrap();
    assert!(walk.suspend().is_none());
    assert_eq!(memory.left(), 10_000);
}

/// Directories with longer names than a path or a remote name may have.
#[test]
fn a_tree_that_is_too_deep_is_listed_where_its_depth_ends() {
    let (_temp, root) = empty();
    // The last of these has a name of just 4,096 bytes.
    let deep = "dd/".to_owned() + &"d/".repeat(2046) + "d";
    assert_eq!(deep.len(), RemoteName::MAX_BYTES);
    let mut dir = root.dir().try_clone().unwrap();
    for part in deep.split('/').chain(["d"; 3]) {
        dir.create_dir(part).unwrap();
        dir = dir.open_dir(part).unwrap();
    }
    dir.write("file", "").unwrap();
    root.dir().write("other", "").unwrap();
    let found = all(walk(&root, None, true, None));
    assert_eq!(found.len(), 2048 + 2);
    assert_eq!(found[2047], deep);
    assert_eq!(found[2048], format!("{deep}/d too_long"));
    assert_eq!(found[2049], "other");
    // The next page begins anywhere.
    for index in [0, 1, 1000, 2046, 2047, 2048] {
        let rest = all(walk(&root, None, true, Some(name(&found[index]))));
        assert!(rest == found[index + 1..], "{index}");
    }
    let inside = [format!("{deep}/d too_long")];
    assert_eq!(all(walk(&root, Some(&deep), true, None)), inside);
}

/// A directory that is removed after it was opened has nothing in it any more.
#[test]
fn a_vanished_entry_is_skipped() {
    let (_temp, root) = tree();
    let mut walk = walk(&root, None, true, None);
    let mut names = Vec::new();
    while let Some(listed) = walk.next().unwrap() {
        names.push(name_and_obstacle(&listed));
        match name_and_obstacle(&listed).as_str() {
            "a/b/c" => root.dir().remove_dir_all("a/b").unwrap(),
            "a.txt" => {
                root.dir().remove_dir("empty").unwrap();
                for file in ["b", "dangling", "link", "loop"] {
                    root.dir().remove_file(file).unwrap();
                }
            }
            _ => {}
        }
    }
    assert_eq!(names, ["a", "a/b", "a/b/c", "a/z", "a.txt"]);
}

#[test]
fn only_a_directory_can_be_listed() {
    let (_temp, root) = tree();
    for name in ["b", "nothing"] {
        let name = RemoteName::parse(name).unwrap();
        let walk = TreeWalk::new(&root, &NameMemory::default(), Some(&name), true, None);
        assert!(walk.is_err());
    }
}

/// An unreadable directory fails the listing, since a partial one would pass for a complete one. Here a
/// child process runs out of descriptors.
#[test]
fn a_walk_is_complete_or_fails() {
    const FROM: &str = "FTX_TEST_NO_DESCRIPTORS_FROM";
    let Ok(from) = std::env::var(FROM) else {
        let name = "store::local::walk::tests::a_walk_is_complete_or_fails";
        for from in 0..=TREE.len() {
            let mut again = Command::new(std::env::current_exe().unwrap());
            let output = again.args([name, "--exact"]).env(FROM, from.to_string()).output();
            let output = output.unwrap();
            assert!(output.status.success(), "from {from} on: {output:?}");
        }
        return;
    };
    let (_temp, root) = tree();
    root.dir().write("empty/last", "").unwrap();
    let whole = [&TREE[..10], &["empty/last"], &TREE[10..]].concat();
    let mut walk = walk(&root, None, true, None);
    let mut names = Vec::new();
    let end = loop {
        if names.len() == from.parse::<usize>().unwrap() {
            let maximum = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum }).unwrap();
        }
        match walk.next() {
            Ok(Some(listed)) => names.push(name_and_obstacle(&listed)),
            end => break end,
        }
    };
    match end {
        Ok(_) => assert_eq!(names, whole),
        Err(error) => assert!(error.to_string().starts_with("cannot list \""), "{error}"),
    }
}
