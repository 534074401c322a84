//! The kinds of [`StoreError`] and the one table of their codes.

use ftx_core::Status;
use ftx_core::native::Reason;

use super::StoreError;

/// The side whose file an error concerns: each has its own group of [`Reason`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A local file of the client.
    Client,
    /// A file of the server.
    Server,
}

macro_rules! kind_table {
    ($( $(#[doc = $doc:literal])+
        $kind:ident: $status:ident, server $server:ident, client $client:ident;
    )+) => {
        /// The cause of a [`StoreError`], without its path and texts.
        ///
        /// Exhaustive on purpose: a new kind is one row in the table of codes, and each `match` on
        /// kinds must then decide about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum StoreErrorKind {
            $( $(#[doc = $doc])+ $kind, )+
        }

        impl StoreErrorKind {
            /// All kinds, in the order of the table.
            pub const TABLE: &'static [Self] = &[ $( Self::$kind, )+ ];

            /// The status that reports it in the legacy dialect and in the C API.
            #[must_use]
            pub const fn status(self) -> Status {
                match self {
                    $( Self::$kind => Status::$status, )+
                }
            }

            /// The reason that reports it in the native dialect and in the APIs.
            #[must_use]
            pub const fn reason(self, side: Side) -> Reason {
                match (self, side) {
                    $(
                        (Self::$kind, Side::Server) => Reason::$server,
                        (Self::$kind, Side::Client) => Reason::$client,
                    )+
                }
            }
        }
    };
}

kind_table! {
    /// A file has the name already.
    // The status of the same name would tell the sender that this very file is stored.
    AlreadyExists: OpenError, server AlreadyExists, client LocalAlreadyExists;
    /// The name or path is not plain.
    BadName: OpenError, server NameRefused, client InvalidArgument;
    /// The caller's callback stopped the work.
    Cancelled: OpenError, server ShuttingDown, client Cancelled;
    /// The file changed during the work.
    Changed: OpenError, server Changed, client LocalChanged;
    /// One of ftx's own files is damaged.
    Corrupt: OpenError, server IoError, client LocalIoError;
    /// No descriptor or memory is left.
    Exhausted: OpenError, server TooManyRequests, client LocalIoError;
    /// An earlier sync failed.
    Failed: WriteError, server IoError, client LocalIoError;
    /// Another user can write the partial file.
    Foreign: OpenError, server IoError, client LocalPermissionDenied;
    /// Blocks are missing.
    Incomplete: WriteError, server IoError, client LocalIoError;
    /// Another transfer holds the file.
    InUse: OpenError, server Busy, client LocalInUse;
    /// Writing, syncing or another operation failed.
    Io: WriteError, server IoError, client LocalIoError;
    /// A directory has the file's name.
    IsDirectory: OpenError, server NotAFile, client LocalNotAFile;
    /// A symbolic link stands where none is followed.
    Link: OpenError, server NotAFile, client LocalNotAFile;
    /// The file is a mount point.
    MountPoint: OpenError, server PermissionDenied, client LocalPermissionDenied;
    /// The disk or the quota is full.
    NoSpace: WriteError, server NoSpace, client LocalNoSpace;
    /// A file stands where a directory is needed.
    NotDirectory: OpenError, server NotAFile, client LocalNotAFile;
    /// The file does not exist.
    NotFound: OpenError, server NotFound, client LocalNotFound;
    /// A pipe, socket or device has the name.
    NotRegular: OpenError, server NotAFile, client LocalNotAFile;
    /// The path leads out of its directory.
    Outside: OpenError, server PermissionDenied, client LocalPermissionDenied;
    /// The server's private directory was removed.
    OwnDirectoryGone: WriteError, server IoError, client LocalIoError;
    /// All names for a partial file are taken.
    PartNamesTaken: OpenError, server IoError, client LocalPermissionDenied;
    /// The name is that of another file's partial file.
    PartOfAnother: OpenError, server IoError, client LocalInUse;
    /// The process lacks permission.
    PermissionDenied: OpenError, server PermissionDenied, client LocalPermissionDenied;
    /// The file system is read-only.
    ReadOnly: OpenError, server PermissionDenied, client LocalPermissionDenied;
    /// The root directory was removed or replaced.
    RootGone: OpenError, server IoError, client LocalIoError;
    /// Another server serves the root.
    RootInUse: OpenError, server IoError, client LocalIoError;
    /// The file is a running program.
    Running: OpenError, server IoError, client LocalIoError;
    /// The file exceeds the greatest size.
    TooLarge: WriteError, server NoSpace, client LocalNoSpace;
    /// The file's size differs from the bytes that can be read.
    UnknownSize: OpenError, server IoError, client LocalNotAFile;
    /// The system cannot open the file at all, because it is neither file nor directory.
    Unopenable: OpenError, server NotAFile, client LocalIoError;
    /// Opening, reading or inspecting the file failed.
    Unreadable: OpenError, server IoError, client LocalIoError;
    /// The partial file was removed or replaced.
    // A client that starts anew gets another one.
    Vanished: WriteError, server Busy, client LocalIoError;
}

impl StoreError {
    /// The cause, without path and texts.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        use std::io::ErrorKind::InvalidInput;

        use StoreErrorKind as Kind;

        match self {
            Self::AlreadyExists { .. } => Kind::AlreadyExists,
            Self::BadName { .. } => Kind::BadName,
            Self::Cancelled { .. } => Kind::Cancelled,
            Self::Changed { .. } => Kind::Changed,
            Self::Corrupt { .. } => Kind::Corrupt,
            Self::Exhausted { .. } => Kind::Exhausted,
            Self::Failed { .. } => Kind::Failed,
            Self::Foreign { .. } => Kind::Foreign,
            Self::Incomplete { .. } => Kind::Incomplete,
            Self::InUse { .. } => Kind::InUse,
            Self::Io { op: "open", source, .. } if source.kind() == InvalidInput => {
                Kind::Unopenable
            }
            Self::Io { op: "open" | "read" | "stat", .. } => Kind::Unreadable,
            Self::Io { .. } => Kind::Io,
            Self::IsDirectory { .. } => Kind::IsDirectory,
            Self::Link { .. } => Kind::Link,
            Self::MountPoint { .. } => Kind::MountPoint,
            Self::NoSpace { .. } => Kind::NoSpace,
            Self::NotDirectory { .. } => Kind::NotDirectory,
            Self::NotFound { .. } => Kind::NotFound,
            Self::NotRegular { .. } => Kind::NotRegular,
            Self::Outside { .. } => Kind::Outside,
            Self::OwnDirectoryGone { .. } => Kind::OwnDirectoryGone,
            Self::PartNamesTaken { .. } => Kind::PartNamesTaken,
            Self::PartOfAnother { .. } => Kind::PartOfAnother,
            Self::PermissionDenied { .. } => Kind::PermissionDenied,
            Self::ReadOnly { .. } => Kind::ReadOnly,
            Self::RootGone { .. } => Kind::RootGone,
            Self::RootInUse { .. } => Kind::RootInUse,
            Self::Running { .. } => Kind::Running,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::UnknownSize { .. } => Kind::UnknownSize,
            Self::Vanished { .. } => Kind::Vanished,
        }
    }

    /// The status that reports it in the legacy dialect and in the C API.
    #[must_use]
    pub fn status(&self) -> Status {
        self.kind().status()
    }
}
