//! Parses remote names, and the escaped forms of names that are not remote names.

#![no_main]

use ftx_core::{RawName, RemoteName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(name) = RawName::parse(text) {
        assert_eq!(name.to_string(), text);
        assert!(!name.part().iter().any(|byte| [0, b'/'].contains(byte)));
    }
    let Ok(name) = RemoteName::parse(text) else { return };
    assert_eq!(name.as_str(), text);
    assert_eq!(RemoteName::parse(name.as_str()).as_ref(), Ok(&name));
    assert!(text.len() <= RemoteName::MAX_BYTES && !text.contains('\0'));
    for part in name.parts() {
        assert!(!["", ".", ".."].contains(&part));
        assert!(part.len() <= RemoteName::MAX_PART_BYTES);
    }
    let mut parts = name.parts();
    assert!(parts.next().is_some_and(|first| !first.eq_ignore_ascii_case(".ftx")));
    assert_eq!(name.parts().next_back(), Some(name.file_name()));
});
