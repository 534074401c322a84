//! Storage of the native dialect: stagings that grow in any order of blocks, batches of small files,
//! and manifests of published files.

pub(crate) mod batch;
pub(crate) mod blocks;
pub(crate) mod digest;
pub(crate) mod manifests;
pub(crate) mod up_to_date;
