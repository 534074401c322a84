//! The client's side of the native dialect.
//!
//! | module | contents |
//! | --- | --- |
//! | `transfer` | the retry loop over the attempts of one call |
//! | `attempt`, `extra_stream`, `stream_count` | one attempt: the failure that ends it, and its extra connections |
//! | `line` | the line of one connection: its window |
//! | `queue` | the files of one call, and their states |
//! | `listing_feed` | the listings of directories whose files come into the queue |
//! | `workload` | the work of one attempt: uploads or downloads |
//! | `upload`, `download` | the work on one connection |
//! | `hello` | the first messages of a connection |
//! | `channel`, `sending`, `backlog` | one connection, its outgoing bytes, and the replies that arrive meanwhile |
//! | `decode` | the messages of a server, made safe to show |
//! | `query` | requests without file data |

mod attempt;
mod backlog;
mod channel;
mod decode;
mod download;
mod extra_stream;
mod hello;
mod line;
mod listing_feed;
mod query;
mod queue;
mod sending;
mod stream_count;
mod transfer;
mod upload;
mod workload;

pub(crate) use channel::{Channel, Handshake};
pub(crate) use download::DownloadJob;
pub(crate) use hello::{SessionRequest, greet};
pub(crate) use transfer::{IdleConnection, NativeClient, TransferSize};
pub(crate) use upload::UploadJob;
