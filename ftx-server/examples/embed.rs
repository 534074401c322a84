//! A server inside another program: serves a directory on a free port of the loopback interface.
//!
//! ```text
//! cargo run -p ftx-server --example embed -- DIR
//! ```
//!
//! It prints its address, runs until Ctrl-C, and then suspends running uploads so that they can be
//! resumed.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::error::Error;

use ftx_server::store::local::{LocalStore, LocalStoreConfig};
use ftx_server::{Config, Dialects, Server};
use tokio::net::TcpListener;
use tokio::signal;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let root = env::args_os().nth(1).ok_or("usage: embed DIR")?;
    // Everyone may connect; an `Authenticator` of the program in `config.authenticator` would decide.
    let config = Config::default();
    let store = LocalStore::open(&LocalStoreConfig::new(root).for_server(&config))?;
    // Programs of the original system are refused; `Dialects::native().with_legacy()` admits them.
    let server = Server::start(config, store, Dialects::native())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);

    let monitor = server.monitor();
    server
        .run(listener, async {
            // Serve on if the signal cannot be handled.
            if signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await;
    println!("{}", monitor.snapshot());
    Ok(())
}
