//! Disk access shared by both sides of ftx: the server's root and the client's local targets.
//!
//! A file in transit is a [`PrefixStaging`], which grows byte by byte, or a [`BlockStaging`], which grows
//! in any order of blocks. Either is a data file plus a journal that records which bytes can be
//! trusted after the connection, the process or the machine fails. A complete staging is published:
//! renamed to its final name in one step, so no reader ever sees half a file. Small files are
//! published [together](BatchPublisher).
//!
//! Everything here is synchronous and may block as long as a disk does, so call it on threads meant
//! for blocking. Files are reached only through [`Dir`](cap_std::fs::Dir) handles given by the
//! caller, so no name and no symbolic link leads out of them.
//!
//! # In scope
//! - [`PrefixStaging`], [`BlockStaging`], [`BatchPublisher`], [`Journal`], [`Root`]: growing, resuming,
//!   publishing.
//! - [`PrefixHasher`], [`hash_prefix`]: the MD5 of a prefix, without reading it twice.
//! - [`hash_blocks`], [`ManifestCache`]: chaining values of blocks, without reading them twice.
//! - [`open_regular`], [`FileIdentity`], [`meta_of`], [`available_bytes`]: facts about files and disks.
//! - [`open_dir_beneath`], [`create_dir_beneath`], [`open_regular_beneath`]: paths without symbolic
//!   links.
//! - [`StoreError`], [`StoreErrorKind`]: the failed operation, its file, and the codes for the
//!   peer.
//!
//! # Out of scope
//! Allowed names, the location of stagings, and write access: the callers decide these.
#![forbid(unsafe_code)]

mod error;
mod file;
mod legacy;
mod native;
mod paths;
mod publish;
mod staging;
mod sys;

pub use error::{Side, StoreError, StoreErrorKind};
pub use file::checks::{check_regular, check_replaceable, check_size, check_space};
pub use file::identity::FileIdentity;
pub use file::meta::{apply as apply_meta, meta_of};
pub use file::open::{open_regular, open_regular_ambient};
pub use file::positioned::Positioned;
pub use file::stable::{MIN_CACHED_BYTES, ReadSnapshot, StableIdentity};
pub use legacy::hash::hash_prefix;
pub use legacy::hasher::{BadHasherState, PrefixHasher};
pub use legacy::staging::{CHECKPOINT_BYTES, PrefixStaging, PublishedStaging};
pub use native::batch::{BatchFile, BatchPublisher, StagingName};
pub use native::blocks::{BlockStaging, PublishedBlocks, Recovered, StagingPurpose, hash_blocks};
pub use native::digest::digest_of_all;
pub use native::manifests::{ManifestCache, ManifestLimits};
pub use native::up_to_date::{ExpectedFile, UpToDateFiles};
pub use paths::beneath::{create_dir_beneath, open_dir_beneath, open_regular_beneath};
pub use paths::durable_names::DurableNames;
pub use paths::parents::Parents;
pub use paths::root::Root;
pub use publish::{Durability, Existing, MAX_NAME_NUMBER};
pub use staging::files::StagingFiles;
pub use staging::flusher::SYNC_INTERVAL_BYTES;
pub use staging::journal::{HasherState, Journal, JournalRecord};
pub use staging::part_names::PartNames;
pub use staging::prefix::StagedPrefix;
pub use staging::private_file::open_private_dir;
pub use sys::{BootId, available_bytes, is_mount_point};
