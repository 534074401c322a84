//! The legacy dialect: the protocol of the Qt programs.

pub(crate) mod driver;
