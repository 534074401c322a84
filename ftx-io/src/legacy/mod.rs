//! Input and output of the legacy dialect: chunks that are written and hashed behind the connection's
//! back.

pub(crate) mod hash;
pub(crate) mod lane;
pub(crate) mod pipeline;
pub(crate) mod reader;
pub(crate) mod trail;
pub(crate) mod writer;
