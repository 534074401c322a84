//! The client against a server of S3 that fails on command.
//!
//! | file | its subject |
//! | --- | --- |
//! | `support` | a server, and a client of it |
//! | `objects` | whole objects, conditions, metadata |
//! | `keys` | keys of all kinds |
//! | `listings` | pages |
//! | `uploads` | uploads in parts |
//! | `ranges` | parts of objects, and how they go on after faults |
//! | `retries` | which failures are repeated |
//! | `ambiguity` | requests whose effect is not known |
//! | `limits` | limits of time and number |
//! | `access` | credentials, regions, TLS |
//! | `stores` | what other stores than the server of the tests answer |
//! | `scripted` | a server for these |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access;
mod ambiguity;
mod keys;
mod limits;
mod listings;
mod objects;
mod ranges;
mod retries;
mod scripted;
mod stores;
mod support;
mod uploads;
