//! Messages to the service manager, in systemd's protocol (`sd_notify`).

use std::io;

/// The service manager that has started this process. Without one (`NOTIFY_SOCKET` is not set) messages go
/// nowhere.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ServiceManager;

#[cfg(target_os = "linux")]
impl ServiceManager {
    /// Says that clients can connect, or that a reload has ended.
    ///
    /// # Errors
    /// The manager cannot be reached.
    pub fn ready(self) -> io::Result<()> {
        sd_notify::notify(&[sd_notify::NotifyState::Ready])
    }

    /// Says that a reload begins; [`ready`](Self::ready) says that it has ended.
    ///
    /// # Errors
    /// The manager cannot be reached.
    pub fn reloading(self) -> io::Result<()> {
        use sd_notify::NotifyState;

        sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
    }

    /// Says that the shutdown begins.
    ///
    /// # Errors
    /// The manager cannot be reached.
    pub fn stopping(self) -> io::Result<()> {
        sd_notify::notify(&[sd_notify::NotifyState::Stopping])
    }
}

/// There is no service manager of this kind.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::missing_errors_doc, reason = "never fails")]
impl ServiceManager {
    /// Does nothing.
    pub fn ready(self) -> io::Result<()> {
        Ok(())
    }

    /// Does nothing.
    pub fn reloading(self) -> io::Result<()> {
        Ok(())
    }

    /// Does nothing.
    pub fn stopping(self) -> io::Result<()> {
        Ok(())
    }
}
