//! `PROTOCOL.md` agrees with the code: each example is the message of its title, every message has an
//! example, and its reasons are those of the table.

use std::collections::BTreeSet;

use ftx_core::native::Reason;
use ftx_core::native::wire::{
    FileHead, FileLayout, FrameHeader, FrameKind, HEADER_BYTES, Reply, Request, next_frame,
};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../PROTOCOL.md");

fn document() -> String {
    std::fs::read_to_string(DOCUMENT).unwrap()
}

/// Blocks of examples; each example has a title and a frame.
fn examples() -> Vec<Vec<(String, Vec<u8>)>> {
    let document = document();
    let blocks = document.split("```hex\n").skip(1);
    blocks
        .map(|block| {
            let (block, _) = block.split_once("```").unwrap();
            let examples = block.split("# ").skip(1);
            examples
                .map(|example| {
                    let (title, digits) = example.split_once('\n').unwrap();
                    let digits: String = digits.split_whitespace().collect();
                    (title.to_owned(), hex::decode(digits).unwrap())
                })
                .collect()
        })
        .collect()
}

fn split<'a>(title: &str, frame: &'a [u8]) -> (FrameHeader, &'a [u8]) {
    let header = next_frame(frame).unwrap().unwrap();
    let (_, payload) = frame.split_at(HEADER_BYTES);
    assert_eq!(payload.len(), usize::try_from(header.len).unwrap(), "{title}");
    (header, payload)
}

/// The debug text of a message begins with its name, like the title.
fn is_named(title: &str, printed: &str) -> String {
    let name = printed.split([' ', '(']).next().unwrap();
    assert_eq!(title.split(':').next(), Some(name), "{title}");
    name.to_owned()
}

#[test]
fn every_message_has_its_example() {
    let [files, requests, replies] = examples().try_into().unwrap();

    let mut names = BTreeSet::new();
    for (title, frame) in &requests {
        let (header, payload) = split(title, frame);
        let request = Request::decode(&header, payload).unwrap();
        assert_eq!(request.encode(header.request).as_ref(), Ok(frame), "{title}");
        names.insert(is_named(title, &format!("{request:?}")));
    }
    assert_eq!(names.len(), 12);

    names.clear();
    for (title, frame) in &replies {
        let (header, payload) = split(title, frame);
        let reply = Reply::decode(&header, payload).unwrap();
        assert_eq!(reply.encode(header.request).as_ref(), Ok(frame), "{title}");
        names.insert(is_named(title, &format!("{reply:?}")));
    }
    assert_eq!(names.len(), 17);

    let kinds = files.iter().map(|(title, frame)| {
        let (header, payload) = split(title, frame);
        if header.kind == FrameKind::File {
            let (prefix, rest) = payload.split_first_chunk().unwrap();
            let FileLayout { head_len, data_len } = FileLayout::decode(&header, *prefix).unwrap();
            let head = FileHead::decode(&rest[..head_len]).unwrap();
            let before = head.encode(header.request, data_len).unwrap();
            assert!(frame.starts_with(&before), "{title}");
            assert!(matches!(head, FileHead::Put { .. }) == title.starts_with("Put"), "{title}");
        }
        header.kind
    });
    assert!(kinds.eq([FrameKind::Block, FrameKind::File, FrameKind::File, FrameKind::Compressed]));
}

#[test]
fn every_reason_is_listed() {
    let document = document();
    let rows = document.lines().filter(|line| line.starts_with("| -") && line.contains("_"));
    let known: BTreeSet<String> = Reason::TABLE
        .iter()
        .map(|reason| format!("| {} | {} | {} |", reason.code(), reason.name(), reason.text()))
        .collect();
    for line in &known {
        assert!(document.contains(line), "{line}");
    }
    // Those of section 2 are of the original.
    let rows = rows.filter(|line| line.split('|').count() == 5);
    assert!(rows.clone().count() > 0);
    for row in rows {
        assert!(known.contains(row), "{row}");
    }
}
