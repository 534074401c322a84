//! The native dialect: its bytes, and its machines over models of both sides.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod document;
mod download;
mod download_rules;
mod limits;
mod upload;
mod upload_requests;
mod upload_rules;
mod vectors;
