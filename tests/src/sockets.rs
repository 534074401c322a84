//! The kernel's view of a process's sockets, for values that the process does not report.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::wait::{DEADLINE, within};

/// An address without a listener. A port that was just released could be given to another test.
pub const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// A line of proc_net_tcp(5).
struct Socket {
    local: String,
    remote: String,
    listens: bool,
    /// A connection that this end has not closed.
    is_open: bool,
    /// Bytes that the other end has not acknowledged.
    unacknowledged: u64,
    /// Bytes that have come and were not read.
    unread: u64,
    inode: String,
}

/// The TCP port that the process listens on: the original server takes port 0 and does not print the
/// port it got.
///
/// # Panics
/// If it does not begin to listen.
pub(crate) fn listening(pid: u32) -> u16 {
    let find = || {
        let own = inodes(pid);
        let sockets = sockets(pid);
        let listens = |socket: &&Socket| socket.listens && own.contains(&socket.inode);
        let port = sockets.iter().find(listens)?.local.rsplit(':').next()?;
        u16::from_str_radix(port, 16).ok()
    };
    within(DEADLINE, find).unwrap_or_else(|| panic!("process {pid} does not listen on any port"))
}

/// Bytes that are on their way to the process on connections within this machine, or have come and
/// were not read.
pub(crate) fn unread(pid: u32) -> u64 {
    let own = inodes(pid);
    let is_own = |socket: &Socket| !socket.listens && own.contains(&socket.inode);
    // In this order: bytes in flight at the first look are found unread by the second, or were read.
    let on_its_way: u64 = {
        let sockets = sockets(pid);
        let ends = sockets.iter().filter(|socket| is_own(socket));
        let ends: Vec<_> = ends.map(|own| (&own.remote, &own.local)).collect();
        let others = sockets.iter().filter(|other| ends.contains(&(&other.local, &other.remote)));
        others.map(|other| other.unacknowledged).sum()
    };
    let come: u64 = sockets(pid).iter().filter(|own| is_own(own)).map(|own| own.unread).sum();
    on_its_way + come
}

/// The ends of connections at a port of this machine that were not closed, accepted or not.
pub(crate) fn open_connections(pid: u32, port: u16) -> usize {
    let end = format!(":{port:04X}");
    let is_end = |socket: &Socket| socket.is_open && socket.local.ends_with(&end);
    sockets(pid).iter().filter(|socket| is_end(socket)).count()
}

fn inodes(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inode = |link: &str| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    links.filter_map(|link| inode(link.to_str()?)).collect()
}

fn sockets(pid: u32) -> Vec<Socket> {
    let table = |name| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let tables = ["tcp", "tcp6"].map(table);
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(socket).collect()
}

fn socket(line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let state = *fields.get(3)?;
    let (unacknowledged, unread) = fields.get(4)?.split_once(':')?;
    let queue = |text| u64::from_str_radix(text, 16).ok();
    Some(Socket {
        local: (*fields.get(1)?).to_owned(),
        remote: (*fields.get(2)?).to_owned(),
        listens: state == "0A",
        // Established, or closed by the other end alone.
        is_open: state == "01" || state == "08",
        unacknowledged: queue(unacknowledged)?,
        unread: queue(unread)?,
        inode: (*fields.get(9)?).to_owned(),
    })
}
