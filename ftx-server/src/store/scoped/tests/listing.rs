//! Listings: a filter of what is there, whatever the pages.

use std::collections::BTreeMap;

use ftx_core::RawName;
use ftx_core::native::wire::Listed;
use ftx_store::Durability;
use proptest::prelude::*;

use super::*;
use crate::store::local::{LocalStore, LocalStoreConfig};

fn request(directory: Option<&RemoteName>, recursive: bool, limit: usize) -> ListRequest {
    let name = directory.cloned();
    ListRequest { name, recursive, after: None, limit, bytes: 1 << 20 }
}

/// The entries of all pages, each of which has what it says it has.
async fn listed<S: Store>(store: &S, mut list: ListRequest) -> Result<Vec<Entry>, Refusal> {
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let (page, next) = store.list(&pool(), list.clone(), cursor.take()).await?;
        assert!(page.entries.len() <= list.limit);
        assert!(!page.more || !page.entries.is_empty(), "more, and no entry");
        cursor = next;
        list.after = page.entries.last().map(Listed::raw_name);
        entries.extend(page.entries.iter().filter_map(Listed::entry).cloned());
        if !page.more {
            return Ok(entries);
        }
    }
}

fn lists(grants: &Grants, directory: Option<&RemoteName>) -> bool {
    grants.rights_in(directory).contains(Rights::LIST)
}

fn parent(name: &RemoteName) -> Option<RemoteName> {
    name.parent().map(|parent| RemoteName::parse(parent).unwrap())
}

/// The entries that a principal sees of the whole tree, worked out entry by entry.
fn visible(grants: &Grants, all: &[Entry]) -> BTreeMap<RawName, Entry> {
    let mut visible = BTreeMap::new();
    for entry in all {
        let is_file = entry.kind == EntryKind::File;
        if lists(grants, parent(&entry.name).as_ref())
            && (is_file || lists(grants, Some(&entry.name)))
        {
            visible.insert(RawName::from(&entry.name), entry.clone());
        }
    }
    for grant in grants.iter().filter(|grant| grant.rights.contains(Rights::LIST)) {
        let mut step = grant.path.directory();
        while let Some(directory) = step {
            let above = parent(&directory);
            if !(lists(grants, above.as_ref()) && lists(grants, Some(&directory))) {
                visible.insert(RawName::from(&directory), directory_entry(directory));
            }
            step = above;
        }
    }
    visible
}

fn is_below(entry: &RemoteName, directory: Option<&RemoteName>, recursive: bool) -> bool {
    let above = parent(entry);
    above.as_ref() == directory
        || recursive && above.is_some_and(|above| is_below(&above, directory, true))
        || recursive && directory.is_none()
}

/// Few parts, so that names and grants meet; `-` and `.` sort before the slash.
fn a_name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "a-", "a.b", "b"]), 1..4)
        .prop_map(|parts| parts.join("/"))
}

fn some_grants() -> impl Strategy<Value = Vec<(String, bool)>> {
    let path = prop_oneof![1 => Just(String::new()), 6 => a_name().prop_map(|name| name + "/")];
    prop::collection::vec((path, any::<bool>()), 0..6)
}

/// A tree, the rights on it, and a listing.
#[derive(Clone, Debug)]
struct Case {
    files: Vec<String>,
    /// Paths of grants, and whether they list.
    paths: Vec<(String, bool)>,
    directory: Option<String>,
    recursive: bool,
    limit: usize,
}

fn a_case() -> impl Strategy<Value = Case> {
    let files = prop::collection::vec(a_name(), 0..12);
    let limit = prop_oneof![3 => 1_usize..5, 1 => Just(1000)];
    (files, some_grants(), prop::option::of(a_name()), any::<bool>(), limit).prop_map(
        |(files, paths, directory, recursive, limit)| Case {
            files,
            paths,
            directory,
            recursive,
            limit,
        },
    )
}

async fn check<S: Store>(inner: S, case: Case) {
    let Case { files, paths, directory, recursive, limit } = case;
    for file in &files {
        // Some are in the way of others.
        let _ = put(&inner, file, b"x").await;
    }
    let rights = |lists| if lists { Rights::LIST } else { Rights::CREATE };
    let paths: Vec<_> = paths.iter().map(|(path, lists)| (path.as_str(), rights(*lists))).collect();
    let grants = grants(&paths);
    let all = listed(&inner, request(None, true, 1000)).await.unwrap();
    let visible = visible(&grants, &all);
    let directory = directory.map(|text| name(&text));
    let store = scoped(inner, scope(&paths));
    let found = listed(&store, request(directory.as_ref(), recursive, limit)).await;
    let entries = visible.into_values();
    let expected: Vec<_> =
        entries.filter(|entry| is_below(&entry.name, directory.as_ref(), recursive)).collect();
    match found {
        Ok(found) => assert_eq!(found, expected),
        Err(refusal) => {
            assert!(expected.is_empty(), "{refusal:?} instead of {expected:?}");
            assert!(matches!(refusal.reason, Reason::NotFound | Reason::NotAFile), "{refusal:?}");
        }
    }
}

fn run(check: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(check);
}

proptest! {
    #[test]
    fn a_listing_is_the_filter_of_the_whole_one(case in a_case()) {
        run(check(MemStore::new(), case));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// This store has cursors.
    #[test]
    fn pages_of_a_directory_continue_each_other(case in a_case()) {
        let root = tempfile::tempdir().unwrap();
        let mut config = LocalStoreConfig::new(root.path());
        config.durability = Durability::None;
        run(async { check(LocalStore::open(&config).unwrap(), case).await });
    }
}

/// The names that alice gets of the root, in pages of so many entries.
async fn names(store: LocalStore, paths: &[(&str, Rights)], limit: usize) -> Vec<String> {
    let store = scoped(store, scope(paths));
    let entries = listed(&store, request(None, true, limit)).await.unwrap();
    entries.into_iter().map(|entry| entry.name.into()).collect()
}

async fn local(root: &std::path::Path, files: &[&str]) -> LocalStore {
    let mut config = LocalStoreConfig::new(root);
    config.durability = Durability::None;
    let store = LocalStore::open(&config).unwrap();
    for file in files {
        put(&store, file, b"x").await.unwrap();
    }
    store
}

/// The inner cursor is behind entries that had no room because of it.
#[tokio::test]
async fn a_way_down_displaces_no_entry() {
    let root = tempfile::tempdir().unwrap();
    let store = local(root.path(), &["b", "c", "d", "e", "f"]).await;
    let paths = [("", Rights::LIST), ("a/", Rights::CREATE), ("a/x/", Rights::LIST)];
    for limit in 1..5 {
        let found = names(store.clone(), &paths, limit).await;
        assert_eq!(found, ["a", "a/x", "b", "c", "d", "e", "f"], "{limit}");
    }
}

/// The rest of a hidden directory is skipped, but for what is listable in it.
#[tokio::test]
async fn a_listable_directory_in_a_hidden_one_is_listed() {
    let root = tempfile::tempdir().unwrap();
    let store = local(root.path(), &["a/a", "a/b", "a/x/f", "a/y", "a/z/g", "a/z/h", "b"]).await;
    let paths =
        [("", Rights::LIST), ("a/", Rights::READ), ("a/x/", Rights::LIST), ("a/z/", Rights::LIST)];
    for limit in 1..5 {
        let found = names(store.clone(), &paths, limit).await;
        assert_eq!(found, ["a", "a/x", "a/x/f", "a/z", "a/z/g", "a/z/h", "b"], "{limit}");
    }
}
