//! `libftx` in C, C++ and Qt, and its installation.
//!
//! | file | its subject |
//! | --- | --- |
//! | `c` | the headers, and programs in C and C++ |
//! | `names` | names and messages that no array of the ABI holds |
//! | `qt`, `qt_resume` | the Qt class `FileClient`, also when a transfer is cut short |
//! | `qt_headers` | sources that include the header of `FileClient` in unusual ways |
//! | `qt_jobs` | the Qt class `ftx::qt::Client` |
//! | `secure` | TLS, fingerprints, known servers and tokens, from C, C++ and Qt |
//! | `cmake` | the CMake package |
//! | `install` | `scripts/install`, and the examples built from its installation |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod c;
mod cmake;
mod install;
mod names;
mod qt;
mod qt_headers;
mod qt_jobs;
mod qt_resume;
mod secure;
