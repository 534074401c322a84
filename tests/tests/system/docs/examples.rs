//! The examples in Rust, run against each other.

use std::fs;
use std::process::Command;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, Process, bins};
use rustix::process::Signal;
use tempfile::tempdir;

fn example(name: &str) -> Command {
    Command::new(bins::examples().join(name))
}

#[test]
fn the_examples_serve_and_upload() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Process::spawn(example("embed").arg(root.path()));
    let line = server.stdout_line(0, DEADLINE);
    let address = line.strip_prefix("listening on ").unwrap();

    let file = local.path().join("a.bin");
    write_file(&file, content(1, 3 << 20));
    let upload = || {
        let mut command = example("upload_with_progress");
        let outcome = Process::spawn(command.arg(address).arg(&file)).wait(DEADLINE);
        outcome.assert_done();
        outcome.stdout
    };
    let first = upload();
    assert!(first.starts_with("sending 3145728 bytes\n"), "{first}");
    assert!(first.contains("3145728 of 3145728 bytes\n"), "{first}");
    assert!(first.ends_with("a.bin: 3145728 bytes moved"), "{first}");
    assert_content(&root.path().join("a.bin"), content(1, 3 << 20));
    let second = upload();
    assert!(second.ends_with("a.bin: up to date"), "{second}");

    let tree = local.path().join("tree");
    fs::create_dir_all(tree.join("below")).unwrap();
    fs::write(tree.join("one"), "1").unwrap();
    fs::write(tree.join("below/two"), "2").unwrap();
    let mut command = example("upload_directory");
    let outcome = Process::spawn(command.arg(address).arg(&tree)).wait(DEADLINE);
    outcome.assert_done();
    assert_eq!(outcome.stdout.lines().count(), 2, "{outcome:#?}");
    assert_eq!(fs::read(root.path().join("below/two")).unwrap(), b"2");

    server.signal(Signal::INT);
    let outcome = server.wait(DEADLINE);
    outcome.assert_done();
    assert!(outcome.stdout.lines().count() > 1, "{outcome:#?}");
}
