//! Socket activation: a listening socket that the service manager passes.

use std::io;
use std::net::TcpListener;

/// Why the passed sockets cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActivationError {
    /// More sockets than one.
    #[error("the service manager passes {0} sockets; one ListenStream= is served")]
    Several(usize),
    /// The socket is none of TCP.
    #[error("the service manager passes something else than a socket of TCP: {0}")]
    Other(#[source] io::Error),
    /// The socket does not listen.
    #[error("the service manager passes a socket that does not listen; Accept=no is needed")]
    Connected,
}

/// Takes the listening socket that the service manager passes to this process (`LISTEN_FDS`), if it passes
/// one. To be called once, before there are threads: the variables are removed from the environment.
///
/// # Errors
/// There are several sockets, or the one is no listening socket of TCP.
pub fn passed_listener() -> Result<Option<TcpListener>, ActivationError> {
    #[cfg(target_os = "linux")]
    {
        let mut passed = listenfd::ListenFd::from_env();
        match passed.len() {
            0 => return Ok(None),
            1 => {}
            several => return Err(ActivationError::Several(several)),
        }
        let listener = passed.take_tcp_listener(0).map_err(ActivationError::Other)?;
        let listens = |listener: &TcpListener| {
            socket2::SockRef::from(listener).is_listener().map_err(ActivationError::Other)
        };
        match listener {
            Some(listener) if listens(&listener)? => Ok(Some(listener)),
            _ => Err(ActivationError::Connected),
        }
    }
    #[cfg(not(target_os = "linux"))]
    Ok(None)
}
