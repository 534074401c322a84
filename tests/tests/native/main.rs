//! The native dialect, between `ftx-client` and `ftx-server` as they are shipped.
//!
//! | file | its subject |
//! | --- | --- |
//! | `setting` | the setting shared by all of them |
//! | `kills` | SIGKILL at random moments, on either side |
//! | `runs` | the same upload, started more than once |
//! | `lines` | connections that break, hang, or are many |
//! | `changes` | files and directories that change meanwhile |
//! | `mapped` | files that a program writes to through a mapping |
//! | `set_back` | files that change meanwhile and get their time back |
//! | `poisoned` | caches that are wrong |
//! | `planted` | partial downloads that another user may have written |
//! | `unheard` | uploads whose last answer is lost |
//! | `partial` | data that the other side has is not sent |
//! | `again` | files of trees that are up to date are not sent |
//! | `dialects` | one dialect resumes the other's downloads |
//! | `trees` | directories, many files, and their attributes |
//! | `links` | symbolic links on the client's side |
//! | `left_out` | untransferable files are named and counted |
//! | `manners` | permissions of a file that replaces another; names that are no file |
//! | `asks` | questions, removing, overwriting |
//! | `events`, `errors` | events and error texts |
//! | `far` | a long line |
//! | `strangers` | servers of another protocol |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod again;
mod asks;
mod changes;
mod dialects;
mod errors;
mod events;
mod far;
mod kills;
mod left_out;
mod lines;
mod links;
mod manners;
mod mapped;
mod names;
mod part_names;
mod partial;
mod planted;
mod poisoned;
mod runs;
mod set_back;
mod setting;
mod strangers;
mod trees;
mod unheard;

use setting::{MIB, Setting, Way};
