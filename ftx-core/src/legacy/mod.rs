//! The legacy dialect: what the Qt `FileServer`/`FileClient` system speaks.

pub mod wire;
