//! Programs under strace(1): their system calls in order, and injected failures.

mod record;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub use self::record::Call;
pub(crate) use self::record::parse;
use crate::loopfs::is_program;
use crate::wait::{DEADLINE, within};

/// The calls that are recorded: those that change names or contents, that sync, and that speak to a
/// peer. `read` is left out: sockets are not read by it here, and large files are.
const TRACED: &str = "open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,\
    symlink,symlinkat,unlink,unlinkat,rmdir,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,\
    sendfile,splice,truncate,ftruncate,fallocate,fsync,fdatasync,syncfs,sendto,sendmsg,recvfrom,recvmsg,\
    readv,exit_group";

/// Bytes of a string that are recorded: more than any program here hands over at a time.
const STRING_BYTES: usize = 4 << 20;

/// A record that is made of one process.
#[derive(Debug)]
pub struct Strace {
    dir: TempDir,
    injected: Vec<String>,
    only_injected: bool,
}

impl Default for Strace {
    fn default() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), injected: Vec::new(), only_injected: false }
    }
}

impl Strace {
    /// Why nothing can be recorded on this machine, if nothing can be.
    #[must_use]
    pub fn missing() -> Option<String> {
        if !is_program("strace") {
            return Some("no program strace".into());
        }
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"]);
        let works = command.stdin(Stdio::null()).stderr(Stdio::null()).status();
        (!works.is_ok_and(|status| status.success())).then(|| "strace may not trace".into())
    }

    /// Has calls fail or wait, by an expression such as `fsync:error=EIO:when=2`. The system counts the
    /// calls of each thread for itself.
    #[must_use]
    pub fn inject(mut self, expression: &str) -> Self {
        self.injected.push(expression.into());
        self
    }

    /// Records only the calls that are made to fail, without their strings, for a program that is to
    /// run at speed.
    #[must_use]
    pub fn only_injected(mut self) -> Self {
        self.only_injected = true;
        self
    }

    /// How many calls were made to fail so far.
    #[must_use]
    pub fn injections(&self) -> usize {
        let text = fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().filter(|line| line.ends_with("(INJECTED)")).count()
    }

    /// Words in front of a program and its arguments to have it recorded. The program stays the child of
    /// the process that starts it: it has the process id, gets the signals and gives the exit code.
    #[must_use]
    pub fn prefix(&self) -> Vec<OsString> {
        // A call that is to fail has to be traced.
        let injected = self.injected.iter().filter_map(|expression| expression.split(':').next());
        let (recorded, strings) =
            if self.only_injected { (None, 0) } else { (Some(TRACED), STRING_BYTES) };
        let traced = recorded.into_iter().chain(injected).collect::<Vec<_>>().join(",");
        let (traced, strings) = (format!("trace={traced}"), strings.to_string());
        let mut prefix: Vec<OsString> =
            ["strace", "-D", "-f", "--seccomp-bpf", "-q", "-yy", "-xx", "-s", &strings, "-e"]
                .map(Into::into)
                .into();
        prefix.extend([traced.into(), "-e".into(), "signal=none".into(), "-o".into()]);
        prefix.push(self.file().into());
        for expression in &self.injected {
            prefix.extend(["-e".into(), format!("inject={expression}").into()]);
        }
        prefix.push("--".into());
        prefix
    }

    /// The recorded calls, once the process has ended.
    ///
    /// # Panics
    /// If it does not end.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let whole = within(DEADLINE, || {
            let text = fs::read_to_string(self.file()).ok()?;
            let (first, last) = (text.lines().next()?, text.lines().next_back()?);
            let process = first.split(' ').next()?;
            last.strip_prefix(process)?.trim_start().starts_with("+++ ").then_some(text)
        });
        parse(&whole.expect("the recorded process still runs"))
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("record")
    }
}
