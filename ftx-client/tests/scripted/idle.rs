//! Idle connections that the server closes.

use std::thread::{self, JoinHandle};

use ftx_client::blocking::BlockingClient;
use ftx_client::{DialectChoice, TransferError};
use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{Entry, EntryKind, Listed, Meta, Reply, Request};
use ftx_tests::{Carrier, with_each_carrier};

use crate::native_peer::{NativePeer, SESSION};
use crate::server::listen;
use crate::{config, name};

with_each_carrier!(
    a_request_is_repeated_on_a_new_connection,
    a_file_that_is_gone_counts_as_removed,
    an_answer_on_the_new_connection_counts,
);

/// The way a server ends an idle connection.
#[derive(Clone, Copy, Debug)]
enum End {
    Closes,
    Says(Reason),
    /// When the next request arrives.
    Breaks,
}

const ENDS: [End; 4] =
    [End::Closes, End::Says(Reason::TimedOut), End::Says(Reason::ShuttingDown), End::Breaks];

/// A client, and a server that answers once before it ends the connection, and once on the next one.
fn setting(
    carrier: Carrier,
    end: End,
    last: fn(&Request) -> Reply,
) -> (BlockingClient, JoinHandle<()>) {
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        let (id, request) = peer.request().unwrap();
        peer.reply(id, &answer(&request));
        match end {
            End::Closes => {}
            End::Says(reason) => peer.reply(0, &Reply::goodbye(reason, "that was it")),
            End::Breaks => {
                peer.request().unwrap();
            }
        }
        drop(peer);
        let (mut peer, replaces) = NativePeer::accept_replacing(&listener);
        assert_eq!(replaces, Some(SESSION));
        let (id, request) = peer.request().unwrap();
        peer.reply(id, &last(&request));
        assert!(peer.request().is_none(), "it repeats the request");
    });
    let mut config = config(carrier);
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

type Call = fn(&mut BlockingClient) -> Result<(), TransferError>;

const CALLS: [Call; 4] = [
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

fn a_request_is_repeated_on_a_new_connection(carrier: Carrier) {
    for end in ENDS {
        for call in CALLS {
            let (mut client, server) = setting(carrier, end, answer);
            call(&mut client).unwrap();
            call(&mut client).unwrap_or_else(|error| panic!("{end:?}: {error}"));
            drop(client);
            server.join().unwrap();
        }
    }
}

/// The first connection may have broken after the file was removed.
fn a_file_that_is_gone_counts_as_removed(carrier: Carrier) {
    let gone = |_: &Request| Reply::failed(Reason::NotFound, "there is no such file");
    let (mut client, server) = setting(carrier, End::Breaks, gone);
    client.stat(&name()).unwrap();
    client.remove(&name()).unwrap();
    drop(client);
    server.join().unwrap();
}

/// There is no third request.
fn an_answer_on_the_new_connection_counts(carrier: Carrier) {
    let refused = |_: &Request| Reply::failed(Reason::PermissionDenied, "not for you");
    for call in CALLS {
        let (mut client, server) = setting(carrier, End::Closes, refused);
        client.stat(&name()).unwrap();
        assert_eq!(call(&mut client).unwrap_err().reason(), Reason::PermissionDenied);
        drop(client);
        server.join().unwrap();
    }
}
