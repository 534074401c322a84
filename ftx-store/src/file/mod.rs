//! Open files: the checks before a file is opened or filled, its identity and metadata, and positioned
//! reading and writing.

pub(crate) mod checks;
pub(crate) mod copy;
pub(crate) mod identity;
pub(crate) mod meta;
pub(crate) mod open;
pub(crate) mod positioned;
pub(crate) mod stable;
