//! Uploads a file under its own name and prints the progress.
//!
//! ```text
//! cargo run -p ftx-client --example upload_with_progress -- ADDR FILE
//! ```
//!
//! Interrupt it and run it again: the transfer resumes.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::error::Error;
use std::path::PathBuf;

use ftx_client::{Client, ClientConfig, Event, Observer, RemoteName, ServerAddr};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (address, path) = arguments().ok_or("usage: upload_with_progress ADDR FILE")?;
    let address: ServerAddr = address.parse()?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("FILE has no UTF-8 name")?;
    let name = RemoteName::parse(name)?;

    let mut client = Client::new(address, ClientConfig::default());
    client.set_observer(Observer::new(report));
    let done = client.upload(&path, &name).await?;
    if done.already_there {
        println!("{name}: up to date");
    } else {
        println!("{name}: {} bytes moved", done.moved);
    }
    Ok(())
}

/// Prints an event. It must return quickly, since the transfer waits for it.
fn report(event: &Event<'_>) {
    match event {
        Event::Started { from: 0, size } => println!("sending {size} bytes"),
        Event::Started { from, size } => println!("resuming at {from} of {size} bytes"),
        Event::Progress { done, size, .. } => println!("{done} of {size} bytes"),
        Event::Retrying { attempt, error, .. } => eprintln!("retry {attempt}: {error}"),
        _ => {}
    }
}

fn arguments() -> Option<(String, PathBuf)> {
    let mut arguments = env::args_os().skip(1);
    let address = arguments.next()?.into_string().ok()?;
    Some((address, arguments.next()?.into()))
}
