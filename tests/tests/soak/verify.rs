//! Every file of both sides against the ledger.

use std::fs;
use std::path::{Path, PathBuf};

use ftx_tests::soak::{Owner, Verdict};

use super::transfer::digest;
use super::world::World;

/// What may lie beside the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing: no transfer is unfinished.
    Nothing,
    /// The partial files of a download that was struck.
    PartialDownloads,
}

/// Asserts that every promise is kept, and that nothing else is there.
pub(crate) fn all(world: &World<'_>, rest: Rest) {
    let mut faults = Vec::new();
    for (owner, dir) in [(Owner::Server, world.root()), (Owner::Client, world.down())] {
        let mut found = Vec::new();
        list(&dir, &dir, &mut found);
        if rest == Rest::PartialDownloads && owner == Owner::Client {
            found.retain(|name| !is_partial(name));
        }
        let absent = world.ledger.names(owner).filter(|name| !found.iter().any(|it| it == name));
        for name in found.iter().map(String::as_str).chain(absent) {
            let digest = fs::read(dir.join(name)).ok().map(|bytes| digest(&bytes));
            let verdict = world.ledger.judge(owner, name, digest);
            world.figures.count(|figures| &figures.verified);
            if verdict != Verdict::Kept {
                count(world, owner, verdict);
                let len = fs::metadata(dir.join(name)).map(|meta| meta.len()).ok();
                faults.push(format!("{owner:?} {name}: {verdict:?}, {len:?} bytes"));
            }
        }
    }
    assert!(faults.is_empty(), "promises that were not kept: {faults:#?}");
}

fn count(world: &World<'_>, owner: Owner, verdict: Verdict) {
    let figures = world.figures;
    match (verdict, owner) {
        (Verdict::Kept, _) => {}
        (Verdict::Lost, _) => figures.count(|figures| &figures.lost),
        (Verdict::Stray, _) => figures.count(|figures| &figures.strays),
        (Verdict::Foreign, Owner::Server) => figures.count(|figures| &figures.half_visible),
        (Verdict::Foreign, Owner::Client) => figures.count(|figures| &figures.wrong),
    }
}

/// Removes the partial downloads of at most so many bytes that a power cut or a kill has left without a
/// valid journal: a client cannot know that they are its own, and has used other names.
pub(crate) fn sweep(world: &mut World<'_>, most_bytes: u64) {
    let (down, mut found) = (world.down(), Vec::new());
    list(&down, &down, &mut found);
    let is_orphan = |name: &&String| {
        is_partial(name) && fs::metadata(down.join(name)).is_ok_and(|it| it.len() <= most_bytes)
    };
    for name in found.iter().filter(is_orphan) {
        fs::remove_file(down.join(name)).unwrap();
        world.ledger.abandon(Owner::Client, name);
        world.figures.count(|figures| &figures.orphans);
    }
}

/// The paths of all files below a directory; those that go meanwhile may be left out.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn is_partial(name: &str) -> bool {
    name.contains(".ftxpart")
}

/// The names of all files below a directory, without those that the server keeps for itself.
fn list(top: &Path, dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
        match path.is_dir() {
            true if name == ".ftx" => {}
            true => list(top, &path, found),
            false => found.push(name),
        }
    }
}
