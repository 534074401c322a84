//! The server over raw HTTP, where every byte of an answer can be seen.
//!
//! | file | its subject |
//! | --- | --- |
//! | `raw` | a client that reports whatever it reads |
//! | `operations` | what the operations of S3 do |
//! | `listings` | pages |
//! | `faults` | faults on command |
//! | `life` | the start and the end of the server, and its program |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod faults;
mod life;
mod listings;
mod operations;
mod raw;
