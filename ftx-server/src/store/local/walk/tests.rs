//! Walks through trees that are whole, change, or cannot be looked at.

use std::process::Command;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_store::{Durability, Root};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{NAMES, Walk};

fn all(mut walk: Walk) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(found) = walk.next().unwrap() {
        names.push(found.name.as_str().to_owned());
    }
    names
}

fn empty() -> (tempfile::TempDir, Root) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    (temp, Root::new(dir, Durability::None, Arc::default()))
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

const TREE: [&str; 9] = ["a", "a/b", "a/b/c", "a/b/c/deep", "a/b/x", "a/z", "a.txt", "b", "empty"];

#[test]
fn a_tree_is_gone_through_in_order() {
    let (_temp, root) = tree();
    assert_eq!(all(Walk::new(&root, None, true, None).unwrap()), TREE);
    let top = ["a", "a.txt", "b", "empty"];
    assert_eq!(all(Walk::new(&root, None, false, None).unwrap()), top);
    let name = RemoteName::parse("a/b").unwrap();
    let below = ["a/b/c", "a/b/c/deep", "a/b/x"];
    assert_eq!(all(Walk::new(&root, Some(&name), true, None).unwrap()), below);
}

#[test]
fn a_walk_goes_on_behind_every_name() {
    let (_temp, root) = tree();
    for (index, after) in TREE.iter().enumerate() {
        let after = RemoteName::parse(after).unwrap();
        let rest = all(Walk::new(&root, None, true, Some(&after)).unwrap());
        assert_eq!(rest, TREE[index + 1..], "{after}");
    }
    for (gone, next) in [("a/b/c/e", "a/b/x"), ("a/y", "a/z"), ("a/b/a", "a/b/c"), ("A", "a")] {
        let after = RemoteName::parse(gone).unwrap();
        let mut walk = Walk::new(&root, None, true, Some(&after)).unwrap();
        assert_eq!(walk.next().unwrap().unwrap().name.as_str(), next, "{gone}");
    }
}

#[test]
fn a_large_directory_is_read_in_parts() {
    let (_temp, root) = empty();
    let names: Vec<_> = (0..NAMES + 5).map(|index| format!("{index:06}")).collect();
    for name in &names {
        root.dir().write(name, "").unwrap();
    }
    assert!(all(Walk::new(&root, None, true, None).unwrap()) == names);
}

#[test]
fn a_walk_goes_on_behind_a_name_that_no_file_can_have() {
    let (_temp, root) = tree();
    let after = RemoteName::parse(&format!("a/{}", "z/".repeat(2000) + "z")).unwrap();
    assert_eq!(all(Walk::new(&root, None, true, Some(&after)).unwrap()), TREE[6..]);
}

/// A directory that is removed after it was opened has nothing in it any more.
#[test]
fn what_vanishes_is_passed_over() {
    let (_temp, root) = tree();
    let mut walk = Walk::new(&root, None, true, None).unwrap();
    let mut names = Vec::new();
    while let Some(found) = walk.next().unwrap() {
        names.push(found.name.as_str().to_owned());
        if found.name.as_str() == "a/b/c" {
            root.dir().remove_dir_all("a/b").unwrap();
        }
        if found.name.as_str() == "a.txt" {
            root.dir().remove_file("b").unwrap();
            root.dir().remove_dir("empty").unwrap();
        }
    }
    assert_eq!(names, ["a", "a/b", "a/b/c", "a/z", "a.txt"]);
}

#[test]
fn what_is_no_directory_cannot_be_listed() {
    let (_temp, root) = tree();
    for name in ["b", "nothing"] {
        let name = RemoteName::parse(name).unwrap();
        assert!(Walk::new(&root, Some(&name), true, None).is_err());
    }
}

/// What cannot be opened is no reason to say that the rest is all there is. Here it is for want of
/// descriptors, in a process of its own that gets no more of them from some name on.
#[test]
fn a_walk_is_whole_or_fails() {
    const FROM: &str = "FTX_TEST_NO_DESCRIPTORS_FROM";
    let Ok(from) = std::env::var(FROM) else {
        let name = "store::local::walk::tests::a_walk_is_whole_or_fails";
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
    let whole = [&TREE[..], &["empty/last"]].concat();
    let mut walk = Walk::new(&root, None, true, None).unwrap();
    let mut names = Vec::new();
    let end = loop {
        if names.len() == from.parse::<usize>().unwrap() {
            let maximum = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum }).unwrap();
        }
        match walk.next() {
            Ok(Some(found)) => names.push(found.name.as_str().to_owned()),
            end => break end,
        }
    };
    match end {
        Ok(_) => assert_eq!(names, whole),
        Err(error) => assert!(error.to_string().starts_with("cannot list \""), "{error}"),
    }
}
