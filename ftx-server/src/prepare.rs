//! The start of a server up to its first thread: everything for which it needs privileges, and their end.
//!
//! A thread begins with the privileges of its maker, so none may begin before.

use std::net::TcpListener;
use std::path::Path;

use ftx_io::ErrorChain;
use ftx_server::process::{NeededFile, SystemUser, create_dirs_for};
use tracing::info;

use crate::args::ServerArgs;
use crate::listener;

/// The mode of a new root, which the process's umask reduces.
const ROOT_MODE: u32 = 0o777;

/// The mode of a new state directory.
pub(crate) const STATE_MODE: u32 = 0o700;

/// Results of the start.
pub(crate) struct Prepared {
    pub(crate) listener: TcpListener,
}

/// Opens the listening socket, and becomes the user of the configuration.
///
/// # Errors
/// A part is impossible; the process should end then.
pub(crate) fn prepare(args: &ServerArgs) -> Result<Prepared, String> {
    let user = args.user.as_ref().map(SystemUser::find).transpose();
    let user = user.map_err(|error| refused(args, &error))?;
    let listener = listener::open(args)?;
    if let Some(user) = &user {
        become_user(args, user)?;
    }
    give_up_new_privileges().map_err(|error| format!("cannot give up privileges: {error}"))?;
    Ok(Prepared { listener })
}

/// No program that this process could run would have more privileges than itself.
fn give_up_new_privileges() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

fn become_user(args: &ServerArgs, user: &SystemUser) -> Result<(), String> {
    if !user.is_current() {
        create(user, &args.root, ROOT_MODE)?;
        if let Some(state) = args.state() {
            create(user, &state, STATE_MODE)?;
        }
    }
    user.become_for_ever().map_err(|error| refused(args, &error))?;
    let faults = NeededFile::faults(&args.needed_files(), user);
    if !faults.is_empty() {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        return Err(faults.join("\n"));
    }
    info!(user = user.name(), uid = user.uid(), gid = user.gid(), "privileges are dropped");
    Ok(())
}

fn create(user: &SystemUser, path: &Path, mode: u32) -> Result<(), String> {
    create_dirs_for(user, path, mode).map_err(|error| {
        format!("cannot create {} for the user {}: {error}", path.display(), user.name())
    })
}

fn refused(args: &ServerArgs, error: &ftx_server::process::SystemUserError) -> String {
    let user = args.user.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("cannot run as the user {user}: {}", ErrorChain(error))
}
