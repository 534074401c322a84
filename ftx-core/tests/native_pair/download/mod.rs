//! Downloads.

mod blocks;
mod client;
mod tests;
