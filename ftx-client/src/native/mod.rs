//! The client's side of the native dialect.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `channel` | one connection: greeting, messages, bytes of files |
//! | `inbox` | what comes while something is sent, and its bound |
//! | `run` | the files of one run, and the connections that share them |
//! | `crew` | tries: the connections of one, and when there is another |
//! | `upload`, `download` | what one connection does, until everything is done |
//! | `place`, `small` | where downloads go |
//! | `ask` | questions about files |

mod ask;
mod channel;
mod crew;
mod download;
mod inbox;
mod place;
mod run;
mod small;
mod task;
mod upload;

pub(crate) use channel::{Channel, Greeted, Session};
pub(crate) use crew::{Link, Native};
pub(crate) use download::DownloadJob;
pub(crate) use upload::UploadJob;
