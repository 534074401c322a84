//! The transfers, in both directions and dialects.

use super::setting::Node::{Directory, File, Nothing};
use super::setting::{Scenario, Side, Tree};

const BOTH: &[&str] = &["native", "legacy"];
/// Scenarios that the legacy dialect lacks.
const NATIVE: &[&str] = &["native"];

/// Bytes of a file of some blocks, the last of which is not whole.
const LARGE: u64 = (2 << 20) + 12_345;
/// Bytes of a file that is less than a block, and is not held in memory until it is whole.
const MEDIUM: u64 = 300_000;

/// More than are synced one by one.
const MANY: Tree = &[
    ("0", File(10, 10)),
    ("1", File(11, 0)),
    ("2", File(12, 5000)),
    ("3", File(13, 1)),
    ("4", File(14, 70_000)),
    ("5", File(15, 4096)),
    ("6", File(16, 33)),
];
const OLD_MANY: Tree = &[("0", File(20, 11)), ("2", File(22, 5000)), ("6", File(26, 3))];
const MANY_NAMES: &[&str] = &["upload", "0", "1", "2", "3", "4", "5", "6"];

/// A directory `t` with directories, and a file of each kind.
const TREE: Tree = &[
    ("t/a", File(1, 1000)),
    ("t/s/0", File(10, 10)),
    ("t/s/1", File(11, 0)),
    ("t/s/2", File(12, 5000)),
    ("t/s/deep/3", File(13, 1)),
    ("t/s/deep/4", File(14, 70_000)),
    ("t/s/deep/5", File(15, 4096)),
    ("t/s/medium", File(2, MEDIUM)),
    ("t/z/large", File(3, LARGE)),
    ("t/z/empty/there", Directory),
];
const OLD_TREE: Tree =
    &[("t/a", File(4, 999)), ("t/s/deep/3", File(5, 1)), ("t/z/large", File(6, LARGE))];
const TREE_IN_OUT: Tree = &[
    ("out/t/a", File(1, 1000)),
    ("out/t/s/0", File(10, 10)),
    ("out/t/s/1", File(11, 0)),
    ("out/t/s/2", File(12, 5000)),
    ("out/t/s/deep/3", File(13, 1)),
    ("out/t/s/deep/4", File(14, 70_000)),
    ("out/t/s/deep/5", File(15, 4096)),
    ("out/t/s/medium", File(2, MEDIUM)),
    ("out/t/z/large", File(3, LARGE)),
    ("out/t/z/empty/there", Directory),
];

const SMALL: Tree = &[("a", File(1, 1000))];
const MEDIUM_FILE: Tree = &[("a", File(2, MEDIUM))];
const LARGE_FILE: Tree = &[("a", File(3, LARGE))];
const EMPTY_FILE: Tree = &[("a", File(0, 0))];
const UPLOAD: &[&str] = &["upload", "a"];

/// An upload of a new file, in both dialects.
const fn upload(name: &'static str, file: Tree) -> Scenario {
    Scenario {
        name,
        side: Side::Server,
        dialects: BOTH,
        source: file,
        before: &[],
        unsynced: &[],
        command: UPLOAD,
        code: 0,
        after: file,
        again: 0,
    }
}

/// A download of such a file to `out`, likewise.
const fn download(name: &'static str, source: Tree, after: Tree) -> Scenario {
    let command = &["download", "a", "--out-dir", "DISK/out"];
    Scenario { side: Side::Client, command, after, ..upload(name, source) }
}

const TO_NEW_DIRECTORIES: &[&str] = &["upload", "a", "--as", "n1/n2/a"];
const TO_OLD_DIRECTORIES: &[&str] = &["upload", "a", "--as", "p/q/a"];
const TO_KEEP: &[&str] = &["upload", "a", "--overwrite", "fail"];
const OLD_DIRECTORIES: Tree = &[("p/q", Directory)];
const TREE_TO_OUT: &[&str] = &["download", "t/", "--out-dir", "DISK/out"];

pub(crate) const SCENARIOS: &[Scenario] = &[
    upload("an empty file", EMPTY_FILE),
    upload("a small file", SMALL),
    upload("a file of less than a block", MEDIUM_FILE),
    upload("a large file", LARGE_FILE),
    Scenario { command: MANY_NAMES, ..upload("many small files", MANY) },
    Scenario { command: &["upload", "0", "2", "3"], ..upload("three small files", THREE) },
    Scenario { command: &["upload", "t"], dialects: NATIVE, ..upload("a tree", TREE) },
    Scenario {
        command: &["upload", "t"],
        dialects: NATIVE,
        ..upload("an empty directory", &[("t", Directory)])
    },
    Scenario {
        command: TO_NEW_DIRECTORIES,
        after: &[("n1/n2/a", File(1, 1000))],
        ..upload("a small file in new directories", SMALL)
    },
    Scenario {
        command: TO_NEW_DIRECTORIES,
        after: &[("n1/n2/a", File(3, LARGE))],
        ..upload("a large file in new directories", LARGE_FILE)
    },
    Scenario {
        command: TO_OLD_DIRECTORIES,
        unsynced: OLD_DIRECTORIES,
        after: &[("p/q/a", File(1, 1000))],
        ..upload("a small file in directories that were never synced", SMALL)
    },
    Scenario {
        command: TO_OLD_DIRECTORIES,
        unsynced: OLD_DIRECTORIES,
        after: &[("p/q/a", File(3, LARGE))],
        ..upload("a large file in directories that were never synced", LARGE_FILE)
    },
    Scenario { before: &[("a", File(4, 999))], ..upload("a small file replaces another", SMALL) },
    Scenario {
        before: &[("a", File(6, LARGE))],
        ..upload("a large file replaces another", LARGE_FILE)
    },
    Scenario {
        command: MANY_NAMES,
        before: OLD_MANY,
        ..upload("many small files replace others", MANY)
    },
    Scenario {
        command: &["upload", "t"],
        dialects: NATIVE,
        before: OLD_TREE,
        ..upload("a tree replaces another", TREE)
    },
    Scenario {
        command: TO_KEEP,
        again: 1,
        dialects: NATIVE,
        ..upload("a new small file only", SMALL)
    },
    Scenario {
        command: TO_KEEP,
        again: 1,
        dialects: NATIVE,
        ..upload("a new large file only", LARGE_FILE)
    },
    Scenario { unsynced: SMALL, ..upload("a small file that was never synced is present", SMALL) },
    Scenario {
        unsynced: LARGE_FILE,
        ..upload("a large file that was never synced is present", LARGE_FILE)
    },
    Scenario {
        command: MANY_NAMES,
        unsynced: MANY,
        dialects: NATIVE,
        ..upload("many small files that were never synced are present", MANY)
    },
    Scenario {
        command: &["upload", "t"],
        unsynced: TREE,
        dialects: NATIVE,
        ..upload("a tree that was never synced is present", TREE)
    },
    Scenario {
        command: TO_OLD_DIRECTORIES,
        unsynced: &[("p/q/a", File(1, 1000))],
        after: &[("p/q/a", File(1, 1000))],
        ..upload("a small file that was never synced is present, with its directories", SMALL)
    },
    Scenario {
        command: TO_OLD_DIRECTORIES,
        unsynced: &[("p/q/a", File(3, LARGE))],
        after: &[("p/q/a", File(3, LARGE))],
        ..upload("a large file that was never synced is present, with its directories", LARGE_FILE)
    },
    Scenario {
        command: &["upload", "t"],
        dialects: NATIVE,
        unsynced: &[("t", Directory)],
        ..upload("an empty directory that was never synced is present", &[("t", Directory)])
    },
    Scenario {
        command: &["rm", "a"],
        dialects: NATIVE,
        before: SMALL,
        after: &[("a", Nothing)],
        again: 1,
        ..upload("a file is removed", &[])
    },
    Scenario {
        command: &["rm", "p/q/a"],
        dialects: NATIVE,
        before: &[("p/q/a", File(1, 1000))],
        after: &[("p/q/a", Nothing)],
        again: 1,
        ..upload("a file is removed from a directory", &[])
    },
    Scenario {
        command: &["rm", "p/q/a"],
        dialects: NATIVE,
        before: &[("p/q/a", File(1, 1000))],
        unsynced: &[("p/q/a", Nothing)],
        after: &[("p/q/a", Nothing)],
        code: 1,
        again: 1,
        ..upload("a file was removed before, without a sync", &[])
    },
    download("an empty file", EMPTY_FILE, &[("out/a", File(0, 0))]),
    download("a small file", SMALL, SMALL_IN_OUT),
    download("a file of less than a block", MEDIUM_FILE, &[("out/a", File(2, MEDIUM))]),
    download("a large file", LARGE_FILE, LARGE_IN_OUT),
    Scenario {
        before: &[("out", Directory)],
        ..download("a small file in an existing directory", SMALL, SMALL_IN_OUT)
    },
    Scenario {
        before: &[("out", Directory)],
        ..download("a large file in an existing directory", LARGE_FILE, LARGE_IN_OUT)
    },
    Scenario {
        command: &["download", "n1/n2/a", "--out-dir", "DISK/out"],
        ..download(
            "a small file with its directories",
            &[("n1/n2/a", File(1, 1000))],
            &[("out/n1/n2/a", File(1, 1000))],
        )
    },
    Scenario { command: TREE_TO_OUT, dialects: NATIVE, ..download("a tree", TREE, TREE_IN_OUT) },
    Scenario {
        command: TREE_TO_OUT,
        dialects: NATIVE,
        unsynced: TREE_IN_OUT,
        ..download("a tree that was never synced is present", TREE, TREE_IN_OUT)
    },
    Scenario {
        before: &[("out/a", File(4, 999))],
        ..download("a small file replaces another", SMALL, SMALL_IN_OUT)
    },
    Scenario {
        before: &[("out/a", File(6, LARGE))],
        ..download("a large file replaces another", LARGE_FILE, LARGE_IN_OUT)
    },
    Scenario {
        before: &[("out", Directory)],
        unsynced: SMALL_IN_OUT,
        ..download("a small file that was never synced is present", SMALL, SMALL_IN_OUT)
    },
    Scenario {
        before: &[("out", Directory)],
        unsynced: LARGE_IN_OUT,
        ..download("a large file that was never synced is present", LARGE_FILE, LARGE_IN_OUT)
    },
];

const THREE: Tree = &[("0", File(10, 10)), ("2", File(12, 5000)), ("3", File(13, 1))];
const SMALL_IN_OUT: Tree = &[("out/a", File(1, 1000))];
const LARGE_IN_OUT: Tree = &[("out/a", File(3, LARGE))];

/// The scenario recorded while a sync fails.
pub(crate) const ONE: Scenario = upload("one", SMALL);
pub(crate) const MANY_FILES: Scenario = Scenario { command: MANY_NAMES, ..upload("many", MANY) };
pub(crate) const THREE_FILES: Scenario =
    Scenario { command: &["upload", "0", "2", "3"], ..upload("three", THREE) };
pub(crate) const WHOLE_TREE: Scenario =
    Scenario { command: &["upload", "--keep-going", "t"], ..upload("tree", TREE) };
pub(crate) const MANY_PRESENT: Scenario =
    Scenario { command: MANY_NAMES, unsynced: MANY, ..upload("many that are present", MANY) };
pub(crate) const REMOVAL: Scenario =
    Scenario { command: &["rm", "a"], before: SMALL, ..upload("removal", &[]) };
pub(crate) const ONE_DOWN: Scenario =
    Scenario { before: &[("out", Directory)], ..download("one", SMALL, SMALL_IN_OUT) };
pub(crate) const TREE_DOWN: Scenario =
    Scenario { command: TREE_TO_OUT, ..download("tree", TREE, TREE_IN_OUT) };
