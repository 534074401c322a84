//! A file that replaces another inherits its permissions, owner and access control list, in both dialects.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Outcome, bins};
use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::process::geteuid;

use super::setting::{NAME, WAYS};
use super::{MIB, Setting, Way};

pub(super) const DIALECTS: [&str; 2] = ["native", "legacy"];

/// Small files are stored together, or in the legacy dialect when they are whole; others as they come.
const LENS: [u64; 3] = [1000, 300_000, 3 * MIB];

/// Another user, and an unused group.
pub(super) const USER: u32 = 65_534;
const GROUP: u32 = 5555;

pub(super) fn cases() -> impl Iterator<Item = (Way, &'static str, u64)> {
    WAYS.into_iter().flat_map(|way| transfers().map(move |(dialect, len)| (way, dialect, len)))
}

pub(super) fn transfers() -> impl Iterator<Item = (&'static str, u64)> {
    DIALECTS.into_iter().flat_map(|dialect| LENS.map(|len| (dialect, len)))
}

pub(super) fn client(setting: &Setting, way: Way, dialect: &str, addr: SocketAddr) -> Client {
    let client = match way {
        Way::Up => Client::upload(addr),
        Way::Down => Client::download(addr),
    };
    client.dialect(dialect).arg(NAME).current_dir(setting.local.path())
}

/// The path of the target is the caller's word.
pub(super) fn run(setting: &Setting, way: Way, dialect: &str) -> Outcome {
    let client = client(setting, way, dialect, setting.server.addr());
    let client = if way == Way::Down { client.args(["-o", NAME]) } else { client };
    client.run()
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Asserts the refusal of a name that no file can replace.
pub(super) fn assert_refused(outcome: &Outcome, said: &str) {
    outcome.assert_code(1);
    assert!(outcome.stderr.contains(said), "{outcome:#?}");
}

#[test]
fn the_mode_of_a_file_that_is_replaced_is_kept() {
    for (way, dialect, len) in cases() {
        let setting = Setting::with_file(way, 1, len);
        let (source, target) = (setting.source(way), setting.target(way));
        for (seed, old) in [(2, 0o600), (3, 0o444), (4, 0o4640)] {
            for executable in [false, true] {
                let seed = 2 * seed + u64::from(executable);
                write_file(&source, content(seed, len));
                set_mode(&source, if executable { 0o755 } else { 0o644 });
                let _ = fs::remove_file(&target);
                fs::write(&target, "old").unwrap();
                set_mode(&target, old);
                run(&setting, way, dialect).assert_done();
                setting.assert_arrived(way, seed, len);
                let runs = executable && dialect == "native";
                let expected = if runs { runs_of(old) } else { old & 0o777 };
                assert_eq!(mode(&target), expected, "{way:?} {dialect} {len} {old:o}");
            }
        }
    }
}

fn runs_of(mode: u32) -> u32 {
    mode & 0o666 | (mode & 0o444) >> 2
}

/// It stays where it is, and only who may read it may run it.
#[test]
fn an_identical_file_becomes_no_wider() {
    for len in LENS {
        for way in WAYS {
            let setting = Setting::with_file(way, 1, len);
            set_mode(&setting.source(way), 0o755);
            let target = setting.target(way);
            for old in [0o600, 0o4640] {
                write_file(&target, content(1, len));
                set_mode(&target, old);
                let before = fs::metadata(&target).unwrap().ino();
                run(&setting, way, "native").assert_done();
                assert_eq!(fs::metadata(&target).unwrap().ino(), before, "{way:?} {len}");
                assert_eq!(mode(&target), runs_of(old), "{way:?} {len} {old:o}");
            }
        }
    }
}

/// The legacy dialect does not say who may read a file.
#[test]
fn a_new_file_is_for_no_more_than_its_source() {
    for len in LENS {
        for way in WAYS {
            for (source, kept) in [(0o600, 0o700), (0o640, 0o770), (0o700, 0o700)] {
                let setting = Setting::with_file(way, 1, len);
                set_mode(&setting.source(way), source);
                fs::write(setting.root.path().join("made"), "").unwrap();
                let made = mode(&setting.root.path().join("made"));
                run(&setting, way, "native").assert_done();
                let expected = if source == 0o700 { runs_of(made) } else { made };
                assert_eq!(mode(&setting.target(way)), expected & kept, "{way:?} {len}");
            }
        }
    }
}

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// An access control list: owner, another user, group, mask, others.
fn list(permissions: [u16; 5]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permission) in [1_u16, 2, 4, 16, 32].into_iter().zip(permissions) {
        let id = if tag == 2 { USER } else { u32::MAX };
        bytes.extend([tag.to_le_bytes(), permission.to_le_bytes()].concat());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

fn list_of(path: &Path) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 256];
    let len = getxattr(path, ACCESS, &mut buffer[..]).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

#[test]
fn an_access_control_list_and_an_owner_are_kept() {
    for (way, dialect, len) in cases() {
        let setting = Setting::with_file(way, 1, len);
        let target = setting.target(way);
        fs::write(&target, "old").unwrap();
        let old = list([6, 4, 0, 4, 0]);
        setxattr(&target, ACCESS, &old, XattrFlags::empty()).unwrap();
        // Only root can give a file away.
        let owner = if geteuid().is_root() { Some((USER, GROUP)) } else { None };
        if let Some((user, group)) = owner {
            chown(&target, Some(user), Some(group)).unwrap();
        }
        run(&setting, way, dialect).assert_done();
        let found = fs::metadata(&target).unwrap();
        assert_eq!(
            (list_of(&target), found.mode() & 0o7777),
            (Some(old), 0o640),
            "{way:?} {dialect}"
        );
        if owner.is_some() {
            assert_eq!(Some((found.uid(), found.gid())), owner, "{way:?} {dialect} {len}");
        }
    }
}

#[test]
fn a_new_file_is_as_if_it_were_made_in_its_directory() {
    for (way, dialect, len) in cases() {
        let setting = Setting::with_file(way, 1, len);
        let dir = setting.target(way).parent().unwrap().to_owned();
        setxattr(&dir, DEFAULT, &list([7, 6, 5, 7, 0]), XattrFlags::empty()).unwrap();
        if geteuid().is_root() {
            chown(&dir, None, Some(GROUP)).unwrap();
            set_mode(&dir, 0o2770);
        }
        let made = dir.join("made");
        fs::write(&made, "").unwrap();
        run(&setting, way, dialect).assert_done();
        let [made, arrived] = [made, setting.target(way)].map(|path| {
            let metadata = fs::metadata(&path).unwrap();
            (metadata.mode(), metadata.gid(), list_of(&path))
        });
        assert_eq!(arrived, made, "{way:?} {dialect} {len}");
    }
}

/// A user who may not give the file its group grants the group nothing. Only root can become another
/// user.
#[test]
fn where_the_group_cannot_be_kept_the_mode_is_narrowed() {
    if !geteuid().is_root() {
        println!("skipped: this user cannot become another one");
        return;
    }
    for (dialect, len) in transfers() {
        let setting = Setting::with_file(Way::Down, 1, len);
        let (local, target) = (setting.local.path(), setting.target(Way::Down));
        // Where another user can get at it.
        let program = local.join("client");
        // By another process: while this one has it open to write, none of its children can run it.
        let copied = Command::new("cp").arg(bins::client()).arg(&program).status().unwrap();
        assert!(copied.success());
        chown(local, Some(USER), Some(USER)).unwrap();
        for (old, narrowed) in [(0o660, 0o600), (0o664, 0o644), (0o604, 0o600)] {
            fs::write(&target, "old").unwrap();
            chown(&target, None, Some(GROUP)).unwrap();
            set_mode(&target, old);
            let user = USER.to_string();
            let mut command = Command::new("setpriv");
            command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(&program);
            command.args(["download", "--no-cache", "--dialect", dialect]);
            command.arg(setting.server.addr().to_string()).arg(NAME).current_dir(local);
            let outcome = command.output().unwrap();
            assert!(outcome.status.success(), "{outcome:?}");
            assert_content(&target, content(1, len));
            let found = fs::metadata(&target).unwrap();
            assert_eq!(found.uid(), USER);
            assert_eq!(found.mode() & 0o7777, narrowed, "{dialect} {len} {old:o}");
            fs::remove_file(&target).unwrap();
        }
    }
}
