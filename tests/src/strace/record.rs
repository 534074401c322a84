//! The text that strace writes, as calls.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name, such as `renameat`.
    pub name: String,
    /// The arguments, as strace writes them.
    pub args: Vec<String>,
    /// The return value; `None` if the process ended in the call.
    pub result: Option<i64>,
    /// The path of the descriptor that it gave back.
    pub opened: Option<PathBuf>,
    /// The line of the record in which it begins, from 1.
    pub begin: usize,
    /// The line in which it ends.
    pub end: usize,
}

impl Call {
    /// Whether it succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.result.is_some_and(|result| result >= 0)
    }

    /// The target of the descriptor at this place: a path, or the two ends of a connection.
    #[must_use]
    pub fn descriptor(&self, index: usize) -> Option<PathBuf> {
        described(self.args.get(index)?)
    }

    /// The number of the descriptor at this place.
    #[must_use]
    pub fn number(&self, index: usize) -> Option<i64> {
        self.args.get(index)?.split('<').next()?.parse().ok()
    }

    /// The bytes in the strings at this place, one after the other; as many of them as the result says.
    #[must_use]
    pub fn moved(&self, index: usize) -> Vec<u8> {
        let mut bytes = self.args.get(index).map(|arg| strings(arg)).unwrap_or_default();
        if let Some(result) = self.result {
            bytes.truncate(usize::try_from(result).unwrap_or(0));
        }
        bytes
    }

    /// The path that the string at this place names.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<PathBuf> {
        let text = self.args.get(index)?.strip_prefix('"')?.strip_suffix('"')?;
        Some(PathBuf::from(OsString::from_vec(unescaped(text))))
    }

    /// The path that the string at `index + 1` names below the directory at `index`.
    #[must_use]
    pub fn path_at(&self, index: usize) -> Option<PathBuf> {
        let below = self.path(index + 1)?;
        let path = self.descriptor(index)?.join(below);
        // Without the dots.
        Some(path.components().collect())
    }

    /// Whether one of the flags is this one.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> bool {
        let is_flags = |arg: &&String| !arg.starts_with('"') && !arg.contains('<');
        self.args.iter().filter(is_flags).any(|arg| {
            arg.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == flag)
        })
    }
}

/// The calls in a record that was made with `-f -yy -xx -o`, in the order in which they ended.
///
/// # Panics
/// If it is no such record.
#[must_use]
pub(crate) fn parse(text: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    // Calls begun by a thread and interrupted in the record by other threads.
    let mut begun: HashMap<&str, (usize, &str)> = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (thread, said) = line.split_once(' ').expect("a line without a thread");
        let said = said.trim_start();
        if said.starts_with("+++ ") || said.starts_with("--- ") {
            continue;
        }
        if let Some(first) = said.strip_suffix("<unfinished ...>") {
            begun.insert(thread, (number, first));
        } else if let Some(rest) = said.strip_prefix("<... ") {
            let (begin, first) = begun.remove(thread).expect("an end without its beginning");
            let (_, rest) = rest.split_once(" resumed>").expect("no rest of a call");
            calls.push(call(&format!("{}{rest}", first.trim_end_matches(' ')), begin, number));
        } else {
            calls.push(call(said, number, number));
        }
    }
    let last = text.lines().count() + 1;
    calls.extend(begun.values().map(|&(begin, first)| call(&format!("{first}) = ?"), begin, last)));
    calls
}

fn call(text: &str, begin: usize, end: usize) -> Call {
    let parts = || {
        // Strings are all escaped, so there is no such thing in them.
        let (asked, result) = text.rsplit_once(" = ")?;
        let (name, args) = asked.trim_end().strip_suffix(')')?.split_once('(')?;
        Some((name, args, result))
    };
    let (name, args, result) = parts().unwrap_or_else(|| panic!("no call: {text}"));
    let number = result.split(['<', ' ']).next();
    Call {
        name: name.to_owned(),
        args: arguments(args),
        result: number.and_then(|number| number.parse().ok()),
        opened: described(result),
        begin,
        end,
    }
}

/// The arguments of a call, of which some are lists in brackets.
fn arguments(text: &str) -> Vec<String> {
    let mut args = Vec::new();
    let (mut from, mut depth, mut is_string) = (0, 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' => depth -= 1,
            b',' if depth == 0 => {
                args.push(text[from..at].trim().to_owned());
                from = at + 1;
            }
            _ => {}
        }
    }
    let last = text[from..].trim();
    if !last.is_empty() {
        args.push(last.to_owned());
    }
    args
}

/// The text in angle brackets behind a descriptor.
fn described(text: &str) -> Option<PathBuf> {
    if text.starts_with('"') {
        return None;
    }
    let (from, to) = (text.find('<')?, text.rfind('>')?);
    let path = PathBuf::from(OsString::from_vec(unescaped(text.get(from + 1..to)?)));
    Some(without_mark(&path))
}

/// The path of a file that has lost its name has a mark behind it.
fn without_mark(path: &Path) -> PathBuf {
    let text = path.as_os_str().as_encoded_bytes();
    let text = text.strip_suffix(b" (deleted)").unwrap_or(text);
    OsString::from_vec(text.to_vec()).into()
}

/// The bytes of all strings in an argument.
fn strings(arg: &str) -> Vec<u8> {
    arg.split('"').skip(1).step_by(2).flat_map(unescaped).collect()
}

/// `\x41` stands for a byte; anything else for itself.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = match rest {
            [b'\\', b'x', high, low, ..] => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &rest[4..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Call, parse};

    #[test]
    fn a_call_has_its_arguments_and_its_result() {
        let text = r#"12  openat2(5</r>, "\x61\x2f\x62", {flags=O_RDWR|O_CREAT, mode=0666}, 24) = 7<\x2f\x72>
13  sendto(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, "\x00\x22\x0a", 3, MSG_NOSIGNAL, NULL, 0) = 2
13  writev(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, [{iov_base="\x41", iov_len=1}, {iov_base="\x42"}], 2) = 2
12  fsync(7<\x2f\x72\x2f\x62>)     = -1 EIO (Input/output error) (INJECTED)
12  +++ exited with 0 +++"#;
        let calls = parse(text);
        let [open, send, write, sync] = calls.as_slice() else { panic!("{calls:#?}") };
        assert_eq!(open.path_at(0).unwrap(), Path::new("/r/a/b"));
        assert_eq!((open.result, open.opened.as_deref()), (Some(7), Some(Path::new("/r"))));
        assert!(open.has_flag("O_CREAT") && !open.has_flag("O_TRUNC") && open.succeeded());
        assert_eq!(send.moved(1), [0, 0x22]);
        assert_eq!(send.descriptor(0), Some(PathBuf::from("TCP:[127.0.0.1:1->127.0.0.1:2]")));
        assert_eq!((send.number(0), send.begin, send.end), (Some(9), 2, 2));
        assert_eq!(write.moved(1), b"AB");
        assert_eq!(sync.descriptor(0).unwrap(), Path::new("/r/b"));
        assert!(!sync.succeeded());
    }

    #[test]
    fn a_call_interrupted_by_other_threads_is_one_call() {
        let text = r#"1 recvfrom(4<TCP:[a->b]>,  <unfinished ...>
2 unlinkat(AT_FDCWD</d>, "\x2e\x2f\x78", 0 <unfinished ...>
1 <... recvfrom resumed>"\x41\x42", 4096, 0, NULL, NULL) = 2
2 <... unlinkat resumed>)           = 0
3 fsync(4</d> <unfinished ...>
2 +++ killed by SIGKILL +++"#;
        let calls = parse(text);
        let spans: Vec<_> = calls.iter().map(|call| (call.begin, call.end)).collect();
        assert_eq!(spans, [(1, 3), (2, 4), (5, 7)]);
        assert_eq!(calls[0].moved(1), b"AB");
        assert_eq!(calls[1].path_at(0).unwrap(), Path::new("/d/x"));
        let Call { result, .. } = calls[2];
        assert_eq!((result, calls[2].succeeded()), (None, false));
    }
}
