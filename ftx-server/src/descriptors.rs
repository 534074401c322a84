//! Descriptors: how many there are, and who may have how many of them.
//!
//! A process that has none left can do nothing for anybody. So each connection and each file that stays
//! open takes a share of what there is, and is refused where that would leave too little: for the work
//! that goes on, for answers, and for connections that are still to come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Descriptors of an upload: its data, its journal, and what is read of the published file.
const OF_UPLOAD: usize = 5;

/// The share that is kept for short work and for the server's own files is a quarter, within these
/// bounds.
const RESERVE: (usize, usize) = (64, 4096);

/// Descriptors that connections and open files share; clones are the same ones.
#[derive(Clone, Debug)]
pub struct Descriptors(Arc<DescriptorPool>);

#[derive(Debug)]
struct DescriptorPool {
    /// For connections and open files.
    total: usize,
    free: AtomicUsize,
    reserve: usize,
}

/// What a share is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DescriptorUse {
    Connection,
    Download,
    Upload,
}

/// Some of the descriptors, until it is dropped.
#[derive(Debug)]
pub(crate) struct DescriptorShare {
    of: Arc<DescriptorPool>,
    count: usize,
}

impl Descriptors {
    /// Those that this process may have now; without a bound where the system tells none.
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

    /// As many as a process has that may have `limit`.
    #[must_use]
    pub fn of(limit: usize) -> Self {
        let (least, most) = RESERVE;
        let reserve = (limit / 4).clamp(least, most).min(limit / 2);
        let total = limit - reserve;
        Self(Arc::new(DescriptorPool { total, free: AtomicUsize::new(total), reserve }))
    }

    /// As many as anybody wants.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::of(usize::MAX)
    }

    /// How many connections there can be at most.
    #[must_use]
    pub fn for_connections(&self) -> usize {
        self.0.total
    }

    /// How many files one short job may have open at a time, if some dozens of them run.
    pub(crate) fn for_short_job(&self) -> usize {
        self.0.reserve / 16
    }

    /// A share, unless that would leave too little for others.
    pub(crate) fn take(&self, what: DescriptorUse) -> Option<DescriptorShare> {
        let DescriptorPool { total, free, .. } = &*self.0;
        // A connection that can say nothing but no is better than none.
        let (count, kept) = match what {
            DescriptorUse::Connection => (1, 0),
            DescriptorUse::Download => (1, total / 8),
            DescriptorUse::Upload => (OF_UPLOAD, total / 4),
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

/// Has the system give this process as many descriptors as it ever would.
///
/// # Errors
/// The system does not.
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

    fn all(descriptors: &Descriptors, what: DescriptorUse) -> Vec<super::DescriptorShare> {
        std::iter::from_fn(|| descriptors.take(what)).collect()
    }

    #[test]
    fn some_are_left_for_those_who_come_later() {
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
