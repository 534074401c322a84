//! The names of the limits.

/// A limit of a server, for refusals and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Connections at one time.
    Connections,
    /// Connections of one address at one time.
    ConnectionsPerAddress,
    /// New connections of one address in a second.
    NewConnectionsPerAddress,
    /// The time to the first request of a connection.
    HelloTimeout,
    /// The least speed in a message or a transfer.
    MinSpeed,
    /// The time in which no byte moves in a message or a transfer.
    StallTimeout,
    /// The time between two requests.
    IdleTimeout,
    /// The size of a file.
    FileSize,
    /// The parts of a path.
    NameParts,
    /// The bytes of a path.
    NameBytes,
    /// Uploads that are open at one time.
    OpenUploads,
    /// Uploads of one user that are open at one time.
    OpenUploadsPerUser,
    /// Unfinished uploads of one user.
    StagingsPerUser,
    /// The memory of granules that are not durable yet.
    GranuleMemory,
}

impl Limit {
    /// All limits.
    pub const ALL: [Self; 14] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::NewConnectionsPerAddress,
        Self::HelloTimeout,
        Self::MinSpeed,
        Self::StallTimeout,
        Self::IdleTimeout,
        Self::FileSize,
        Self::NameParts,
        Self::NameBytes,
        Self::OpenUploads,
        Self::OpenUploadsPerUser,
        Self::StagingsPerUser,
        Self::GranuleMemory,
    ];

    /// The key in a configuration file. The flag has `-` for `_`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Connections => "max_connections",
            Self::ConnectionsPerAddress => "max_connections_per_address",
            Self::NewConnectionsPerAddress => "max_new_connections_per_address",
            Self::HelloTimeout => "hello_timeout",
            Self::MinSpeed => "min_speed",
            Self::StallTimeout => "stall_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::FileSize => "max_file",
            Self::NameParts => "max_name_parts",
            Self::NameBytes => "max_name_bytes",
            Self::OpenUploads => "max_uploads",
            Self::OpenUploadsPerUser => "max_uploads_per_user",
            Self::StagingsPerUser => "max_stagings_per_user",
            Self::GranuleMemory => "max_granule_memory",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn all_are_listed_in_their_order() {
        assert!(Limit::ALL.iter().enumerate().all(|(index, &limit)| limit as usize == index));
    }
}
