//! The cache epoch: whether the page cache into which a staging's data was written still exists, so
//! that the journal can be believed without reading the data.
//!
//! The boot id alone does not prove that. The data may be another file by now, such as a copy or a
//! restored backup from before the journal; or the file system was unmounted and mounted again, and
//! the page cache is gone. So the epoch names the boot, the mount and the file together.

use std::fs::File;

use ftx_core::native::blocks::Digest;

use crate::{BootId, FileIdentity, sys};

/// Names the page cache of `file` in the kernel run `boot`: equal epochs mean that every byte
/// written to the file is still there. `None` where the system does not report enough; it equals
/// nothing.
pub(crate) fn cache_epoch(boot: Option<BootId>, file: &File) -> Option<BootId> {
    let BootId(boot) = boot?;
    let identity = FileIdentity::of_std(file).ok()?;
    let numbers = [identity.dev, identity.ino].into_iter().chain(sys::mount_and_birth(file));
    let mut bytes = boot.to_vec();
    bytes.extend(numbers.flat_map(u64::to_le_bytes));
    // As long as the boot id whose place it takes in a journal.
    Digest::of(&bytes).0.first_chunk().copied().map(BootId)
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::{BootId, File, FileIdentity, cache_epoch};

    #[test]
    fn each_file_in_each_kernel_run_has_a_name_of_its_own() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let [a, b] = ["a", "b"].map(|name| dir.create(name).unwrap().into_std());
        let [here, elsewhere] = [1, 2].map(|id| Some(BootId([id; 16])));
        assert_eq!(cache_epoch(None, &a), None);
        let named = cache_epoch(here, &a);
        assert!(named.is_some() && named != here);
        assert_ne!(cache_epoch(elsewhere, &a), named);
        assert_ne!(cache_epoch(here, &b), named);
        // Whatever happens to its names and bytes, it is the same file.
        dir.write("a", "bytes").unwrap();
        dir.rename("a", &dir, "c").unwrap();
        assert_eq!(cache_epoch(here, &dir.open("c").unwrap().into_std()), named);
    }

    /// The new file may have the inode number of the old one.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_in_the_place_of_another_is_not_that() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let create = || {
            let file = dir.create("a").unwrap();
            (cache_epoch(Some(BootId([1; 16])), &file.try_clone().unwrap().into_std()), file)
        };
        let born = |file: &File| FileIdentity::of_std(file).unwrap().ctime_ns;
        let (first, file) = create();
        let since = born(&file.into_std());
        // The clock of the file system may stand still for some milliseconds.
        loop {
            dir.remove_file("a").unwrap();
            let (now, file) = create();
            if born(&file.into_std()) > since {
                assert_ne!(now, first);
                return;
            }
        }
    }
}
