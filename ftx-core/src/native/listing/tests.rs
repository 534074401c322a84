use std::collections::BTreeSet;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use proptest::sample::Index;

use super::Listing;
use crate::native::wire::{Entry, EntryKind, Listed, Meta, Obstacle, Request, Untransferable};
use crate::native::{Reason, StepError};
use crate::{RawName, RemoteName};

fn name(text: &str) -> RemoteName {
    RemoteName::parse(text).unwrap()
}

/// A file of this name; if that is an escaped one, something that cannot be transferred.
fn entry(text: &str) -> Listed {
    let meta = Meta::default();
    match RemoteName::parse(text) {
        Ok(name) if !text.contains('\\') => {
            Listed::Entry(Entry { name, kind: EntryKind::File, size: 1, meta })
        }
        _ => {
            let (name, obstacle) = (RawName::parse(text).unwrap(), Obstacle::NotUtf8);
            Listed::Untransferable(Untransferable { name, obstacle, size: 1, meta })
        }
    }
}

fn entries(names: &[&str]) -> Vec<Listed> {
    names.iter().map(|name| entry(name)).collect()
}

fn listing(directory: &str, recursive: bool) -> Listing {
    let directory = if directory.is_empty() { None } else { Some(name(directory)) };
    Listing::new(directory, recursive, 4)
}

/// Takes pages, all but the last with `more`.
fn taken(mut listing: Listing, pages: &[&[&str]]) -> Result<Listing, StepError> {
    for (index, page) in pages.iter().enumerate() {
        listing.page(&entries(page), index + 1 < pages.len())?;
    }
    Ok(listing)
}

fn refused(directory: &str, recursive: bool, pages: &[&[&str]]) -> Reason {
    taken(listing(directory, recursive), pages).unwrap_err().reason()
}

#[test]
fn the_contents_of_a_directory_follow_it_directly() {
    let tree: &[&[&str]] =
        &[&["a", "a/b", "a/b/c", "a/é"], &["a b", "a-b", "a.txt", "b"], &["c/x"]];
    assert!(taken(listing("", true), tree).unwrap().is_ended());
    assert!(taken(listing("d", true), &[&["d/a", "d/a/b", "d/a.txt"]]).is_ok());
    assert!(taken(listing("d", false), &[&["d/a", "d/a.txt"], &["d/b"]]).is_ok());
    assert_eq!(refused("d", true, &[&["d/a", "d/a.txt", "d/a/b"]]), Reason::OutOfStep);
}

#[test]
fn the_next_page_is_asked_for_behind_the_last_name() {
    let mut listing = listing("d", true);
    let list = |after: Option<&str>| Request::List {
        name: String::from("d"),
        recursive: true,
        after: after.map(String::from),
        limit: 4,
    };
    assert_eq!((listing.request(), listing.is_ended()), (list(None), false));
    listing.page(&entries(&["d/a", "d/b"]), true).unwrap();
    assert_eq!((listing.request(), listing.is_ended()), (list(Some("d/b")), false));
    listing.page(&[], false).unwrap();
    assert!(listing.is_ended());
    let root = Listing::new(None, false, 1).request();
    assert!(matches!(root, Request::List { name, recursive: false, .. } if name.is_empty()));
}

#[test]
fn names_from_elsewhere_are_refused() {
    for foreign in [
        "e",
        "d",
        "da",
        "da/b",
        "dd/a",
        "D/a",
        "x/d/a",
        ".bashrc",
        "\\xff",
        "d\\xff",
        "da/\\xff",
        "x/d/\\xff",
    ] {
        assert_eq!(refused("d", true, &[&[foreign]]), Reason::OutOfStep, "{foreign}");
    }
    for directory in ["", "d"] {
        for deeper in ["d/a", "d/\\xff"] {
            let deeper = deeper.replacen("d", if directory.is_empty() { "d" } else { "d/a" }, 1);
            assert_eq!(refused(directory, false, &[&[&deeper]]), Reason::OutOfStep);
            assert!(taken(listing(directory, true), &[&[&deeper]]).is_ok());
        }
    }
}

#[test]
fn names_that_do_not_ascend_are_refused() {
    let pages: [&[&[&str]]; 9] = [
        &[&["d/\\xff", "d/é"]],
        &[&["d/\\xff", "d/\\xff"]],
        &[&["d/\\xff"], &["d/\\xc3"]],
        // By their bytes, not by their escaped texts.
        &[&["d/\\\\", "d/]", "d/\\\\]"]],
        &[&["d/b", "d/a"]],
        &[&["d/a", "d/a"]],
        &[&["d/a", "d/b"], &["d/a", "d/b"]],
        &[&["d/a", "d/b"], &["d/b"]],
        &[&["d/a/b", "d/a"]],
    ];
    for pages in pages {
        assert_eq!(refused("d", true, pages), Reason::OutOfStep, "{pages:?}");
    }
}

/// A backslash is 5c, between `[` and `]`, and a byte outside UTF-8 has the place of its value.
#[test]
fn untransferable_entries_are_listed_in_the_order_of_their_bytes() {
    let all =
        ["d/[", "d/\\\\", "d/]", "d/a", "d/a/\\x80", "d/a\\xff", "d/b\\xc3", "d/é", "d/\\xff"];
    for size in 1..=4 {
        let pages: Vec<&[&str]> = all.chunks(size).collect();
        assert!(taken(listing("d", true), &pages).unwrap().is_ended(), "{size}");
    }
    let mut listing = listing("d", true);
    for name in &all {
        listing.page(&entries(&[name]), true).unwrap();
        let Request::List { after, .. } = listing.request() else { panic!() };
        assert_eq!(after.as_deref(), Some(*name));
    }
    // A remote name, too, goes into `after` escaped.
    let file =
        Entry { name: name("back\\slash"), kind: EntryKind::File, size: 1, meta: Meta::default() };
    let mut listing = Listing::new(None, true, 4);
    listing.page(&[Listed::Entry(file)], true).unwrap();
    let after = |request| match request {
        Request::List { after, .. } => after,
        other => panic!("{other:?}"),
    };
    assert_eq!(after(listing.request()).as_deref(), Some("back\\\\slash"));
}

#[test]
fn a_listing_has_an_end_and_gets_there() {
    assert_eq!(refused("d", true, &[&[], &["d/a"]]), Reason::OutOfStep);
    assert_eq!(refused("d", true, &[&["d/a"], &[], &["d/b"]]), Reason::OutOfStep);
    let mut ended = taken(listing("d", true), &[&[]]).unwrap();
    assert_eq!(ended.page(&entries(&["d/a"]), false).unwrap_err().reason(), Reason::OutOfStep);
    let five = ["d/a", "d/b", "d/c", "d/d", "d/e"];
    assert_eq!(refused("d", true, &[&five]), Reason::LimitExceeded);
    assert!(taken(listing("d", true), &[&five[..4], &five[4..]]).is_ok());
}

#[test]
fn a_bad_page_changes_nothing() {
    let mut kept = Listing::new(None, true, 4);
    kept.page(&entries(&["a", "b"]), true).unwrap();
    let before = kept.request();
    for (bad, more) in [(&["c", "b"][..], true), (&["c", "c"], false), (&[], true), (&["a"], true)]
    {
        assert!(kept.page(&entries(bad), more).is_err());
        assert_eq!(kept.request(), before);
    }
    kept.page(&entries(&["c"]), false).unwrap();
}

/// The names of a tree in the order of a walk through it: all below `top`, with the directories.
fn walked(files: &[Vec<String>], top: &str, recursive: bool) -> Vec<Listed> {
    let mut all = BTreeSet::new();
    for parts in files {
        let top = Some(top).filter(|top| !top.is_empty()).map(String::from);
        let first = if top.is_some() { 2 } else { 1 };
        let parts: Vec<String> = top.into_iter().chain(parts.iter().cloned()).collect();
        let last = if recursive { parts.len() } else { first };
        all.extend((first..=last).map(|len| parts[..len].to_vec()));
    }
    // Some of them cannot be transferred, by their names or otherwise.
    let listed = all.iter().map(|parts| match parts.join("/") {
        odd if odd.ends_with('b') => {
            let name = RawName::from(&name(&odd));
            let (obstacle, meta) = (Obstacle::Link, Meta::default());
            Listed::Untransferable(Untransferable { name, obstacle, size: 0, meta })
        }
        even => entry(&even),
    });
    listed.collect()
}

/// Takes a listing in pages of a given length.
fn paged(mut listing: Listing, all: &[Listed], size: usize) -> Result<Listing, StepError> {
    let count = all.len().div_ceil(size).max(1);
    for (index, page) in all.chunks(size).enumerate() {
        listing.page(page, index + 1 < count)?;
    }
    if all.is_empty() {
        listing.page(&[], false)?;
    }
    Ok(listing)
}

fn trees() -> impl Strategy<Value = Vec<Vec<String>>> {
    let part = "[ab][ab.\\-é/]{0,2}".prop_map(|part| part.replace('/', "!"));
    prop::collection::vec(prop::collection::vec(part, 1..4), 0..12)
}

proptest! {
    #[test]
    fn an_honest_listing_passes_in_pages_of_any_size(
        files in trees(), top in prop_oneof![Just(""), Just("d")], recursive: bool, size in 1usize..9,
    ) {
        let all = walked(&files, top, recursive);
        let directory = Some(top).filter(|top| !top.is_empty()).map(name);
        let listing = Listing::new(directory, recursive, 8);
        prop_assert!(paged(listing, &all, size).unwrap().is_ended());
    }

    #[test]
    fn a_swap_a_repetition_and_a_foreign_name_never_pass(
        files in trees(), recursive: bool, size in 1usize..9, one: Index, other: Index, lie in 0..4,
    ) {
        let mut all = walked(&files, "d", recursive);
        prop_assume!(!all.is_empty());
        let (one, other) = (one.index(all.len()), other.index(all.len()));
        match lie {
            0 => {
                prop_assume!(one != other);
                all.swap(one, other);
            }
            1 => all.insert(other, all[one].clone()),
            2 => all[one] = entry(&all[one].raw_name().to_string().replacen('d', "e", 1)),
            // A whole page once more.
            _ => {
                let start = one - one % size;
                let end = all.len().min(start + size);
                let page = all[start..end].to_vec();
                all.splice(end..end, page);
            }
        }
        let listing = Listing::new(Some(name("d")), recursive, 8);
        prop_assert!(paged(listing, &all, size).is_err());
    }
}

#[test]
fn a_tree_of_every_depth_is_walked_as_the_property_tests_think() {
    let files = vec![vec!["a".to_string(), "b".to_string()], vec!["a.b".to_string()]];
    let names: Vec<_> =
        walked(&files, "d", true).iter().map(|entry| entry.raw_name().to_string()).collect();
    assert_eq!(names, ["d/a", "d/a/b", "d/a.b"]);
}
