//! The rules as a ruleset of Landlock.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope, make_bitflags,
};

use super::{Sandbox, SandboxError, SandboxRules, SandboxStatus};

/// The newest version whose restrictions are tested with this server.
const TESTED_ABI: ABI = ABI::V6;

/// The rights on directories with files to read.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// The rights on the root and the state directory: no devices, pipes, sockets and links are made, and nothing is
/// executed.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
});

/// Files of the kernel that a running server reads.
///
/// | file | for |
/// | --- | --- |
/// | `/proc/self` | the umask, the control group, and access control lists through a descriptor |
/// | `boot_id` | whether written data can still be in the page cache |
/// | `overcommit_memory` | the C library's allocator |
/// | `/sys/fs/cgroup` | the number of processors, by which threads are counted |
const KERNEL_FILES: [(&str, BitFlags<AccessFs>); 4] = [
    ("/proc/self", READ),
    ("/proc/sys/kernel/random/boot_id", make_bitflags!(AccessFs::{ReadFile})),
    ("/proc/sys/vm/overcommit_memory", make_bitflags!(AccessFs::{ReadFile})),
    ("/sys/fs/cgroup", READ),
];

impl SandboxRules {
    /// Enters the sandbox as far as the kernel can.
    pub(super) fn enter_landlock(&self) -> Result<Sandbox, SandboxError> {
        let open = |path: &PathBuf| {
            PathFd::new(path).map_err(|error| SandboxError::Directory(error.to_string()))
        };
        let writable = self.writable.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let directories = self.read.iter().flat_map(|file| directories_of(file));
        let directories: Vec<PathBuf> = directories.collect();
        let readable = directories.iter().filter_map(|dir| PathFd::new(dir).ok());
        let kernel = KERNEL_FILES.iter().filter_map(|&(path, access)| {
            // Some systems lack some.
            Some((PathFd::new(path).ok()?, access))
        });
        let rules = writable.into_iter().map(|fd| (fd, WRITE));
        let rules: Vec<_> = rules.chain(readable.map(|fd| (fd, READ))).chain(kernel).collect();
        let status = match restrict(&rules) {
            Ok(status) => status_of(&status),
            Err(error) => SandboxStatus::NotAvailable(error.to_string()),
        };
        let enforced = matches!(status, SandboxStatus::Landlock { .. });
        let allowed = self.writable.iter().chain(&directories);
        let readable = allowed.filter_map(|dir| dir.canonicalize().ok()).filter(|_| enforced);
        let readable = readable.collect();
        let _pinned = rules.into_iter().map(|(fd, _)| fd).collect();
        Ok(Sandbox { status, readable, _pinned })
    }
}

/// The directories in which a file is found: that of its name, and that of the file if the name is a link.
fn directories_of(file: &Path) -> Vec<PathBuf> {
    let directory = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_owned),
    };
    let real = file.canonicalize().ok();
    directory(file).into_iter().chain(real.and_then(|real| directory(&real))).collect()
}

fn restrict(rules: &[(PathFd, BitFlags<AccessFs>)]) -> Result<RestrictionStatus, RulesetError> {
    let scopes = match manager_is_abstract() {
        true => BitFlags::from(Scope::Signal),
        false => Scope::from_all(TESTED_ABI),
    };
    let ruleset = Ruleset::default()
        // The first version forbids to move files between directories, so nothing of it is of use.
        .set_compatibility(CompatLevel::SoftRequirement)
        .handle_access(AccessFs::Refer)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(TESTED_ABI))?
        // Without a rule: no port can be bound, and no connection made.
        .handle_access(AccessNet::from_all(TESTED_ABI))?
        .scope(scopes)?;
    let mut created = ruleset.create()?;
    for (fd, access) in rules {
        created = created.add_rule(PathBeneath::new(fd, *access))?;
    }
    created.restrict_self()
}

/// Whether the service manager listens at an abstract address, to which messages must get through.
fn manager_is_abstract() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some_and(|address| address.as_bytes().starts_with(b"@"))
}

fn status_of(status: &RestrictionStatus) -> SandboxStatus {
    let none = |reason: &str| SandboxStatus::NotAvailable(reason.to_owned());
    match (&status.landlock, &status.ruleset) {
        (LandlockStatus::NotImplemented, _) => {
            none("the kernel has no Landlock, or a filter of calls hides it")
        }
        (LandlockStatus::NotEnabled, _) => none("Landlock is turned off in this kernel (lsm=)"),
        (LandlockStatus::Available { .. }, RulesetStatus::NotEnforced) => {
            none("the first version of Landlock would forbid to move files")
        }
        (LandlockStatus::Available { effective_abi, kernel_abi }, _) => {
            let known = u32::from(*effective_abi as u8);
            let abi = kernel_abi.and_then(|abi| u32::try_from(abi).ok()).unwrap_or(known);
            SandboxStatus::Landlock { abi }
        }
    }
}
