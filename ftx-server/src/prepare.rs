//! The start of a server up to its first thread: everything for which it needs privileges, and their end.
//!
//! A thread begins with the privileges of its maker, so none may begin before.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_io::ErrorChain;
use ftx_server::process::{
    NeededFile, Sandbox, SandboxRules, SandboxStatus, SystemUser, create_dirs_for,
};
use ftx_store::DurableNames;
use tracing::{debug, info, warn};

use crate::args::ServerArgs;
use crate::listener;

/// The mode of a new root, which the process's umask reduces.
const ROOT_MODE: u32 = 0o777;

/// The mode of a new state directory.
pub(crate) const STATE_MODE: u32 = 0o700;

/// Results of the start.
pub(crate) struct Prepared {
    pub(crate) listener: TcpListener,
    /// The directories above the root, which the sandbox closes.
    pub(crate) durable_names: Arc<DurableNames>,
    pub(crate) sandbox: Sandbox,
}

/// Opens the listening socket, becomes the user of the configuration, and enters the sandbox.
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
    create_directories(args)?;
    let mut durable_names = DurableNames::default();
    if args.survives_power_failure() {
        make_durable(&args.root, &mut durable_names);
    }
    let sandbox = enter_sandbox(args)?;
    Ok(Prepared { listener, durable_names: Arc::new(durable_names), sandbox })
}

/// Creates the root and the state directory, to which the sandbox refers.
fn create_directories(args: &ServerArgs) -> Result<(), String> {
    let root = &args.root;
    std::fs::create_dir_all(root)
        .map_err(|error| format!("cannot create {}: {error}", root.display()))?;
    let Some(state) = args.state() else { return Ok(()) };
    if let Err(error) = ftx_server::create_state_dir(&state) {
        // A server with a certificate of its own ends when it cannot write that. Others need the directory for
        // tokens alone.
        warn!(%error, state = %state.display(), "there is no state directory; tokens that are made later need a restart");
    }
    Ok(())
}

/// Makes the names of the root and of the directories above it durable, as long as these can be opened. A
/// name that is new is synced again later, through the directories that stay open. A failure is met again at
/// the first file.
fn make_durable(root: &Path, names: &mut DurableNames) {
    let opened = Dir::open_ambient_dir(root, ambient_authority());
    let ensured = opened.and_then(|dir| {
        names.hold_above(&dir)?;
        names.ensure(&dir)
    });
    if let Err(error) = ensured {
        debug!(%error, "the directories above the root are not durable yet");
    }
}

/// Restricts the process to its root, its state and the files of its configuration.
fn enter_sandbox(args: &ServerArgs) -> Result<Sandbox, String> {
    let state = args.state().filter(|state| state.is_dir());
    let writable = std::iter::once(args.root.clone()).chain(state).collect();
    let rules = SandboxRules { writable, read: args.files_to_read().cloned().collect() };
    let sandbox = rules.enter(args.sandbox()).map_err(|error| error.to_string())?;
    match sandbox.status() {
        status @ SandboxStatus::NotAvailable(_) => warn!("sandbox: {status}"),
        status => info!("sandbox: {status}"),
    }
    Ok(sandbox)
}

/// No program that this process could run would have more privileges than itself.
fn give_up_new_privileges() -> io::Result<()> {
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
