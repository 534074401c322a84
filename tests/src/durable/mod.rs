//! Judges from the [record](crate::Strace) of a process's calls whether it keeps its promises across a
//! power loss.
//!
//! When a server answers that a file is stored, a directory made or a file removed, and when a client
//! reports that a file has arrived, everything behind that statement must already be synced.

mod model;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use self::model::Model;
use self::wire::{Conversation, Said};
pub use self::wire::{Promise, Promised};
use crate::strace::Call;

/// The verdict on a recorded process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The promises it made, in order.
    pub promises: Vec<Promise>,
    /// Syncs that were missing when it made a promise.
    pub faults: Vec<String>,
}

/// Further changes that must be durable when something is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// All names that were made, and all files that were written, so far: with one connection, on which
    /// one thing is done after the other, and no call that fails.
    Count,
    /// Nothing.
    DoNotCount,
}

/// Calls that send or write to a descriptor, and where the bytes are.
const SENDING: [(&str, usize); 4] = [("sendto", 1), ("sendmsg", 1), ("write", 1), ("writev", 1)];

/// Calls that receive, likewise.
const RECEIVING: [(&str, usize); 3] = [("recvfrom", 1), ("recvmsg", 1), ("readv", 1)];

/// Judges a server with this root, which must be a path without links.
#[must_use]
pub fn judge_server(root: &Path, calls: &[Call], others: Others) -> Verdict {
    let mut model = Model::new(root);
    let mut connections: HashMap<PathBuf, Connection> = HashMap::new();
    let mut verdict = Verdict::default();
    for (call, is_end) in in_time(calls) {
        let Some(peers) = call.descriptor(0).filter(|peers| is_tcp(peers)) else {
            if is_end {
                model.apply(call);
            }
            continue;
        };
        let connection = connections.entry(peers).or_default();
        if let Some(bytes) = moved(call, &RECEIVING).filter(|_| is_end && call.succeeded()) {
            connection.hear(&bytes);
        }
        // It is said as soon as it is on its way.
        let sent = moved(call, &SENDING).filter(|_| !is_end);
        for said in sent.map(|bytes| connection.conversation.say(&bytes)).unwrap_or_default() {
            let (Said::Promise(promise) | Said::Offered(promise)) = &said;
            let owed = model.owed_for(promise, &root.join(&promise.name), others);
            match said {
                Said::Promise(promise) => verdict.add(promise, owed),
                Said::Offered(promise) => {
                    verdict.extend(connection.offered.replace((promise, owed)));
                }
            }
        }
    }
    verdict.extend(connections.into_values().filter_map(|connection| connection.offered));
    verdict
}

/// A connection of a server, and what holds if nothing is sent on it.
#[derive(Debug, Default)]
struct Connection {
    conversation: Conversation,
    offered: Option<(Promise, Vec<String>)>,
}

impl Connection {
    fn hear(&mut self, bytes: &[u8]) {
        if self.conversation.hear(bytes) {
            self.offered = None;
        }
    }
}

/// Judges a client that stores its downloads below this root, a path without links, and reports them in
/// JSON. `place` returns the path of a name's file.
#[must_use]
pub fn judge_client(root: &Path, calls: &[Call], place: impl Fn(&str) -> PathBuf) -> Verdict {
    let mut model = Model::new(root);
    let mut said = Vec::new();
    let mut verdict = Verdict::default();
    for (call, is_end) in in_time(calls) {
        if is_end {
            model.apply(call);
        } else if call.name == "exit_group" && call.number(0) == Some(0) {
            let owed = model.owed().into_iter().map(|owed| format!("before its exit: {owed}"));
            verdict.faults.extend(owed);
        } else if call.number(0) == Some(1)
            && let Some(bytes) = moved(call, &SENDING)
        {
            said.extend(bytes);
            while let Some(end) = said.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = said.drain(..=end).collect();
                let Some(name) = finished(&line) else { continue };
                let path = place(&name);
                let promise = Promise { name, of: Promised::File };
                let owed = model.owed_for(&promise, &path, Others::DoNotCount);
                verdict.add(promise, owed);
            }
        }
    }
    verdict
}

impl Verdict {
    fn add(&mut self, promise: Promise, owed: Vec<String>) {
        let Promise { name, of } = &promise;
        let faults = owed.into_iter().map(|owed| format!("before {of:?} of {name:?}: {owed}"));
        self.faults.extend(faults);
        self.promises.push(promise);
    }

    fn extend(&mut self, promises: impl IntoIterator<Item = (Promise, Vec<String>)>) {
        for (promise, owed) in promises {
            self.add(promise, owed);
        }
    }
}

impl Model {
    fn owed_for(&self, promise: &Promise, path: &Path, others: Others) -> Vec<String> {
        let mut owed = match promise.of {
            Promised::File => self.file_owed(path),
            Promised::Directory => self.name_owed(path),
            Promised::Absence => self.absence_owed(path),
        };
        if others == Others::Count {
            owed.extend(self.owed());
        }
        owed
    }
}

/// Beginnings and ends of all calls, in the order of the record; `true` for an end.
fn in_time(calls: &[Call]) -> Vec<(&Call, bool)> {
    let both = |call| [(call, false), (call, true)];
    let mut moments: Vec<(&Call, bool)> = calls.iter().flat_map(both).collect();
    moments
        .sort_by_key(|(call, is_end)| if *is_end { (call.end, true) } else { (call.begin, false) });
    moments
}

fn moved(call: &Call, kinds: &[(&str, usize)]) -> Option<Vec<u8>> {
    let (_, index) = kinds.iter().find(|(name, _)| *name == call.name)?;
    Some(call.moved(*index))
}

fn is_tcp(peer: &Path) -> bool {
    peer.to_string_lossy().starts_with("TCP")
}

/// The name in a line that says that a file is here.
fn finished(line: &[u8]) -> Option<String> {
    let event: serde_json::Value = serde_json::from_slice(line).ok()?;
    let is_end = event.get("event")? == "finished";
    is_end.then(|| event.get("name")?.as_str().map(str::to_owned))?
}
