//! `include/ftx.h` matches the crate and the table of options. `FTX_BLESS=1` regenerates it.

use std::fmt::{Display, Write as _};
use std::path::Path;

use ftx_client::options::{MAX_STREAM_COUNT, MIN_LIMIT_RATE, OPTIONS, abi_options};

use crate::sections::in_sections;

/// Columns of a line of documentation, after its asterisk.
const LINE_COLUMNS: usize = 97;

#[test]
fn the_committed_header_is_up_to_date() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml")).unwrap();
    config.after_includes = Some(versions() + &constants_of_options());
    let bindings = cbindgen::generate_with_config(crate_dir, config).unwrap();
    let mut generated = Vec::new();
    bindings.write(&mut generated);
    let generated = in_sections(&String::from_utf8(generated).unwrap());
    let header = crate_dir.join("../include/ftx.h");
    if std::env::var_os("FTX_BLESS").is_some() {
        std::fs::write(&header, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&header).unwrap();
    assert!(
        committed == generated,
        "include/ftx.h is out of date; run FTX_BLESS=1 cargo test -p ftx-ffi and commit it"
    );
}

/// The version of the header, as a text and as a number.
fn versions() -> String {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    let parts = VERSION.split(['.', '-']).take(3).map(|part| part.parse::<u8>().unwrap());
    let hex: String = parts.map(|part| format!("{part:02x}")).collect();
    let mut text = String::new();
    let about = "The version of this header; `ftx_version` returns that of the library.";
    define(&mut text, "VERSION", format!("\"{VERSION}\""), about);
    let about = "The same as a number for `#if`: 0xXXYYZZ for X.Y.Z, so 0x010203 for 1.2.3.";
    define(&mut text, "VERSION_NUM", format!("0x{hex}"), about);
    text
}

/// The constants of the table of options: values, options of a client, options of a job.
fn constants_of_options() -> String {
    let mut text = String::new();
    for choice in OPTIONS.iter().flat_map(|option| option.choices) {
        define(&mut text, choice.constant, choice.number, choice.about);
    }
    define(&mut text, "MAX_STREAMS", MAX_STREAM_COUNT, "Maximum of `FTX_OPTION_STREAMS`.");
    let about = "Minimum of `FTX_OPTION_LIMIT_RATE`, besides 0 for no limit.";
    define(&mut text, "MIN_LIMIT_RATE", MIN_LIMIT_RATE, about);
    for (option, abi) in abi_options() {
        define(&mut text, &format!("OPTION_{}", abi.name), abi.number, &option.about(abi));
    }
    for (_, abi) in abi_options() {
        if let Some(job) = abi.job {
            define(&mut text, &format!("JOB_OPTION_{}", abi.name), job.number, job.about);
        }
    }
    text
}

/// Adds a constant in the form that cbindgen gives the others.
fn define(text: &mut String, name: &str, value: impl Display, about: &str) {
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
