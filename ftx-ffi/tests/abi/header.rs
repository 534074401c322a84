//! `include/ftx.h` matches the crate. `FTX_BLESS=1` regenerates it.

use std::path::Path;

#[test]
fn the_committed_header_is_up_to_date() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml")).unwrap();
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
