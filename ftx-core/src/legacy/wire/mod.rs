//! The legacy wire format: what `QDataStream` makes of a `qint64` and a `QMap<QString, QVariant>`.

mod message;
mod qstring;

pub use message::{Reply, Request, RequestId};
pub use qstring::QString;
