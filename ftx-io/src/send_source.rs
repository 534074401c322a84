//! Files that the system can send by itself.

use std::fs::File;

/// An open file whose bytes the system can send without copying them through this process. A store that
/// has such files hands them to the connection; nothing else uses the descriptor.
#[derive(Clone, Copy, Debug)]
pub struct SendSource<'a>(&'a File);

impl<'a> SendSource<'a> {
    /// A file, which is sent from given offsets: its position does not matter.
    #[must_use]
    pub fn of(file: &'a File) -> Self {
        Self(file)
    }

    /// The file to send.
    #[must_use]
    pub fn file(self) -> &'a File {
        self.0
    }
}
