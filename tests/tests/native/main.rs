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
//! | `ambiguous_commit` | uploads whose last answer is lost |
//! | `partial` | data that the other side has is not sent |
//! | `up_to_date` | files of trees that are up to date are not sent |
//! | `dialects` | one dialect resumes the other's downloads |
//! | `trees` | directories, many files, and their attributes |
//! | `links` | symbolic links on the client's side |
//! | `left_out` | untransferable files are named and counted |
//! | `permissions` | permissions of a file that replaces another |
//! | `targets` | targets that are no regular file |
//! | `asks` | questions, removing, overwriting |
//! | `events`, `errors` | events and error texts |
//! | `far` | a long line |
//! | `rates` | the client's limit on the rate |
//! | `compression` | bytes on the line, with and without compression |
//! | `foreign_servers` | servers of another protocol |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod ambiguous_commit;
mod asks;
mod changes;
mod compression;
mod dialects;
mod errors;
mod events;
mod far;
mod foreign_servers;
mod kills;
mod left_out;
mod lines;
mod links;
mod mapped;
mod names;
mod part_names;
mod partial;
mod permissions;
mod planted;
mod poisoned;
mod rates;
mod runs;
mod set_back;
mod setting;
mod targets;
mod trees;
mod up_to_date;

use setting::{MIB, Setting, Way};
