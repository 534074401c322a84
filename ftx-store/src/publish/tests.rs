//! The attributes of a published file, for each way of publishing.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Permissions, PermissionsExt as _};
use ftx_core::native::wire::{Meta, Readers};
use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::sys::acl_bytes;
use crate::{
    BatchFile, BatchPublisher, BlockStaging, Durability, Existing, PrefixStaging, StagingFiles,
    StoreError,
};

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

const BYTES: &[u8] = b"new";

/// Another user, and an unused group.
const USER: u32 = 65_534;
const GROUP: u32 = 5555;

/// How a file is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Blocks,
    Bytes,
    Batch,
    BatchAlone,
}

const WAYS: [Way; 4] = [Way::Blocks, Way::Bytes, Way::Batch, Way::BatchAlone];

/// Directories `staging` and `to` in one file system.
struct Setting {
    temp: TempDir,
    staging: Dir,
    to: Dir,
}

impl Setting {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let open = |name| {
            let path = temp.path().join(name);
            std::fs::create_dir(&path).unwrap();
            Dir::open_ambient_dir(path, ambient_authority()).unwrap()
        };
        let (staging, to) = (open("staging"), open("to"));
        Self { temp, staging, to }
    }

    fn path(&self) -> std::path::PathBuf {
        self.temp.path().join("to/file")
    }

    /// Puts a file to be replaced.
    fn put(&self, mode: u32) {
        let _ = self.to.remove_file("file");
        self.to.write("file", "old").unwrap();
        self.to.set_permissions("file", Permissions::from_mode(mode)).unwrap();
    }

    fn publish(&self, way: Way, meta: &Meta, existing: Existing) -> Result<(), StoreError> {
        let files = StagingFiles { data: "data".into(), journal: "journal".into() };
        let target = Path::new("file");
        match way {
            Way::Blocks => {
                let len = BYTES.len() as u64;
                let staging = BlockStaging::create(&self.staging, files, "file", len)?;
                staging.write_at(0, BYTES)?;
                staging.stored(0, ftx_core::native::blocks::Cv([0; 32]))?;
                assert_eq!(
                    self.staging.metadata("data").unwrap().permissions().mode() & 0o777,
                    0o600
                );
                staging.publish(&self.to, target, meta, existing).map(|_| ())
            }
            Way::Bytes => {
                let mut staging =
                    PrefixStaging::create(&self.staging, files, "file")?.journalled()?;
                staging.write(BYTES)?;
                assert_eq!(
                    self.staging.metadata("data").unwrap().permissions().mode() & 0o777,
                    0o600
                );
                staging.publish(&self.to, target).map(|_| ())
            }
            Way::Batch | Way::BatchAlone => {
                let mut publisher = BatchPublisher::new(&self.staging, Durability::Full)?;
                if way == Way::BatchAlone {
                    publisher = publisher.with_exclusive_dir();
                }
                let file = BatchFile {
                    staging: crate::StagingName::Own(Path::new("data")),
                    target_dir: &self.to,
                    target,
                    bytes: BYTES,
                    meta: *meta,
                    existing,
                };
                publisher.publish(&[file]).remove(0)
            }
        }
    }

    fn replaced(&self, way: Way, executable: bool) -> std::fs::Metadata {
        let meta = Meta { executable, ..Meta::default() };
        self.publish(way, &meta, Existing::Replace).unwrap();
        assert_eq!(self.to.read("file").unwrap(), BYTES, "{way:?}");
        self.path().metadata().unwrap()
    }

    /// A file created in `to`, and the published one.
    fn made_and_published(&self, way: Way) -> [(u32, u32, Option<Vec<u8>>); 2] {
        let _ = self.to.remove_file("file");
        let made = self.temp.path().join("to/made");
        let _ = std::fs::remove_file(&made);
        std::fs::write(&made, "").unwrap();
        self.replaced(way, false);
        [made, self.path()].map(|path| {
            let metadata = path.metadata().unwrap();
            (metadata.mode() & 0o7777, metadata.gid(), list(&path))
        })
    }
}

fn list(path: &Path) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 256];
    let len = getxattr(path, ACCESS, &mut buffer[..]).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

fn set_list(path: &Path, which: &str, list: &[u8]) {
    setxattr(path, which, list, XattrFlags::empty()).unwrap();
}

#[test]
fn a_replaced_file_leaves_its_read_and_write_bits() {
    let setting = Setting::new();
    for way in WAYS {
        for (old, plain, executable) in [
            (0o600, 0o600, 0o700),
            (0o644, 0o644, 0o755),
            (0o640, 0o640, 0o750),
            (0o444, 0o444, 0o555),
            (0o666, 0o666, 0o777),
            (0o711, 0o600, 0o700),
            (0o755, 0o644, 0o755),
            (0o604, 0o604, 0o705),
            (0o6755, 0o644, 0o755),
            (0o1644, 0o644, 0o755),
        ] {
            for (is_executable, expected) in [(false, plain), (true, executable)] {
                setting.put(old);
                let mode = setting.replaced(way, is_executable).mode() & 0o7777;
                // Nothing more is known of a file that came byte by byte.
                let expected = if way == Way::Bytes { old & 0o777 } else { expected };
                assert_eq!(mode, expected, "{way:?} {old:o} {is_executable}: {mode:o}");
            }
        }
    }
}

#[test]
fn a_new_file_is_no_wider_than_its_source() {
    let setting = Setting::new();
    std::fs::write(setting.temp.path().join("new"), "").unwrap();
    let new = setting.temp.path().join("new").metadata().unwrap().mode() & 0o777;
    for way in [Way::Blocks, Way::Batch, Way::BatchAlone] {
        for (readers, kept) in
            [(Readers::All, 0o777), (Readers::Group, 0o770), (Readers::Owner, 0o700)]
        {
            for executable in [false, true] {
                let _ = setting.to.remove_file("file");
                let meta = Meta { executable, readers, ..Meta::default() };
                setting.publish(way, &meta, Existing::Keep).unwrap();
                let mode = setting.path().metadata().unwrap().mode() & 0o7777;
                let expected = if executable { new | (new & 0o444) >> 2 } else { new };
                assert_eq!(mode, expected & kept, "{way:?} {readers:?} {mode:o}");
            }
        }
    }
}

/// Only root can give a file away; other users keep theirs anyway.
#[test]
fn a_replaced_file_leaves_its_owner_and_group() {
    if !geteuid().is_root() {
        println!("skipped: this user cannot give files away");
        return;
    }
    let setting = Setting::new();
    for way in WAYS {
        for mode in [0o640, 0o664] {
            setting.put(mode);
            chown(setting.path(), Some(USER), Some(GROUP)).unwrap();
            let replaced = setting.replaced(way, false);
            let found = (replaced.uid(), replaced.gid(), replaced.mode() & 0o7777);
            assert_eq!(found, (USER, GROUP, mode), "{way:?}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_replaced_file_leaves_its_access_control_list() {
    let setting = Setting::new();
    let lists = [acl_bytes(6, (6, USER), 4, 6, 0), acl_bytes(6, (0, USER), 6, 4, 4)];
    for way in WAYS {
        for old in &lists {
            setting.put(0o600);
            set_list(&setting.path(), ACCESS, old);
            let mode = setting.path().metadata().unwrap().mode();
            assert_eq!(setting.replaced(way, false).mode(), mode, "{way:?}");
            assert_eq!(list(&setting.path()).as_ref(), Some(old), "{way:?}");
        }
        // The default list of the staging's directory must not show.
        setting.put(0o640);
        let inherited = acl_bytes(7, (7, USER), 7, 7, 7);
        set_list(&setting.temp.path().join("staging"), DEFAULT, &inherited);
        assert_eq!(setting.replaced(way, false).mode() & 0o7777, 0o640, "{way:?}");
        assert_eq!(list(&setting.path()), None, "{way:?}");
        rustix::fs::removexattr(setting.temp.path().join("staging"), DEFAULT).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_new_file_is_as_if_it_were_made_there() {
    for way in WAYS {
        let setting = Setting::new();
        let [staging, to] = ["staging", "to"].map(|name| setting.temp.path().join(name));
        let check = |what: &str| {
            let [made, published] = setting.made_and_published(way);
            assert_eq!(published, made, "{way:?}, {what}");
        };
        check("plain");
        let list = acl_bytes(7, (7, USER), 5, 7, 0);
        set_list(&to, DEFAULT, &list);
        check("with a default list");
        set_list(&staging, DEFAULT, &list);
        check("with one in both");
        rustix::fs::removexattr(&to, DEFAULT).unwrap();
        check("with one where it is staged");
        if !geteuid().is_root() {
            println!("skipped: this user cannot give directories away");
            continue;
        }
        for dir in [&to, &staging] {
            chown(dir, None, Some(GROUP)).unwrap();
            check("in a directory of another group");
            setting_gid(dir);
            check("in a directory that hands its group on");
        }
        chown(&to, None, Some(0)).unwrap();
        std::fs::set_permissions(&to, mode_of(0o755)).unwrap();
        check("staged with another group");
    }
}

fn mode_of(mode: u32) -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

#[cfg(target_os = "linux")]
fn setting_gid(dir: &Path) {
    std::fs::set_permissions(dir, mode_of(0o2775)).unwrap();
}

#[test]
fn an_irregular_file_is_named_and_stays() {
    let setting = Setting::new();
    let path = setting.path();
    for way in WAYS {
        for existing in [Existing::Replace, Existing::Keep] {
            let refused = || setting.publish(way, &Meta::default(), existing).unwrap_err();
            if way == Way::Bytes && existing == Existing::Keep {
                continue;
            }
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            let error = refused();
            assert!(error.to_string().contains("a pipe"), "{way:?} {error}");
            std::fs::remove_file(&path).unwrap();
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let error = refused();
            assert!(error.to_string().contains("a socket"), "{way:?} {error}");
            std::fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/dev/null", &path).unwrap();
            let error = refused();
            assert!(matches!(error, StoreError::Link { .. }), "{way:?} {error:?}");
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
            let error = refused();
            assert!(matches!(error, StoreError::IsDirectory { .. }), "{way:?} {error:?}");
            std::fs::remove_dir(&path).unwrap();
        }
    }
}

/// Something else takes the name between the look and the step.
#[test]
fn a_file_that_takes_the_name_meanwhile_is_checked_again() {
    use super::{Destination, Publishing};
    use crate::sys::{Attributes, Umask};

    let setting = Setting::new();
    let (name, from) = (Path::new("file"), Path::new("data"));
    let look = || {
        let new = |dir: &Dir| Attributes::of_new(dir, Umask::current());
        Destination::look(&setting.to, name, None, Existing::Replace, new).unwrap()
    };
    let take = |place: &Destination<'_>| {
        setting.staging.write(from, BYTES).unwrap();
        place.take(&setting.staging, from, Existing::Replace)
    };
    let place = look();
    setting.put(0o600);
    assert!(!take(&place).unwrap());
    let place = look();
    setting.to.set_permissions(name, Permissions::from_mode(0o640)).unwrap();
    assert!(!take(&place).unwrap());
    let place = look();
    setting.to.remove_file(name).unwrap();
    assert!(!take(&place).unwrap());
    std::os::unix::fs::symlink("x", setting.path()).unwrap();
    assert!(matches!(take(&place), Err(StoreError::Link { .. })));
    setting.to.remove_file(name).unwrap();

    // Prepared as a new file, it takes over the attributes of an old one.
    let publishing = Publishing::new(&setting.to, name, None, Existing::Replace).unwrap();
    let file = setting.staging.open(from).unwrap().into_std();
    let prepared = publishing.prepare(&file).unwrap();
    setting.put(0o600);
    let mut syncs = 0;
    let sync = || {
        syncs += 1;
        Ok(())
    };
    publishing.publish(prepared, &setting.staging, from, &file, sync).unwrap();
    assert_eq!(syncs, 1);
    assert_eq!(setting.to.read(name).unwrap(), BYTES);
    assert_eq!(setting.path().metadata().unwrap().mode() & 0o777, 0o600);
}

/// The partial file is resumed as before, whatever its intended owner.
#[test]
fn a_file_that_does_not_get_its_name_is_closed_again() {
    let setting = Setting::new();
    setting.put(0o666);
    let files = StagingFiles { data: "data".into(), journal: "journal".into() };
    let staging = BlockStaging::create(&setting.staging, files, "file", 3).unwrap();
    staging.write_at(0, BYTES).unwrap();
    staging.stored(0, ftx_core::native::blocks::Cv([0; 32])).unwrap();
    let mode = || setting.staging.metadata("data").unwrap().permissions().mode() & 0o777;
    let meta = Meta::default();
    staging.prepare(&setting.to, Path::new("file"), &meta, Existing::Keep).unwrap();
    assert_eq!(mode(), 0o600);
    let refused = staging.publish(&setting.to, Path::new("file"), &meta, Existing::Keep);
    assert!(matches!(refused, Err(StoreError::AlreadyExists { .. })), "{refused:?}");
    assert_eq!(mode(), 0o600);
}

/// Nothing of the file that has the name is taken over, and nothing is replaced.
#[test]
fn both_files_are_kept_under_numbered_names() {
    let meta = Meta::default();
    let both = Existing::KeepBoth { max_name_bytes: 6 };
    for way in [Way::Blocks, Way::Batch, Way::BatchAlone] {
        let setting = Setting::new();
        setting.put(0o600);
        setting.to.create_dir("file~2").unwrap();
        std::os::unix::fs::symlink("nowhere", setting.path().with_file_name("file~3")).unwrap();
        for name in ["file~4", "file~5"] {
            setting.publish(way, &meta, both).unwrap();
            assert_eq!(setting.to.read(name).unwrap(), BYTES);
            let mode = setting.to.metadata(name).unwrap().permissions().mode() & 0o777;
            assert_ne!(mode, 0o600, "{way:?}");
        }
        assert_eq!(setting.to.read("file").unwrap(), b"old");
        assert_eq!(setting.to.entries().unwrap().count(), 5);
        assert_eq!(setting.staging.entries().unwrap().count(), 0);
    }
}

#[test]
fn numbers_after_a_name_come_to_an_end() {
    let meta = Meta::default();
    for way in [Way::Blocks, Way::BatchAlone] {
        let setting = Setting::new();
        for name in ["file", "file~2"] {
            setting.to.write(name, "old").unwrap();
        }
        let no_room = Existing::KeepBoth { max_name_bytes: 4 };
        setting.publish(way, &meta, no_room).unwrap();
        assert_eq!(setting.to.read("fi~2").unwrap(), BYTES);
        for number in 3..=super::MAX_NAME_NUMBER {
            setting.to.hard_link("file", &setting.to, format!("file~{number}")).unwrap();
        }
        let both = Existing::KeepBoth { max_name_bytes: 255 };
        let refused = setting.publish(way, &meta, both);
        assert!(matches!(refused, Err(StoreError::AlreadyExists { .. })), "{refused:?}");
        assert_eq!(setting.to.read("file").unwrap(), b"old");
    }
}
