//! Downloads of directories: files are requested while the server lists the rest.

use std::collections::VecDeque;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use ftx_client::blocking::BlockingClient;
use ftx_client::{
    DialectChoice, DownloadSource, Entry, EntryKind, FileDownload, Listed, Observer, RemoteName,
    TransferError, Transferred, TreeWatch, Watch,
};
use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{FileHead, Meta, Reply, Request, Version};
use ftx_tests::Carrier;
use tempfile::TempDir;

use crate::config;
use crate::native_peer::NativePeer;
use crate::server::{Listener, listen};

const DATA: &[u8] = b"hello";

fn parse(name: &str) -> RemoteName {
    RemoteName::parse(name).unwrap()
}

/// A download to a local directory, and everything that is heard of it.
struct Tree {
    dir: TempDir,
    sources: VecDeque<DownloadSource>,
    files: Vec<String>,
    ends: Vec<(String, Option<Reason>)>,
    refused: Vec<Reason>,
}

impl Tree {
    fn file(&self, name: &RemoteName) -> FileDownload {
        let path = self.dir.path().join(name.as_str());
        FileDownload { name: name.clone(), path: path.as_path().into(), size: Some(5) }
    }

    /// The files that arrived, sorted by name.
    fn arrived(&self) -> Vec<&str> {
        let done = self.ends.iter().filter(|(_, failure)| failure.is_none());
        let mut names: Vec<_> = done.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        for name in &names {
            assert_eq!(std::fs::read(self.dir.path().join(name)).unwrap(), DATA);
        }
        names
    }
}

impl Watch for Tree {
    fn begin(&mut self, _: usize) -> Observer {
        Observer::default()
    }

    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>) {
        let failure = result.err().map(|error| error.reason());
        self.ends.push((self.files[file].clone(), failure));
    }
}

impl TreeWatch for Tree {
    fn next_source(&mut self) -> Option<DownloadSource> {
        let source = self.sources.pop_front();
        if let Some(DownloadSource::File(file)) = &source {
            self.files.push(file.name.as_str().to_owned());
        }
        source
    }

    fn listed(&mut self, entry: Listed) -> Option<FileDownload> {
        let Listed::Entry(Entry { name, kind: EntryKind::File, .. }) = entry else { panic!() };
        self.files.push(name.as_str().to_owned());
        Some(self.file(&name))
    }

    fn listing_failed(&mut self, error: &TransferError) {
        self.refused.push(error.reason());
    }
}

impl NativePeer {
    /// The next request, which is for a page behind the name `after`.
    fn list(&mut self, behind: Option<&str>) -> u32 {
        match self.request() {
            Some((id, Request::List { after, .. })) if after.as_deref() == behind => id,
            other => panic!("{other:?}"),
        }
    }

    /// The next request, which is for this file.
    fn get(&mut self, file: &str) -> u32 {
        match self.request() {
            Some((id, Request::Get { name, .. })) if name == file => id,
            other => panic!("{other:?}"),
        }
    }

    fn page(&mut self, id: u32, names: &[&str], more: bool) {
        let entry = |name: &&str| {
            let (kind, meta) = (EntryKind::File, Meta::default());
            Listed::Entry(Entry { name: parse(name), kind, size: DATA.len() as u64, meta })
        };
        self.reply(id, &Reply::Entries { entries: names.iter().map(entry).collect(), more });
    }

    fn send(&mut self, id: u32) {
        let head = FileHead::Got { meta: Meta::default(), version: Version([1; 16]) };
        let head = head.encode(id, DATA.len() as u64).unwrap();
        self.0.write_all(&[&head[..], DATA, &Digest::of(DATA).0].concat()).unwrap();
    }

    fn refuse(&mut self, id: u32, reason: Reason) {
        self.reply(id, &Reply::failed(reason, "no"));
    }
}

/// Downloads the directory `d` and then the file `x`, over this many connections.
fn download(
    carrier: Carrier,
    streams: usize,
    keep_going: bool,
    serve: impl FnOnce(Listener) + Send + 'static,
) -> Tree {
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || serve(listener));
    let mut config = config(carrier);
    (config.dialect, config.streams) = (DialectChoice::Native, NonZeroUsize::new(streams));
    (config.retries, config.min_backoff) = (1, Duration::from_millis(1));
    let mut client = BlockingClient::new(address, config).unwrap();
    let (files, ends, refused) = (Vec::new(), Vec::new(), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let mut tree = Tree { dir, sources: VecDeque::new(), files, ends, refused };
    let file = DownloadSource::File(tree.file(&parse("x")));
    tree.sources = [DownloadSource::Directory(Some(parse("d"))), file].into();
    client.download_trees(keep_going, &mut tree).unwrap();
    drop(client);
    server.join().unwrap();
    tree
}

#[test]
fn files_are_requested_before_the_end_of_the_listing() {
    let tree = download(Carrier::Plain, 2, false, |listener| {
        let mut first = NativePeer::accept(&listener);
        let page = first.list(None);
        // The other connection comes before the first page.
        let mut extra = NativePeer::accept(&listener);
        first.page(page, &["d/a", "d/b"], true);
        let page = first.list(Some("d/b"));
        for name in ["d/a", "d/b"] {
            let id = extra.get(name);
            extra.send(id);
        }
        first.page(page, &["d/c"], true);
        let page = first.list(Some("d/c"));
        let id = extra.get("d/c");
        extra.send(id);
        first.page(page, &[], false);
        // By now, the two have the same right to the next file.
        let serve = |mut peer: NativePeer| {
            while let Some((id, Request::Get { .. })) = peer.request() {
                peer.send(id);
            }
        };
        let other = thread::spawn(move || serve(extra));
        serve(first);
        other.join().unwrap();
    });
    assert_eq!(tree.arrived(), ["d/a", "d/b", "d/c", "x"]);
    assert_eq!(tree.files, ["d/a", "d/b", "d/c", "x"]);
}

/// So the listing stays ahead of the files.
#[test]
fn the_only_connection_asks_for_the_next_page_before_the_files_of_the_last_one() {
    let tree = download(Carrier::Plain, 1, false, |listener| {
        let mut peer = NativePeer::accept(&listener);
        let page = peer.list(None);
        peer.page(page, &["d/a", "d/b"], true);
        let (page, a, b) = (peer.list(Some("d/b")), peer.get("d/a"), peer.get("d/b"));
        peer.page(page, &["d/c"], false);
        let (c, x) = (peer.get("d/c"), peer.get("x"));
        [a, b, c, x].into_iter().for_each(|id| peer.send(id));
        assert!(peer.request().is_none());
    });
    assert_eq!(tree.arrived(), ["d/a", "d/b", "d/c", "x"]);
}

#[test]
fn a_cut_within_the_listing_lists_nothing_twice() {
    let tree = download(Carrier::Plain, 1, false, |listener| {
        let mut peer = NativePeer::accept(&listener);
        let page = peer.list(None);
        peer.page(page, &["d/a", "d/b"], true);
        let (_, a, _) = (peer.list(Some("d/b")), peer.get("d/a"), peer.get("d/b"));
        peer.send(a);
        drop(peer);
        let mut peer = NativePeer::accept(&listener);
        let page = peer.list(Some("d/b"));
        peer.page(page, &["d/c"], false);
        // The client may have lost the first one, too.
        while let Some((id, Request::Get { .. })) = peer.request() {
            peer.send(id);
        }
    });
    assert_eq!(tree.files, ["d/a", "d/b", "d/c", "x"]);
    assert_eq!(tree.arrived(), ["d/a", "d/b", "d/c", "x"]);
}

#[test]
fn a_failed_file_ends_the_listing() {
    let tree = download(Carrier::Plain, 1, false, |listener| {
        let mut peer = NativePeer::accept(&listener);
        let page = peer.list(None);
        peer.page(page, &["d/a"], true);
        let (page, a) = (peer.list(Some("d/a")), peer.get("d/a"));
        peer.refuse(a, Reason::PermissionDenied);
        peer.page(page, &["d/b"], true);
        assert!(peer.request().is_none());
    });
    assert_eq!(tree.ends, [("d/a".to_owned(), Some(Reason::PermissionDenied))]);
    assert!(tree.refused.is_empty());
}

#[test]
fn a_listed_file_that_vanished_stops_nothing() {
    let tree = download(Carrier::Plain, 1, false, |listener| {
        let mut peer = NativePeer::accept(&listener);
        let page = peer.list(None);
        peer.page(page, &["d/a"], false);
        let (a, x) = (peer.get("d/a"), peer.get("x"));
        peer.refuse(a, Reason::NotFound);
        peer.send(x);
        assert!(peer.request().is_none());
    });
    assert_eq!(tree.ends[0], ("d/a".to_owned(), Some(Reason::NotFound)));
    assert_eq!(tree.arrived(), ["x"]);
}

#[test]
fn a_directory_that_cannot_be_listed_fails_alone_if_the_call_keeps_going() {
    for keep_going in [false, true] {
        let tree = download(Carrier::Plain, 1, keep_going, move |listener| {
            let mut peer = NativePeer::accept(&listener);
            let page = peer.list(None);
            peer.refuse(page, Reason::NotFound);
            if keep_going {
                let x = peer.get("x");
                peer.send(x);
            }
            assert!(peer.request().is_none());
        });
        assert_eq!(tree.refused, [Reason::NotFound]);
        assert_eq!(tree.arrived().len(), usize::from(keep_going));
    }
}

#[test]
fn a_listing_that_is_lost_for_good_fails_as_such() {
    let tree = download(Carrier::Plain, 1, true, |listener| {
        NativePeer::accept(&listener).list(None);
    });
    assert_eq!((tree.refused.len(), tree.ends.len()), (1, 0));
}

#[test]
fn no_entry_of_a_false_page_is_used() {
    let tree = download(Carrier::Plain, 1, true, |listener| {
        let mut peer = NativePeer::accept(&listener);
        let page = peer.list(None);
        peer.page(page, &["d/a"], true);
        let (page, a) = (peer.list(Some("d/a")), peer.get("d/a"));
        peer.send(a);
        peer.page(page, &["d/b", "e/c"], false);
        while peer.request().is_some() {}
    });
    assert_eq!(tree.files, ["d/a"]);
}

/// Each of them in its handshake, and the first one at work.
#[test]
fn connections_are_opened_side_by_side() {
    for carrier in [Carrier::Plain, Carrier::Tls] {
        let tree = download(carrier, 8, false, |listener| {
            let mut first = NativePeer::accept(&listener);
            let page = first.list(None);
            let extra: Vec<_> = (1..8).map(|_| listener.tcp.accept().unwrap()).collect();
            first.page(page, &[], false);
            let x = first.get("x");
            first.send(x);
            assert!(first.request().is_none());
            drop(extra);
        });
        assert_eq!(tree.arrived(), ["x"]);
    }
}
