//! The listening socket: one that the service manager passes, or one that is bound here.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};

use ftx_io::prefer_bbr;
use ftx_server::process::passed_listener;
use socket2::{Domain, Socket, Type};
use tracing::info;

use crate::args::ServerArgs;

/// Connections that wait to be accepted.
const BACKLOG_CONNECTIONS: i32 = 1024;

/// Takes the passed socket, or binds one to the address of `--listen`.
///
/// # Errors
/// There is no usable socket, or it would be open to other machines that have no rights.
pub(crate) fn open(args: &ServerArgs) -> Result<TcpListener, String> {
    let listener = match passed_listener().map_err(|error| error.to_string())? {
        Some(passed) => {
            let address = passed.local_addr().map_err(|error| error.to_string())?;
            check_openness(args, &[address])?;
            info!(%address, "the service manager passes the listening socket, in place of --listen");
            passed
        }
        None => bind(args)?,
    };
    if let Ok(address) = listener.local_addr() {
        // While there may still be the privilege to choose it.
        prefer_bbr(&listener, address.ip());
    }
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    Ok(listener)
}

/// Binds the first address that can be bound.
fn bind(args: &ServerArgs) -> Result<TcpListener, String> {
    let refused = |error| format!("cannot listen on {}: {error}", args.listen);
    let addresses: Vec<_> = args.listen.to_socket_addrs().map_err(refused)?.collect();
    check_openness(args, &addresses)?;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match bind_to(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(refused(failure))
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Elsewhere it would let two servers have one address.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_CONNECTIONS)?;
    Ok(socket.into())
}

/// Other machines are served by the rights of a configuration file, or with `--insecure`.
fn check_openness(args: &ServerArgs, addresses: &[SocketAddr]) -> Result<(), String> {
    let open = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
    match open {
        Some(open) if args.config.is_none() && !args.insecure => Err(format!(
            "{open} can be reached from other machines, and without a configuration file everybody may do \
             everything; give a --config with users and their rights, listen on 127.0.0.1, or give \
             --insecure to accept that"
        )),
        _ => Ok(()),
    }
}
