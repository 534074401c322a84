//! The legacy codec as a whole.

mod properties;
mod vectors;
