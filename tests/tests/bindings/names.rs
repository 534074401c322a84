//! Names and messages that no array of the ABI holds, from a server that makes them up and from the
//! caller: in C, C++ and Qt, built with the sanitizers.

use std::process::Command;

use ftx_core::RawName;
use ftx_core::native::Reason;
use ftx_core::native::wire::{Listed, Meta, Obstacle, Reply, Request, Untransferable};
use ftx_tests::ffi::{self, Link};
use ftx_tests::peer::{Qt, clients};
use ftx_tests::stub::{self, Stub};
use ftx_tests::with_each_qt;
use tempfile::tempdir;

const SANITIZED: [&str; 3] = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

with_each_qt!(the_qt_classes_see_the_copied_names);

/// A name as long as one can be: with parts of 255 bytes.
fn longest() -> String {
    let parts = "x".repeat(255) + "/";
    format!("longest/{}{}/{}", parts.repeat(15), "x".repeat(120), "x".repeat(127))
}

/// The listing of a requested name.
fn made_up(asked: &str) -> String {
    match asked {
        "longest" => longest(),
        "nul" => "nul/a\0b".to_owned(),
        "long" => format!("long/{}", "x".repeat(5000)),
        _ => format!("huge/{}", "x".repeat(300_000)),
    }
}

/// Entries that cannot be transferred, one with a longer name than the array has room for.
fn odd() -> Vec<Listed> {
    let deep =
        ["odd", &"\\".repeat(250)].join("/") + &("/".to_owned() + &"\\".repeat(250)).repeat(14);
    let names = [
        (RawName::parse("odd/b\\xff"), Obstacle::NotUtf8),
        (RawName::parse("odd/link"), Obstacle::Link),
        (RawName::new(Some(deep.parse().unwrap()), &[0xff; 255]), Obstacle::TooLong),
    ];
    let mut listed = names.map(|(name, obstacle)| {
        let (name, meta) = (name.unwrap(), Meta::default());
        Listed::Untransferable(Untransferable { name, obstacle, size: 7, meta })
    });
    listed.sort_by_key(Listed::raw_name);
    listed.into()
}

fn lies() -> Stub {
    Stub::start(|id, request| match request {
        Request::List { name, .. } if name == "odd" => {
            Reply::Entries { entries: odd(), more: false }.encode(id).unwrap()
        }
        Request::List { name, .. } => stub::listing(id, &[&made_up(name)]),
        Request::Stat { name } => stub::found(id, &made_up(name)),
        Request::Ping { payload } => Reply::Pong { payload: *payload }.encode(id).unwrap(),
        _ => {
            let message = format!("begin\0\u{1b}[2J\n {} end", "m".repeat(5000));
            Reply::failed(Reason::NotFound, message).encode(id).unwrap()
        }
    })
}

/// Runs a program with the stub; the system's and Qt's leaks are none of ours.
fn assert_done(mut program: Command) {
    program.env("ASAN_OPTIONS", "detect_leaks=0");
    assert_eq!(ffi::succeed(program).stdout, "done");
}

#[test]
fn c_sees_the_copied_names() {
    assert_eq!(longest().len(), 4096);
    let (server, local) = (lies(), tempdir().unwrap());
    let program = local.path().join("names");
    let compiler = ffi::compiler("gcc", "c99");
    ffi::build(compiler, &SANITIZED, &["check.c", "names.c"], Link::Shared, &program);
    let mut command = Command::new(program);
    command.arg(server.addr().to_string()).arg(local.path());
    assert_done(command);
}

#[test]
fn cpp_sees_the_copied_names() {
    let (server, local) = (lies(), tempdir().unwrap());
    let program = local.path().join("names");
    let compiler = ffi::compiler("g++", "c++11");
    ffi::build(compiler, &SANITIZED, &["names.cpp"], Link::Shared, &program);
    let mut command = Command::new(program);
    command.arg(server.addr().to_string()).arg(local.path());
    assert_done(command);
}

fn the_qt_classes_see_the_copied_names(qt: Qt) {
    let (server, local) = (lies(), tempdir().unwrap());
    let mut command = Command::new(clients(qt).join("names"));
    let addr = server.addr();
    command.arg(addr.ip().to_string()).arg(addr.port().to_string()).current_dir(local.path());
    assert_done(command);
}
