//! The identity of a kernel run, and of a file within it.

use std::fs::File;

use serde::{Deserialize, Serialize};

/// The identity of one kernel run: its page cache lives as long as it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// Returns the id of the running kernel; `None` where the system does not report one.
    #[must_use]
    pub fn current() -> Option<Self> {
        // No process survives a reboot, so one read is enough.
        #[cfg(target_os = "linux")]
        {
            static CURRENT: std::sync::LazyLock<Option<BootId>> = std::sync::LazyLock::new(|| {
                // /proc may be absent in a container, then everything is verified.
                BootId::parse(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?)
            });
            *CURRENT
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    #[cfg(any(target_os = "linux", test))]
    fn parse(text: &str) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|&c| c != '-').collect();
        let well_formed = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(&digits, 16).ok()?;
        well_formed.then_some(Self(number.to_be_bytes()))
    }
}

/// Distinguishes `file` from another file with its inode number, on this mount or another: the
/// mount's id and the file's time of birth. All zeros where the system does not report them.
pub(crate) fn mount_and_birth(file: &File) -> [u64; 3] {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, StatxFlags};

        // STATX_MNT_ID_UNIQUE, since Linux 6.8: an id that no later mount gets. An older kernel
        // reports the plain id, which the next mount may get again.
        let unique = StatxFlags::from_bits_retain(0x4000);
        let mounts = StatxFlags::MNT_ID | unique;
        if let Ok(told) =
            rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, mounts | StatxFlags::BTIME)
        {
            let is_told = |what: StatxFlags| told.stx_mask & what.bits() != 0;
            let mount = if is_told(mounts) { told.stx_mnt_id } else { 0 };
            let born = Some(told.stx_btime).filter(|_| is_told(StatxFlags::BTIME));
            let (secs, nanos) = born.map_or((0, 0), |born| (born.tv_sec, born.tv_nsec));
            return [mount, secs.cast_unsigned(), nanos.into()];
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
    [0; 3]
}

#[cfg(test)]
mod tests {
    use super::BootId;

    #[test]
    fn boot_ids_are_parsed() {
        let id = BootId::parse("c0075f36-a10d-4cf7-b280-1cd19ee3ab1f\n").unwrap();
        assert_eq!(id.0[..4], [0xc0, 0x07, 0x5f, 0x36]);
        for bad in ["", "c0075f36", "+0075f36-a10d-4cf7-b280-1cd19ee3ab1f"] {
            assert_eq!(BootId::parse(bad), None, "{bad}");
        }
        assert_eq!(BootId::current(), BootId::current());
    }
}
