//! Which port a process listens on, where it does not say: the original server takes port 0 and
//! keeps to itself what it got.

use std::fs;

use crate::wait::{DEADLINE, within};

/// The TCP port that the process listens on.
///
/// # Panics
/// If it does not begin to listen.
pub(super) fn listening(pid: u32) -> u16 {
    within(DEADLINE, || find(pid))
        .unwrap_or_else(|| panic!("process {pid} does not listen on any port"))
}

fn find(pid: u32) -> Option<u16> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    ["tcp", "tcp6"].iter().find_map(|table| {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok()?;
        table.lines().skip(1).find_map(|line| {
            // Local address, remote address, state (0A is LISTEN) and inode of proc_net_tcp(5).
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (&local, &state, &inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let listens = state == "0A" && sockets.iter().any(|socket| socket == inode);
            let port = local.rsplit(':').next()?;
            listens.then(|| u16::from_str_radix(port, 16).ok())?
        })
    })
}
