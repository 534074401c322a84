//! The documents, held against the programs and the tree they describe.
//!
//! | file | holds |
//! | --- | --- |
//! | `options` | the tables of options against `--help` |
//! | `examples` | the examples in Rust, run against each other |
//! | `quick_start` | the quick start of the README, run as pasted |
//! | `links` | every relative link and anchor |

mod examples;
mod links;
mod options;
mod quick_start;
