//! `include/ftx.h` matches the crate and the table of options. `FTX_BLESS=1` regenerates it.

use std::fmt::Write as _;
use std::path::Path;

use ftx_client::options::{MAX_STREAM_COUNT, OPTIONS, abi_options};

/// Columns of a line of documentation, after its asterisk.
const LINE_COLUMNS: usize = 97;

#[test]
fn the_committed_header_is_up_to_date() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml")).unwrap();
    config.after_includes = Some(constants_of_options());
    let bindings = cbindgen::generate_with_config(crate_dir, config).unwrap();
    let mut generated = Vec::new();
    bindings.write(&mut generated);
    let header = crate_dir.join("../include/ftx.h");
    if std::env::var_os("FTX_BLESS").is_some() {
        std::fs::write(&header, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&header).unwrap();
    assert!(
        committed.as_bytes() == generated,
        "include/ftx.h is out of date; run FTX_BLESS=1 cargo test -p ftx-ffi and commit it"
    );
}

/// The constants of the table of options: values, options of a client, options of a job.
fn constants_of_options() -> String {
    let mut text = String::new();
    for choice in OPTIONS.iter().flat_map(|option| option.choices) {
        define(&mut text, choice.constant, choice.number, choice.about);
    }
    define(&mut text, "MAX_STREAMS", MAX_STREAM_COUNT, "Maximum of `FTX_OPTION_STREAMS`.");
    for (option, abi) in abi_options() {
        define(&mut text, &format!("OPTION_{}", abi.name), abi.number.into(), &option.about(abi));
    }
    for (_, abi) in abi_options() {
        if let Some(job) = abi.job {
            define(&mut text, &format!("JOB_OPTION_{}", abi.name), job.number.into(), job.about);
        }
    }
    text
}

/// Adds a constant in the form that cbindgen gives the others.
fn define(text: &mut String, name: &str, value: u64, about: &str) {
    let mut lines = vec![String::new()];
    for word in about.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.len() + 1 + word.len() <= LINE_COLUMNS {
            *line += &format!(" {word}");
        } else {
            lines.push(format!(" {word}"));
        }
    }
    write!(text, "\n/**\n *{}\n */\n#define FTX_{name} {value}\n", lines.join("\n *")).unwrap();
}
