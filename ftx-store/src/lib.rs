//! What touches a disk on both sides of ftx: the server's root and the client's local targets.
//!
//! A file on its way is a [`Staging`], which grows byte by byte, or a [`BlockStaging`], which grows
//! in any order of blocks: a data file, and a journal of what of it can be gone on with after the
//! connection, the process or the machine went away. Whole at last, it is published: it takes its
//! name in one step, so that nobody ever sees half of it. Small files are published
//! [together](BatchPublisher).
//!
//! All of it is synchronous and may block for as long as a disk does: call it on threads meant for
//! that. Files are reached only through the [`Dir`](cap_std::fs::Dir) handles that the caller
//! gives, so no name and no symbolic link leads out of them.
//!
//! # In scope
//! - [`Staging`], [`BlockStaging`], [`BatchPublisher`], [`Journal`], [`Root`]: growing,
//!   going on, publishing.
//! - [`PrefixHasher`], [`hash_prefix`]: the MD5 of a prefix, without reading it twice.
//! - [`hash_blocks`], [`ManifestCache`]: chaining values of blocks, without reading them twice.
//! - [`open_regular`], [`FileIdentity`], [`meta_of`], [`available_bytes`]: facts about files and disks.
//! - [`open_dir_beneath`], [`create_dir_beneath`], [`open_regular_beneath`]: paths of which no part may
//!   be a symbolic link.
//! - [`StoreError`]: what went wrong with which file, and the status for the peer.
//!
//! # Out of scope
//! Which names are allowed, where stagings lie, who may write: the callers decide that.
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
pub use legacy::staging::{CHECKPOINT_BYTES, PublishedStaging, Staging};
pub use native::batch::{BatchFile, BatchPublisher, StagingName};
pub use native::blocks::{BlockStaging, CopySource, PublishedBlocks, Recovered, hash_blocks};
pub use native::digest::digest_of_all;
pub use native::manifests::{ManifestCache, ManifestLimits};
pub use native::up_to_date::{ExpectedFile, UpToDateFiles};
pub use paths::beneath::{create_dir_beneath, open_dir_beneath, open_regular_beneath};
pub use paths::durable_names::DurableNames;
pub use paths::parents::Parents;
pub use paths::root::Root;
pub use publish::{Durability, Existing};
pub use staging::files::StagingFiles;
pub use staging::flusher::FLUSH_BYTES;
pub use staging::journal::{HasherState, Journal, JournalRecord};
pub use staging::part_names::PartNames;
pub use staging::prefix::StagedPrefix;
pub use staging::private_file::open_private_dir;
pub use sys::{BootId, available_bytes, is_mount_point};
