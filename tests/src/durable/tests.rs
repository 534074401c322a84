use std::fmt::Write as _;
use std::path::Path;

use ftx_core::Status;
use ftx_core::legacy::wire as legacy;
use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{
    CLIENT_PREFACE, FileHead, Meta, Overwrite, Reply, Request, VERSION, server_preface,
};

use super::{Others, Promised, Verdict, judge_client, judge_server};
use crate::strace::parse;

const NONE: [&str; 0] = [];

/// A record that is written by hand, of a server whose root is `/r`.
#[derive(Default)]
struct Record(String);

/// The file `/r/d/x` as it is stored, with all syncs.
const STORED: [&str; 7] = [
    r#"mkdirat(3</r>, "d", 0777) = 0"#,
    "fsync(4</r>) = 0",
    r#"openat2(5</r/.ftx/batch/1>, "0", {flags=O_RDWR|O_CREAT|O_EXCL}, 24) = 6</r/.ftx/batch/1/0>"#,
    r#"write(6</r/.ftx/batch/1/0>, "hello", 5) = 5"#,
    "fdatasync(6</r/.ftx/batch/1/0>) = 0",
    r#"renameat(5</r/.ftx/batch/1>, "0", 7</r/d>, "x") = 0"#,
    "fsync(8</r/d>) = 0",
];

impl Record {
    fn calls(mut self, calls: &[&str]) -> Self {
        for call in calls {
            writeln!(self.0, "1 {call}").unwrap();
        }
        self
    }

    fn heard(self, bytes: &[u8]) -> Self {
        let (text, len) = (escaped(bytes), bytes.len());
        self.calls(&[&format!(r#"recvfrom(9<TCP:[a->b]>, "{text}", 4096, 0, NULL, NULL) = {len}"#)])
    }

    fn said(self, bytes: &[u8]) -> Self {
        let (text, len) = (escaped(bytes), bytes.len());
        self.calls(&[&format!(r#"sendto(9<TCP:[a->b]>, "{text}", {len}, 0, NULL, 0) = {len}"#)])
    }

    /// A native client asks for something.
    fn asked(self, request: &[u8]) -> Self {
        self.heard(&[&CLIENT_PREFACE, request].concat()).said(&server_preface(VERSION))
    }

    fn verdict(&self) -> Verdict {
        judge_server(Path::new("/r"), &parse(&self.0), Others::Count)
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// A client sends `d/x` in one frame.
fn put() -> Vec<u8> {
    let (meta, overwrite) = (Meta::default(), Overwrite::Replace);
    let head = FileHead::Put { name: "d/x".into(), meta, overwrite };
    let digest = Digest::of(b"hello").0;
    [head.encode(1, 5).unwrap().as_slice(), b"hello", &digest].concat()
}

fn done(unchanged: bool) -> Vec<u8> {
    Reply::Done { digest: Digest::of(b"hello"), unchanged }.encode(1).unwrap()
}

#[test]
fn syncs_in_order_are_no_fault() {
    let record = Record::default().asked(&put()).calls(&STORED).said(&done(false));
    let verdict = record.verdict();
    assert_eq!(verdict.faults, NONE);
    let [promise] = verdict.promises.as_slice() else { panic!("{verdict:?}") };
    assert_eq!((promise.name.as_str(), promise.of), ("d/x", Promised::File));
}

#[test]
fn each_sync_that_is_left_out_is_a_fault() {
    for (index, call) in STORED.iter().enumerate().filter(|(_, call)| call.contains("sync")) {
        let failed = call.replace("= 0", "= -1 EIO (Input/output error) (INJECTED)");
        for instead in [vec![], vec![failed.as_str()]] {
            let (before, after) = (&STORED[..index], &STORED[index + 1..]);
            let calls = [before, &instead, after].concat();
            let record = Record::default().asked(&put()).calls(&calls).said(&done(false));
            assert_ne!(record.verdict().faults, NONE, "without {call}");
        }
    }
}

#[test]
fn a_sync_that_comes_too_early_is_a_fault() {
    for swapped in [0, 3, 5] {
        let mut calls = STORED;
        calls.swap(swapped, swapped + 1);
        let record = Record::default().asked(&put()).calls(&calls).said(&done(false));
        assert_ne!(record.verdict().faults, NONE, "{calls:?}");
    }
    // One that began before, and ends behind.
    let calls = [&STORED[..5], &["fsync(8</r/d> <unfinished ...>"]].concat();
    let mut record = Record::default().asked(&put()).calls(&calls);
    writeln!(record.0, "2 {}\n1 <... fsync resumed>) = 0", STORED[5]).unwrap();
    assert_ne!(record.said(&done(false)).verdict().faults, NONE);
}

#[test]
fn an_answer_before_the_last_sync_is_a_fault() {
    let record = Record::default().asked(&put()).calls(&STORED[..6]).said(&done(false));
    assert_ne!(record.calls(&STORED[6..]).verdict().faults, NONE);
}

#[test]
fn a_sync_of_the_whole_file_system_is_one_of_all_files() {
    let mut calls = STORED;
    calls[4] = "syncfs(8</r/.ftx/batch/1>) = 0";
    let record = Record::default().asked(&put()).calls(&calls).said(&done(false));
    assert_eq!(record.verdict().faults, NONE);
    // Not one of another file system, or one that failed.
    for other in ["syncfs(8</elsewhere>) = 0", "syncfs(8</r>) = -1 EIO (Input/output error)"] {
        calls[4] = other;
        let record = Record::default().asked(&put()).calls(&calls).said(&done(false));
        assert_ne!(record.verdict().faults, NONE);
    }
}

#[test]
fn an_existing_name_is_promised_only_after_a_sync() {
    let syncs = ["fsync(6</r/d/x>) = 0", "fsync(7</r/d>) = 0", "fsync(8</r>) = 0"];
    let judged = |calls: &[&str]| {
        Record::default().asked(&put()).calls(calls).said(&done(true)).verdict().faults.len()
    };
    assert_eq!(judged(&syncs), 0);
    assert_eq!(judged(&["syncfs(8</r>) = 0"]), 0);
    for index in 0..syncs.len() {
        let mut some = syncs.to_vec();
        some.remove(index);
        assert_eq!(judged(&some), 1, "{some:?}");
    }
}

#[test]
fn a_directory_and_a_removal_are_promised_after_a_sync_only() {
    let remove = Request::Remove { name: "x".into() }.encode(1).unwrap();
    let make = Request::MakeDirectory { name: "x".into() }.encode(1).unwrap();
    let gone = Reply::failed(Reason::NotFound, "").encode(1).unwrap();
    let entry = Reply::Entry(ftx_core::native::wire::Entry {
        name: "x".parse().unwrap(),
        kind: ftx_core::native::wire::EntryKind::Directory,
        size: 0,
        meta: Meta::default(),
    });
    let cases = [
        (&remove, r#"unlinkat(3</r>, "x", 0) = 0"#, Reply::Removed.encode(1).unwrap()),
        (&remove, r#"unlinkat(3</r>, "x", 0) = -1 ENOENT (No such file)"#, gone),
        (&make, r#"mkdirat(3</r>, "x", 0777) = 0"#, entry.encode(1).unwrap()),
        (&make, r#"mkdirat(3</r>, "x", 0777) = -1 EEXIST (File exists)"#, entry.encode(1).unwrap()),
    ];
    for (request, call, answer) in cases {
        let begun = || Record::default().asked(request).calls(&[call]);
        let synced = begun().calls(&["fsync(4</r>) = 0"]).said(&answer).verdict();
        assert_eq!((synced.promises.len(), synced.faults.len()), (1, 0), "{call}: {synced:?}");
        let verdict = begun().said(&answer).verdict();
        assert!(!verdict.faults.is_empty(), "{call}: {verdict:?}");
    }
    // A question is no promise.
    let stat = Request::Stat { name: "x".into() }.encode(1).unwrap();
    let verdict = Record::default().asked(&stat).said(&entry.encode(1).unwrap()).verdict();
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn a_legacy_offer_of_a_file_is_a_promise_to_a_client_that_sends_nothing() {
    let mut request = Vec::new();
    let name = legacy::QString::from("x");
    legacy::LegacyRequest::UploadHeader { name, extended: false }.encode(&mut request);
    let (mut offer, mut send, mut agreed, mut stored) = Default::default();
    let (md5, status) = (legacy::QString::from("0"), Status::Ok);
    legacy::LegacyReply::UploadHeader { status, pos: 5, md5, extended: false, published: false }
        .encode(&mut offer);
    legacy::LegacyRequest::UploadPos { pos: 0, len: 5 }.encode(&mut send);
    legacy::LegacyReply::UploadPos { status }.encode(&mut agreed);
    legacy::LegacyReply::UploadTail { status, md5: legacy::QString::NULL }.encode(&mut stored);

    let offered = || Record::default().heard(&request).said(&offer);
    assert_eq!(offered().verdict().faults.len(), 2);
    let syncs = ["fsync(3</r/x>) = 0", "fsync(4</r>) = 0"];
    let synced = Record::default().heard(&request).calls(&syncs).said(&offer).verdict();
    assert_eq!((synced.promises.len(), synced.faults.len()), (1, 0));
    // One that sends does not rely on it, but on the end.
    let sent = || offered().heard(&send).said(&agreed).heard(b"hello");
    assert_eq!(sent().verdict(), Verdict::default());
    assert_eq!(sent().said(&stored).verdict().faults.len(), 2);
    let verdict = sent().calls(&syncs).said(&stored).verdict();
    assert_eq!((verdict.promises.len(), verdict.faults.len()), (1, 0));
}

#[test]
fn a_client_reports_a_file_only_after_its_syncs() {
    let calls = [
        r#"mkdir("/r/d", 0777) = 0"#,
        "fsync(4</r>) = 0",
        r#"openat(5</r/d>, "x.ftxpart", O_RDWR|O_CREAT, 0666) = 6</r/d/x.ftxpart>"#,
        r#"write(6</r/d/x.ftxpart>, "hello", 5) = 5"#,
        "fsync(6</r/d/x.ftxpart>) = 0",
        r#"renameat(5</r/d>, "x.ftxpart", 7</r/d>, "x") = 0"#,
        "fsync(8</r/d>) = 0",
    ];
    let line = escaped(b"{\"event\":\"finished\",\"name\":\"x\"}\n");
    let told = format!(r#"write(1<pipe:[1]>, "{line}", 32) = 32"#);
    let judged = |calls: &[&str]| {
        let record = Record::default().calls(calls).calls(&[&told, "exit_group(0) = ?"]);
        judge_client(Path::new("/r"), &parse(&record.0), |name| Path::new("/r/d").join(name))
    };
    let verdict = judged(&calls);
    assert_eq!((verdict.promises.len(), verdict.faults.len()), (1, 0), "{verdict:?}");
    for index in [1, 4, 6] {
        let mut some = calls.to_vec();
        some.remove(index);
        // Missing before the report and before the exit.
        assert_eq!(judged(&some).faults.len(), 2, "without {}", calls[index]);
    }
}
