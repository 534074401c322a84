//! The budget of file descriptors.
//!
//! A process without free descriptors can serve no client. So each connection and each file that stays open
//! takes a share of the budget, and is refused where that would leave too little for running work, for
//! answers and for new connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Descriptors of an upload: for its data, its journal, and the published file.
const UPLOAD_DESCRIPTORS: usize = 5;

/// The bounds of the reserve for short jobs and for the server's own files, which is a quarter of all.
const RESERVE_DESCRIPTORS: (usize, usize) = (64, 4096);

/// The descriptors for connections and open files; clones share them.
#[derive(Clone, Debug)]
pub struct Descriptors(Arc<DescriptorPool>);

#[derive(Debug)]
struct DescriptorPool {
    /// For connections and open files.
    total: usize,
    free: AtomicUsize,
    reserve: usize,
}

/// The use of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DescriptorUse {
    Connection,
    Download,
    Upload,
}

/// A share of the descriptors, until it is dropped.
#[derive(Debug)]
pub(crate) struct DescriptorShare {
    of: Arc<DescriptorPool>,
    count: usize,
}

impl Descriptors {
    /// The descriptors that this process may have now; unlimited where the system reports no limit.
    #[must_use]
    pub fn of_this_process() -> Self {
        #[cfg(unix)]
        {
            use rustix::process::{Resource, getrlimit};

            let limit = getrlimit(Resource::Nofile).current;
            match limit.and_then(|limit| usize::try_from(limit).ok()) {
                Some(limit) => Self::of(limit),
                None => Self::unlimited(),
            }
        }
        #[cfg(not(unix))]
        Self::unlimited()
    }

    /// The descriptors of a process that may have `limit` of them.
    #[must_use]
    pub fn of(limit: usize) -> Self {
        let (least, most) = RESERVE_DESCRIPTORS;
        let reserve = (limit / 4).clamp(least, most).min(limit / 2);
        let total = limit - reserve;
        Self(Arc::new(DescriptorPool { total, free: AtomicUsize::new(total), reserve }))
    }

    /// Descriptors without a limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::of(usize::MAX)
    }

    /// The largest possible number of connections.
    #[must_use]
    pub fn for_connections(&self) -> usize {
        self.0.total
    }

    /// The number of files that one short job may have open, if some dozens of jobs run.
    pub(crate) fn for_short_job(&self) -> usize {
        self.0.reserve / 16
    }

    /// Takes a share, unless that would leave too little.
    pub(crate) fn take(&self, usage: DescriptorUse) -> Option<DescriptorShare> {
        let DescriptorPool { total, free, .. } = &*self.0;
        // A connection that can only be refused is better than none.
        let (count, kept) = match usage {
            DescriptorUse::Connection => (1, 0),
            DescriptorUse::Download => (1, total / 8),
            DescriptorUse::Upload => (UPLOAD_DESCRIPTORS, total / 4),
        };
        let less = |free: usize| free.checked_sub(count).filter(|left| *left >= kept);
        free.fetch_update(Relaxed, Relaxed, less).ok()?;
        Some(DescriptorShare { of: Arc::clone(&self.0), count })
    }
}

impl Drop for DescriptorShare {
    fn drop(&mut self) {
        self.of.free.fetch_add(self.count, Relaxed);
    }
}

/// Raises this process's limit of descriptors to the hard limit.
///
/// # Errors
/// The system refuses.
pub fn raise_descriptor_limit() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{DescriptorUse, Descriptors};

    fn all(descriptors: &Descriptors, usage: DescriptorUse) -> Vec<super::DescriptorShare> {
        std::iter::from_fn(|| descriptors.take(usage)).collect()
    }

    #[test]
    fn some_descriptors_are_left_for_later_connections() {
        let descriptors = Descriptors::of(1024);
        assert_eq!(descriptors.for_connections(), 768);
        let uploads = all(&descriptors, DescriptorUse::Upload);
        assert_eq!(uploads.len(), (768 - 192) / 5);
        let downloads = all(&descriptors, DescriptorUse::Download);
        assert!(downloads.len() >= 96);
        let connections = all(&descriptors, DescriptorUse::Connection);
        assert_eq!(connections.len(), 96);
        drop((uploads, downloads, connections));
        assert_eq!(all(&descriptors, DescriptorUse::Connection).len(), 768);
    }

    #[test]
    fn any_limit_is_divided() {
        for limit in [0, 1, 10, 64, 256, 4096, 1 << 20, usize::MAX] {
            let descriptors = Descriptors::of(limit);
            assert!(descriptors.for_connections() <= limit);
            assert!(
                descriptors.take(DescriptorUse::Connection).is_some() == (limit > 0),
                "{limit}"
            );
        }
        assert!(Descriptors::unlimited().take(DescriptorUse::Upload).is_some());
    }
}
