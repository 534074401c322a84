//! Builds the messages of a server.

use crate::Status;
use crate::legacy::wire::{LegacyReply, QString};
use crate::legacy::{Md5Digest, Peer, Prefix};

pub(super) fn upload_header(
    status: Status,
    held: Option<Prefix>,
    peer: Peer,
    published: bool,
) -> LegacyReply {
    let (len, md5) = wire_held(held);
    LegacyReply::UploadHeader { status, pos: len, md5, extended: peer.is_ftx(), published }
}

pub(super) fn upload_tail(status: Status, md5: Option<Md5Digest>) -> LegacyReply {
    LegacyReply::UploadTail { status, md5: md5.into() }
}

pub(super) fn download_header(
    status: Status,
    pos: i64,
    len: i64,
    md5: Option<Md5Digest>,
    peer: Peer,
) -> LegacyReply {
    let md5 = md5.filter(|_| peer.is_ftx() && status.is_ok()).into();
    LegacyReply::DownloadHeader { status, pos, len, md5, extended: peer.is_ftx() }
}

/// Position and MD5 of a prefix in a message: 0 and null without one.
pub(in crate::legacy) fn wire_held(held: Option<Prefix>) -> (i64, QString) {
    let fits = held.and_then(|held| Some((i64::try_from(held.len).ok()?, Some(held.md5).into())));
    fits.unwrap_or((0, QString::NULL))
}
