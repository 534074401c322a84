use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::wire::{Meta, Mtime};
use tempfile::TempDir;

use super::{BatchFile, BatchPublisher, MAX_UNSYNCED_FILES, StagingName};
use crate::{
    Durability, Existing, Journal, JournalRecord, PartNames, StagingFiles, StoreError, meta_of,
};

const BOTH: [Durability; 2] = [Durability::Full, Durability::None];

/// A root with the directories `staging`, `a` and `b`.
struct Scratch {
    _temp: TempDir,
    staging: Dir,
    a: Dir,
    b: Dir,
}

impl Scratch {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let [staging, a, b] = ["staging", "a", "b"].map(|name| {
            root.create_dir(name).unwrap();
            root.open_dir(name).unwrap()
        });
        Self { _temp: temp, staging, a, b }
    }

    fn leftovers(&self) -> usize {
        self.staging.entries().unwrap().count()
    }
}

fn file<'a>(staging: &'a Path, target_dir: &'a Dir, target: &'a str) -> BatchFile<'a> {
    BatchFile {
        staging: StagingName::Own(staging),
        target_dir,
        target: Path::new(target),
        bytes: target.as_bytes(),
        meta: Meta::default(),
        existing: Existing::Replace,
    }
}

fn numbered(count: usize) -> Vec<(PathBuf, String)> {
    (0..count).map(|i| (format!("{i}.data").into(), format!("file {i}"))).collect()
}

#[test]
fn any_number_of_files_is_published_in_order() {
    for durability in BOTH {
        for count in [0, 1, 3, MAX_UNSYNCED_FILES + 7] {
            let scratch = Scratch::new();
            let names = numbered(count);
            let files: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(i, (staging, target))| {
                    file(staging, if i % 2 == 0 { &scratch.a } else { &scratch.b }, target)
                })
                .collect();
            let mut publisher = BatchPublisher::new(&scratch.staging, durability).unwrap();
            if count > 1 {
                publisher = publisher.with_exclusive_dir();
            }
            let outcomes = publisher.publish(&files);
            assert_eq!(outcomes.len(), count);
            for (file, outcome) in files.iter().zip(outcomes) {
                assert_eq!(file.target_dir.read(file.target).unwrap(), file.bytes);
                outcome.unwrap();
            }
            assert_eq!(scratch.leftovers(), 0);
        }
    }
}

#[test]
fn one_failure_concerns_one_file() {
    for durability in BOTH {
        for more in [0, 10] {
            let scratch = Scratch::new();
            scratch.a.create_dir_all("directory/full").unwrap();
            scratch.a.write("taken", "old").unwrap();
            let locked = scratch.staging.create("locked").unwrap().into_std();
            locked.lock().unwrap();

            let names = numbered(more);
            let [s1, s2, s3, s4] = ["s1", "s2", "s3", "s4"].map(Path::new);
            let mut files = vec![
                file(s1, &scratch.a, "directory"),
                BatchFile { existing: Existing::Keep, ..file(s2, &scratch.a, "taken") },
                file(Path::new("locked"), &scratch.a, "x"),
                file(Path::new("../a/s3"), &scratch.a, "x"),
                file(s3, &scratch.a, "../b/x"),
                file(s4, &scratch.b, "good"),
            ];
            files.extend(names.iter().map(|(staging, target)| file(staging, &scratch.b, target)));
            let publisher = BatchPublisher::new(&scratch.staging, durability).unwrap();
            let outcomes = publisher.publish(&files);
            assert!(matches!(outcomes[0], Err(StoreError::IsDirectory { .. })), "{outcomes:?}");
            assert!(matches!(outcomes[1], Err(StoreError::AlreadyExists { .. })), "{outcomes:?}");
            assert!(matches!(outcomes[2], Err(StoreError::InUse { .. })), "{outcomes:?}");
            assert!(matches!(outcomes[3], Err(StoreError::BadName { .. })), "{outcomes:?}");
            assert!(matches!(outcomes[4], Err(StoreError::BadName { .. })), "{outcomes:?}");
            assert!(outcomes[5..].iter().all(Result::is_ok), "{outcomes:?}");
            assert_eq!(scratch.a.read("taken").unwrap(), b"old");
            assert_eq!(scratch.b.entries().unwrap().count(), 1 + more);
            assert_eq!(scratch.leftovers(), 1, "only the one that is locked");
        }
    }
}

#[test]
fn a_file_that_there_is_no_space_for_leaves_nothing() {
    for durability in BOTH {
        let scratch = Scratch::new();
        scratch.a.write("file 1", "old").unwrap();
        let names = numbered(3);
        let files: Vec<_> =
            names.iter().map(|(staging, target)| file(staging, &scratch.a, target)).collect();
        let mut publisher = BatchPublisher::new(&scratch.staging, durability).unwrap();
        publisher.full_for = Some(names[1].0.clone());
        let outcomes = publisher.publish(&files);
        assert!(matches!(outcomes[..], [Ok(_), Err(_), Ok(_)]), "{outcomes:?}");
        assert!(matches!(outcomes[1], Err(StoreError::Io { op: "write", .. })), "{outcomes:?}");
        assert_eq!(scratch.a.read("file 1").unwrap(), b"old");
        assert_eq!(scratch.leftovers(), 0);
    }
}

#[test]
fn a_leftover_of_a_crash_is_overwritten() {
    for alone in [false, true] {
        let scratch = Scratch::new();
        scratch.staging.write("s", "a leftover that is longer").unwrap();
        // Published by a link, and the process died before it removed the other name.
        scratch.a.write("linked", "published").unwrap();
        scratch.a.hard_link("linked", &scratch.staging, "t").unwrap();
        let mut publisher = BatchPublisher::new(&scratch.staging, Durability::None).unwrap();
        if alone {
            publisher = publisher.with_exclusive_dir();
        }
        for (staging, target) in [("s", "x"), ("t", "y")] {
            let file = file(Path::new(staging), &scratch.a, target);
            publisher.publish(&[file]).remove(0).unwrap();
            assert_eq!(scratch.a.read(target).unwrap(), target.as_bytes());
        }
        assert_eq!(scratch.a.read("linked").unwrap(), b"published");
        assert_eq!(scratch.leftovers(), 0);
    }
}

#[test]
fn time_mode_and_the_exclusive_name_are_the_files() {
    let scratch = Scratch::new();
    let mtime = Mtime::new(1_000_000_000, 7000);
    let meta = Meta { mtime, executable: true, ..Meta::default() };
    let file =
        BatchFile { meta, existing: Existing::Keep, ..file(Path::new("s"), &scratch.a, "x") };
    let publisher = BatchPublisher::new(&scratch.staging, Durability::Full).unwrap();
    // Twice in one batch: the second comes too late.
    let outcomes =
        publisher.publish(&[file, BatchFile { staging: StagingName::Own(Path::new("t")), ..file }]);
    assert!(outcomes[0].is_ok());
    assert!(matches!(outcomes[1], Err(StoreError::AlreadyExists { .. })), "{outcomes:?}");
    let found = meta_of(&scratch.a.metadata("x").unwrap());
    assert_eq!((found.mtime, found.executable), (meta.mtime, cfg!(unix)));
}

/// A file that is staged beside its target.
fn part<'a>(parts: &'a PartNames, dir: &'a Dir) -> BatchFile<'a> {
    BatchFile { staging: StagingName::Part(parts), ..file(Path::new(""), dir, "x") }
}

/// An interrupted transfer lay there: its journal must not outlive its blocks.
#[test]
fn a_journal_is_removed_with_its_data() {
    let scratch = Scratch::new();
    let parts = PartNames::of("x");
    let StagingFiles { data, journal } = parts.choose(&scratch.staging).unwrap();
    scratch.staging.write(&data, "some blocks").unwrap();
    let begin = JournalRecord::Begin { name: "x".to_owned(), boot: None, created_unix: 0 };
    Journal::create(&scratch.staging, &journal).unwrap().append(&begin).unwrap();
    let publisher = BatchPublisher::new(&scratch.staging, Durability::None).unwrap();
    let outcomes = publisher.publish(&[part(&parts, &scratch.a)]);
    assert!(matches!(outcomes.as_slice(), [Ok(())]), "{outcomes:?}");
    assert_eq!(scratch.a.read_to_string("x").unwrap(), "x");
    assert_eq!(scratch.leftovers(), 0);
}

#[test]
fn a_users_file_under_the_name_of_a_partial_file_is_left_alone() {
    for durability in BOTH {
        let scratch = Scratch::new();
        for name in ["x.ftxpart", "x.ftxpart-1.journal"] {
            scratch.staging.write(name, "a user's").unwrap();
        }
        let parts = PartNames::of("x");
        let publisher = BatchPublisher::new(&scratch.staging, durability).unwrap();
        let outcomes = publisher.publish(&[part(&parts, &scratch.a)]);
        assert!(matches!(outcomes.as_slice(), [Ok(())]), "{outcomes:?}");
        assert_eq!(scratch.a.read_to_string("x").unwrap(), "x");
        for name in ["x.ftxpart", "x.ftxpart-1.journal"] {
            assert_eq!(scratch.staging.read_to_string(name).unwrap(), "a user's");
        }
        assert_eq!(scratch.leftovers(), 2);
    }
}

/// On tmpfs, which has files without a name.
#[cfg(target_os = "linux")]
mod unnamed {
    use super::super::NewFiles;
    use super::*;

    fn on_tmpfs() -> (TempDir, Dir) {
        let temp = tempfile::tempdir_in("/dev/shm").unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        (temp, dir)
    }

    fn new<'a>(parts: &'a PartNames, dir: &'a Dir) -> BatchFile<'a> {
        BatchFile { staging: StagingName::New(parts), ..file(Path::new(""), dir, "x") }
    }

    fn names(dir: &Dir) -> Vec<String> {
        let names = dir.entries().unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Whether it is published without a name before.
    fn is_published(file: &BatchFile<'_>, durability: Durability) -> bool {
        let publisher = BatchPublisher::new(file.target_dir, durability).unwrap();
        publisher.publish_unnamed(file, &mut NewFiles::new()).unwrap()
    }

    #[test]
    fn a_new_file_has_the_attributes_of_any_other() {
        let mtime = Mtime::new(1_000_000_000, 7000);
        for executable in [false, true] {
            let (_temp, dir) = on_tmpfs();
            let parts = PartNames::of("x");
            let meta = Meta { mtime, executable, ..Meta::default() };
            assert!(is_published(&BatchFile { meta, ..new(&parts, &dir) }, Durability::None));
            let other = BatchFile { target: Path::new("y"), meta, ..part(&parts, &dir) };
            let publisher = BatchPublisher::new(&dir, Durability::None).unwrap();
            publisher.publish(&[other]).remove(0).unwrap();
            assert_eq!(names(&dir), ["x", "y"]);
            assert_eq!(dir.read_to_string("x").unwrap(), "x");
            let [new, other] = ["x", "y"].map(|name| dir.metadata(name).unwrap());
            assert_eq!((new.permissions(), meta_of(&new)), (other.permissions(), meta_of(&other)));
            assert_eq!(meta_of(&new).mtime, mtime);
        }
    }

    #[test]
    fn a_name_that_is_taken_meanwhile_is_replaced_as_any_other() {
        let (_temp, dir) = on_tmpfs();
        dir.write("x", "another program's").unwrap();
        let parts = PartNames::of("x");
        assert!(!is_published(&new(&parts, &dir), Durability::None));
        assert_eq!(dir.read_to_string("x").unwrap(), "another program's");
        let publisher = BatchPublisher::new(&dir, Durability::None).unwrap();
        publisher.publish(&[new(&parts, &dir)]).remove(0).unwrap();
        assert_eq!(
            (dir.read_to_string("x").unwrap().as_str(), names(&dir)),
            ("x", vec!["x".into()])
        );
    }

    #[test]
    fn remains_of_an_interrupted_transfer_do_not_outlive_the_file() {
        let (_temp, dir) = on_tmpfs();
        let parts = PartNames::of("x");
        let StagingFiles { data, journal } = parts.choose(&dir).unwrap();
        dir.write(&data, "some blocks").unwrap();
        let begin = JournalRecord::Begin { name: "x".to_owned(), boot: None, created_unix: 0 };
        Journal::create(&dir, &journal).unwrap().append(&begin).unwrap();
        let publisher = BatchPublisher::new(&dir, Durability::None).unwrap();
        publisher.publish(&[new(&parts, &dir)]).remove(0).unwrap();
        assert_eq!(names(&dir), ["x"]);
    }

    #[test]
    fn a_file_that_must_be_durable_has_a_name_to_be_synced_under() {
        let (_temp, dir) = on_tmpfs();
        let parts = PartNames::of("x");
        assert!(!is_published(&new(&parts, &dir), Durability::Full));
        let keep = BatchFile { existing: Existing::Keep, ..new(&parts, &dir) };
        assert!(!is_published(&keep, Durability::None));
        assert_eq!(names(&dir), [""; 0]);
    }
}
