//! `ftx-server check`: says what a configuration file means, or all that is wrong with it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use ftx_core::escaped;
use ftx_io::ErrorChain;
use ftx_server::config_file::{AccessSummary, ConfigError, ConfigErrors};
use ftx_server::{ServerCertificate, TlsFiles};

use crate::args::{Invocation, USAGE_EXIT_CODE};

/// Checks the file, and prints the result.
pub(crate) fn run(path: &Path) -> ExitCode {
    match Invocation::of_file(path).and_then(|invocation| check_files(path, invocation)) {
        Ok(invocation) => {
            match std::io::stdout().write_all(summary(path, &invocation).as_bytes()) {
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

/// Reads the files that the configuration names.
fn check_files(path: &Path, invocation: Invocation) -> Result<Invocation, ConfigErrors> {
    let faults = invocation
        .args
        .tls_files(invocation.args.state())
        .map(|files| files.faults())
        .unwrap_or_default();
    let errors = faults.into_iter().map(|fault| ConfigError {
        position: invocation
            .file
            .as_ref()
            .and_then(|file| file.position_of(fault.path()?.as_os_str())),
        message: ErrorChain(&fault).to_string(),
    });
    ConfigErrors::check(path, errors.collect())?;
    Ok(invocation)
}

fn summary(path: &Path, invocation: &Invocation) -> String {
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
    if let Some(access) = invocation.access() {
        let _ = writeln!(text, "{}", AccessSummary(&access));
    }
    text
}
