//! The native dialect, between `ftx-client` and `ftx-server` as they are shipped.
//!
//! | file | what is asked there |
//! | --- | --- |
//! | `setting` | what all of them begin with |
//! | `kills` | SIGKILL at random moments, on either side |
//! | `runs` | the same upload, started more than once |
//! | `lines` | connections that break, hang, or are many |
//! | `changes` | files and directories that change meanwhile |
//! | `mapped` | files that a program writes to through a mapping |
//! | `set_back` | files that change meanwhile and get their time back |
//! | `poisoned` | caches that are wrong |
//! | `planted` | partial downloads that others can have written |
//! | `unheard` | uploads whose last answer is lost |
//! | `partial` | what is there already is not sent |
//! | `again` | nor are files of trees that are there |
//! | `dialects` | one dialect goes on with what the other left |
//! | `trees` | directories, many files, and what they are besides bytes |
//! | `links` | symbolic links on the client's side |
//! | `left_out` | what cannot be transferred is named and counted |
//! | `manners` | who may do what with a file that takes another's place; what is no file |
//! | `asks` | questions, removing, overwriting |
//! | `events`, `errors` | what is said |
//! | `far` | a long line |
//! | `strangers` | servers that speak otherwise |
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
