//! Storage of the legacy dialect: a staging that grows byte by byte, and the MD5 of its prefix.

pub(crate) mod hash;
pub(crate) mod hasher;
pub(crate) mod staging;
