//! Paths beneath a directory handle: opening them without leaving it, creating parents, and making
//! names durable.

pub(crate) mod beneath;
pub(crate) mod durable_names;
pub(crate) mod links;
pub(crate) mod parents;
pub(crate) mod root;
