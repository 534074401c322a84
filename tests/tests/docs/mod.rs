//! The documents, held against the programs and the tree they describe.
//!
//! | file | holds |
//! | --- | --- |
//! | `options` | the tables of options against `--help` |
//! | `links` | every relative link and anchor |

mod links;
mod options;
