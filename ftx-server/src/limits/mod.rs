//! Limits that keep a server usable whatever its clients do: many, fast, slow or greedy ones.
//!
//! [`Limits`] are the settings, and [`Limit`] names each limit for refusals and counters. The parts that
//! enforce them:
//!
//! | part | limits |
//! |---|---|
//! | `Admission` | the connections of all clients and of each address, and the new ones a second |
//! | `SharedRates` | the bytes of files in a second, of a connection, a user, and all |
//! | `ScopedStore` | open uploads, the names and sizes of files; `LocalStore` the stagings of each user |
//! | `GranuleMemory` | the memory of granules that a store has not made durable |
//! | `RateByNetwork` | how often something happens, for each address |
//!
//! The limits of time are in [`Timeouts`](crate::Timeouts).

mod admission;
mod bandwidth;
mod client_network;
mod granule_memory;
mod limit;
mod rate_by_network;
mod store_limits;

use std::num::NonZeroU32;
use std::time::Duration;

use ftx_io::MinSpeed;

pub(crate) use self::admission::{Admission, Admitted, LimitHit, Refusing};
pub use self::bandwidth::Bandwidth;
pub(crate) use self::bandwidth::SharedRates;
pub(crate) use self::client_network::ClientNetwork;
pub(crate) use self::granule_memory::{GranuleMemory, ReservedMemory};
pub use self::limit::Limit;
pub(crate) use self::rate_by_network::RateByNetwork;
pub use self::store_limits::StoreLimits;

/// The time in which the server waits for a client before it takes the average of its speed.
pub const MIN_SPEED_WINDOW: Duration = Duration::from_secs(60);

/// Limits of a server. The defaults are those of the binary.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at one time.
    pub connections: usize,
    /// Connections of one address (IPv6: a network of 64 bits) at one time.
    pub connections_per_address: AddressLimit,
    /// New connections of one address in a second; as many at once.
    pub new_connections_per_address: AddressLimit,
    /// The least speed of a client in the middle of a message or a transfer, in either direction.
    pub min_speed: Option<MinSpeed>,
    /// The most bytes of files in a second.
    pub bandwidth: Bandwidth,
    /// The files that clients store.
    pub store: StoreLimits,
    /// Bytes of granules that are not durable, of a store whose granule is longer than a block. One granule
    /// fits in any case.
    pub granule_memory_bytes: u64,
}

/// A limit for each address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressLimit {
    most: Option<NonZeroU32>,
    exempts_loopback: bool,
}

impl Default for Limits {
    fn default() -> Self {
        let by_default =
            |most| AddressLimit { most: NonZeroU32::new(most), exempts_loopback: true };
        Self {
            connections: 4096,
            connections_per_address: by_default(256),
            new_connections_per_address: by_default(64),
            min_speed: Some(MinSpeed { bytes_per_second: 1024, window: MIN_SPEED_WINDOW }),
            bandwidth: Bandwidth::default(),
            store: StoreLimits::default(),
            granule_memory_bytes: 256 * 1024 * 1024,
        }
    }
}

impl AddressLimit {
    /// A limit for all addresses, those of this machine as well; `None` for no limit.
    #[must_use]
    pub fn for_all(most: Option<NonZeroU32>) -> Self {
        Self { most, exempts_loopback: false }
    }

    /// The limit for an address.
    pub(crate) fn of(self, address: std::net::IpAddr) -> Option<NonZeroU32> {
        let is_exempt = self.exempts_loopback && address.to_canonical().is_loopback();
        self.most.filter(|_| !is_exempt)
    }
}
