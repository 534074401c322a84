//! The reload at SIGHUP: everything is read first, and takes effect if all of it is good.

use std::sync::Arc;

use ftx_io::ErrorChain;
use ftx_server::config_file::{ConfigError, ConfigErrors};
use ftx_server::process::Sandbox;
use ftx_server::{Access, AccessPolicy, Metrics, NextTls, ServerTls, TokenReload};
use tracing::{error, info, warn};

use crate::Outputs;
use crate::args::Invocation;
use crate::serve::warn_of_plain;

/// The parts of a running server that a reload replaces.
pub(crate) struct Reload {
    /// The settings of the start.
    pub(crate) running: Invocation,
    pub(crate) access: Access,
    /// The tokens, if there is a configuration file.
    pub(crate) tokens: Option<TokenReload>,
    pub(crate) tls: Option<Arc<ServerTls>>,
    pub(crate) metrics: Metrics,
    pub(crate) sandbox: Sandbox,
}

/// A configuration that was read, but is not in force.
struct Next {
    access: Option<AccessPolicy>,
    tls: Option<NextTls>,
    keys_for_restart: Vec<String>,
}

impl Reload {
    /// Reads everything again, and puts it in force.
    pub(crate) fn run(&self, outputs: &Outputs) {
        if self.running.args.config.is_none() && self.tls.is_none() {
            info!("SIGHUP: there is nothing to reload");
            return;
        }
        let next = self.read();
        self.metrics.reloaded(next.is_ok());
        match next {
            Ok(next) => self.put_in_force(next, outputs),
            Err(errors) => {
                errors.iter().for_each(|error| error!("SIGHUP: {error}"));
                warn!("SIGHUP: nothing changes; the configuration and the certificate in use stay");
            }
        }
        // Tokens are no part of the configuration, so a revocation applies even if that is bad.
        if let Some(Err(error)) = self.tokens.as_ref().map(TokenReload::reload) {
            error!(error = %ErrorChain(&error), "SIGHUP: the former tokens stay in force");
        }
    }

    /// # Errors
    /// Something is wrong: all that is.
    fn read(&self) -> Result<Next, Vec<String>> {
        // In this order: otherwise the system's "Permission denied" would be all that there is to read.
        self.check_sandbox(&self.running)?;
        let read_again = self.running.args.config.as_ref().map(|_| self.running.read_again());
        let invocation =
            read_again.transpose().map_err(|errors| errors.lines().collect::<Vec<_>>())?;
        let now = invocation.as_ref().unwrap_or(&self.running);
        self.check_sandbox(now)?;
        // The directory of the state is that of the start.
        let files = self.tls.is_some().then(|| now.args.tls_files(self.running.args.state()));
        let tls = files.flatten().map(ServerTls::read).transpose();
        let tls = tls.map_err(|error| {
            vec![format!("the certificate cannot be read: {}", ErrorChain(&error))]
        })?;
        let keys_for_restart = now.keys_for_restart(&self.running);
        Ok(Next { access: now.access(), tls, keys_for_restart })
    }

    /// # Errors
    /// The sandbox, which cannot be changed any more, denies a file: each that it denies.
    fn check_sandbox(&self, invocation: &Invocation) -> Result<(), Vec<String>> {
        let files = invocation.args.files_to_read();
        let denied = files.filter(|file| !self.sandbox.allows_reading(file));
        let errors = denied.map(|file| ConfigError {
            position: invocation.file.as_ref().and_then(|it| it.position_of(file.as_os_str())),
            message: format!(
                "{} is in a directory that the sandbox, made at the start, denies to the server; \
                 restart the server to use this file",
                file.display()
            ),
        });
        let path = self.running.args.config.clone().unwrap_or_default();
        ConfigErrors::check(&path, errors.collect()).map_err(|errors| errors.lines().collect())
    }

    fn put_in_force(&self, next: Next, outputs: &Outputs) {
        if let Some(access) = next.access {
            warn_of_plain(&access);
            self.access.replace(access);
            info!("SIGHUP: the configuration was read again");
        }
        if let (Some(tls), Some(next)) = (&self.tls, next.tls) {
            tls.replace(next);
            info!(fingerprint = %tls.fingerprint(), "SIGHUP: the certificate was read again");
            outputs.announce_fingerprint(tls);
        }
        for key in next.keys_for_restart {
            warn!(key, "SIGHUP: this setting has changed, and takes effect only at a restart");
        }
    }
}
