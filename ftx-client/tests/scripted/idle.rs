//! Connections that idled until the server closed them.

use std::thread::{self, JoinHandle};

use ftx_client::blocking::BlockingClient;
use ftx_client::{DialectChoice, TransferError};
use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{Entry, EntryKind, Listed, Meta, Reply, Request};

use crate::native_peer::{NativePeer, SESSION};
use crate::server::listen;
use crate::{config, name};

/// How a server ends a connection that idles.
#[derive(Clone, Copy, Debug)]
enum End {
    Closes,
    SaysWhy(Reason),
    /// When the next request is there.
    Breaks,
}

const ENDS: [End; 4] =
    [End::Closes, End::SaysWhy(Reason::TimedOut), End::SaysWhy(Reason::ShuttingDown), End::Breaks];

/// A client, and a server that answers it once before it ends the connection, and once on the next one.
fn setting(end: End, last: fn(&Request) -> Reply) -> (BlockingClient, JoinHandle<()>) {
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        let (id, request) = peer.request().unwrap();
        peer.reply(id, &answer(&request));
        match end {
            End::Closes => {}
            End::SaysWhy(reason) => peer.reply(0, &Reply::goodbye(reason, "that was it")),
            End::Breaks => {
                peer.request().unwrap();
            }
        }
        drop(peer);
        let (mut peer, replaces) = NativePeer::accept_replacing(&listener);
        assert_eq!(replaces, Some(SESSION));
        let (id, request) = peer.request().unwrap();
        peer.reply(id, &last(&request));
        assert!(peer.request().is_none(), "it is asked again");
    });
    let mut config = config();
    config.dialect = DialectChoice::Native;
    (BlockingClient::new(address, config).unwrap(), server)
}

fn answer(request: &Request) -> Reply {
    match request {
        Request::Stat { .. } => Reply::Entry(entry()),
        Request::Digest { .. } => Reply::End { digest: Some(Digest([1; 32])) },
        Request::Remove { .. } => Reply::Removed,
        Request::List { .. } => {
            Reply::Entries { entries: vec![Listed::Entry(entry())], more: false }
        }
        _ => panic!("{request:?}"),
    }
}

fn entry() -> Entry {
    let meta = Meta::default();
    Entry { name: name(), kind: EntryKind::File, size: 1, meta }
}

type Ask = fn(&mut BlockingClient) -> Result<(), TransferError>;

const ASKS: [Ask; 4] = [
    |client| client.stat(&name()).map(|_| ()),
    |client| client.digest(&name()).map(|_| ()),
    |client| client.remove(&name()),
    |client| {
        let mut seen = 0;
        client.list(None, false, |_| seen += 1)?;
        assert_eq!(seen, 1);
        Ok(())
    },
];

#[test]
fn what_is_asked_is_asked_again_on_a_new_connection() {
    for end in ENDS {
        for ask in ASKS {
            let (mut client, server) = setting(end, answer);
            ask(&mut client).unwrap();
            ask(&mut client).unwrap_or_else(|error| panic!("{end:?}: {error}"));
            drop(client);
            server.join().unwrap();
        }
    }
}

/// The first connection may have broken after the file was removed.
#[test]
fn a_file_that_is_not_there_any_more_is_removed() {
    let gone = |_: &Request| Reply::failed(Reason::NotFound, "there is no such file");
    let (mut client, server) = setting(End::Breaks, gone);
    client.stat(&name()).unwrap();
    client.remove(&name()).unwrap();
    drop(client);
    server.join().unwrap();
}

/// It is asked no third time.
#[test]
fn an_answer_on_the_new_connection_counts() {
    let refused = |_: &Request| Reply::failed(Reason::PermissionDenied, "not for you");
    for ask in ASKS {
        let (mut client, server) = setting(End::Closes, refused);
        client.stat(&name()).unwrap();
        assert_eq!(ask(&mut client).unwrap_err().reason(), Reason::PermissionDenied);
        drop(client);
        server.join().unwrap();
    }
}
