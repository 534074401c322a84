//! The local directory as the legacy dialect sees it: stagings that grow byte by byte.

pub(super) mod download;
pub(super) mod index;
pub(super) mod offer;
pub(super) mod upload;
