//! A descriptor that is readable while the queue has an event.

#[cfg(unix)]
pub(crate) use unix::Signal;

#[cfg(not(unix))]
pub(crate) use other::Signal;

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd, RawFd};

    /// A flag that can be polled.
    #[derive(Debug)]
    pub(crate) struct Signal {
        read: OwnedFd,
        #[cfg(not(target_os = "linux"))]
        write: OwnedFd,
    }

    impl Signal {
        #[cfg(target_os = "linux")]
        pub(crate) fn new() -> io::Result<Self> {
            use rustix::event::{EventfdFlags, eventfd};

            Ok(Self { read: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
        }

        #[cfg(not(target_os = "linux"))]
        pub(crate) fn new() -> io::Result<Self> {
            let (read, write) = rustix::pipe::pipe()?;
            for end in [&read, &write] {
                rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
                rustix::io::ioctl_fionbio(end, true)?;
            }
            Ok(Self { read, write })
        }

        pub(crate) fn fd(&self) -> RawFd {
            self.read.as_raw_fd()
        }

        /// Makes it readable. Must only be called while it is not.
        pub(crate) fn set(&self) {
            // Cannot fail: the buffer has room for one.
            let _ = rustix::io::write(self.end(), &1_u64.to_ne_bytes());
        }

        /// Makes it unreadable. Must only be called while it is readable.
        pub(crate) fn clear(&self) {
            let _ = rustix::io::read(&self.read, &mut [0; 8]);
        }

        #[cfg(target_os = "linux")]
        fn end(&self) -> &OwnedFd {
            &self.read
        }

        #[cfg(not(target_os = "linux"))]
        fn end(&self) -> &OwnedFd {
            &self.write
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::io;

    /// This system has no such descriptor; callers poll the queue.
    #[derive(Debug)]
    pub(crate) struct Signal;

    impl Signal {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) fn fd(&self) -> i32 {
            -1
        }

        pub(crate) fn set(&self) {}

        pub(crate) fn clear(&self) {}
    }
}
