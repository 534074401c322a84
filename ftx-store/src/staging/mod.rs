//! The shared floor of both kinds of staging: names, ownership and locks of their two files, the
//! journal, and writing back in the background.

pub(crate) mod break_hard_link;
pub(crate) mod cache_epoch;
pub(crate) mod files;
pub(crate) mod flusher;
pub(crate) mod journal;
pub(crate) mod locked_file;
pub(crate) mod part_names;
pub(crate) mod prefix;
pub(crate) mod private_file;
