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

mod beneath;
mod checks;
mod copy;
mod durable_names;
mod error;
mod files;
mod flush;
mod held;
mod identity;
mod journal;
mod legacy;
mod links;
mod meta;
mod native;
mod own;
mod parents;
mod parts;
mod positioned;
mod private;
mod publish;
mod regular;
mod root;
mod run;
mod stable;
mod sys;
mod whole;

pub use beneath::{create_dir_beneath, open_dir_beneath, open_regular_beneath};
pub use checks::{check_regular, check_replaceable, check_space};
pub use durable_names::DurableNames;
pub use error::{Side, StoreError, StoreErrorKind};
pub use files::StagingFiles;
pub use flush::FLUSH_BYTES;
pub use identity::FileIdentity;
pub use journal::{Journal, Record};
pub use legacy::hash::hash_prefix;
pub use legacy::hasher::{BadHasherState, HasherState, PrefixHasher};
pub use legacy::staging::{CHECKPOINT_BYTES, Published, Staging};
pub use meta::{apply as apply_meta, meta_of};
pub use native::batch::{BatchFile, BatchPublisher, StagingName};
pub use native::blocks::{BlockStaging, CopySource, PublishedBlocks, Recovered, hash_blocks};
pub use native::manifests::{ManifestCache, ManifestLimits};
pub use native::present::{ExpectedFile, PresentFiles};
pub use parents::Parents;
pub use parts::PartNames;
pub use positioned::Positioned;
pub use private::open_private_dir;
pub use publish::{Durability, Existing};
pub use regular::{open_regular, open_regular_ambient};
pub use root::Root;
pub use stable::{MIN_CACHED_BYTES, ReadSnapshot, StableIdentity};
pub use sys::{BootId, available_bytes, is_mount_point};
pub use whole::{check_size, digest_of_all};
