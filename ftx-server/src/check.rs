//! `ftx-server check`: says what a configuration file means, or all that is wrong with it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use ftx_core::escaped;
use ftx_io::ErrorChain;
use ftx_server::config_file::{AccessSummary, ConfigError, ConfigErrors, Position};
use ftx_server::process::{FileAccessError, NeededFile, SystemUser, SystemUserError};
use ftx_server::{ServerCertificate, TlsFiles};

use crate::args::{Invocation, USAGE_EXIT_CODE};

/// Checks the file, and prints the result.
pub(crate) fn run(path: &Path) -> ExitCode {
    let checked = Invocation::of_file(path).and_then(|invocation| {
        let run_as = check_files(path, &invocation)?;
        Ok((invocation, run_as))
    });
    match checked {
        Ok((invocation, run_as)) => {
            let summary = summary(path, &invocation, run_as.as_ref());
            match std::io::stdout().write_all(summary.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        Err(errors) => {
            // A closed standard error is no failure.
            let _ = writeln!(std::io::stderr(), "{errors}");
            ExitCode::from(USAGE_EXIT_CODE)
        }
    }
}

/// The user of the configuration.
struct RunAs {
    user: SystemUser,
    /// Whether the access of the user to the files was checked.
    is_checked: bool,
}

/// Reads the files that the configuration names, as its user if that is possible.
fn check_files(path: &Path, invocation: &Invocation) -> Result<Option<RunAs>, ConfigErrors> {
    let args = &invocation.args;
    let run_as = match become_user(invocation) {
        Ok(run_as) => run_as,
        Err(error) => return ConfigErrors::check(path, vec![error]).map(|()| None),
    };
    let checked = run_as.as_ref().filter(|run_as| run_as.is_checked);
    let closed = checked.map(|run_as| NeededFile::faults(&args.needed_files(), &run_as.user));
    let closed: Vec<FileAccessError> = closed.unwrap_or_default();
    let faults = args.tls_files(args.state()).map(|files| files.faults()).unwrap_or_default();
    let is_new = |path: Option<&Path>| closed.iter().all(|fault| Some(&*fault.path) != path);
    let faults = faults.iter().filter(|fault| is_new(fault.path()));
    let unusable = faults.map(|fault| ConfigError {
        position: fault.path().and_then(|path| position_of(invocation, path)),
        message: ErrorChain(fault).to_string(),
    });
    let unreachable = closed.iter().map(|fault| ConfigError {
        position: position_of(invocation, &fault.path),
        message: fault.to_string(),
    });
    ConfigErrors::check(path, unusable.chain(unreachable).collect())?;
    Ok(run_as)
}

/// Becomes the user of the configuration, if there is one and this process can.
fn become_user(invocation: &Invocation) -> Result<Option<RunAs>, ConfigError> {
    let Some(spec) = &invocation.args.user else { return Ok(None) };
    let refused = |error: SystemUserError| {
        let setting = invocation.file.as_ref().and_then(|file| file.setting("user"));
        let message = format!("user: {}", ErrorChain(&error));
        ConfigError { position: setting.map(|setting| setting.position), message }
    };
    let user = SystemUser::find(spec).map_err(refused)?;
    let is_checked = match user.become_for_ever() {
        Ok(()) => true,
        Err(SystemUserError::NotRoot { .. }) => false,
        Err(error) => return Err(refused(error)),
    };
    Ok(Some(RunAs { user, is_checked }))
}

/// The place of the setting that names the file, or a directory that it is in.
fn position_of(invocation: &Invocation, path: &Path) -> Option<Position> {
    let file = invocation.file.as_ref()?;
    path.ancestors().find_map(|path| file.position_of(path.as_os_str()))
}

fn summary(path: &Path, invocation: &Invocation, run_as: Option<&RunAs>) -> String {
    let Invocation { args, .. } = invocation;
    let mut text = String::new();
    let mut line = |words: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{words} {}", escaped(&value.to_string()));
    };
    line("valid:", &path.display());
    line("listens on", &args.listen);
    line("serves", &args.root.display());
    if let Some(state) = args.state() {
        line("keeps its state in", &state.display());
    }
    match args.tls_files(args.state()) {
        Some(TlsFiles { certificate: ServerCertificate::Files { cert, .. }, .. }) => {
            line("shows the certificate", &cert.display());
        }
        _ => line("shows a certificate", &"of its own"),
    }
    if let Some(RunAs { user, is_checked }) = run_as {
        line("runs as the user", &format_args!("{} ({}:{})", user.name(), user.uid(), user.gid()));
        if !is_checked {
            let note = "whether this user can read and write the files: `check` says so as root";
            line("not checked:", &note);
        }
    }
    if let Some(access) = invocation.access() {
        let _ = writeln!(text, "{}", AccessSummary(&access));
    }
    text
}
