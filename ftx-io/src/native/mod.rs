//! Input and output of the native dialect: frames.

pub(crate) mod compression;
pub(crate) mod frames;
