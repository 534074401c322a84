//! A file that another program writes to through a shared mapping.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Maps the file named by its argument, and stores the bytes read from its input. Rust cannot map a file
/// without `unsafe`.
const PROGRAM: &str = "
import mmap, sys
with open(sys.argv[1], 'r+b') as file:
    memory = mmap.mmap(file.fileno(), 0)
for line in sys.stdin:
    offset, byte = map(int, line.split())
    memory[offset] = byte
    print('stored', flush=True)
";

/// A shared mapping of a file, in a process of its own.
#[derive(Debug)]
pub struct Mapping {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Mapping {
    /// Maps the whole of a file, which must not be empty.
    ///
    /// # Panics
    /// If python3 cannot be started.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", PROGRAM]).arg(path);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed");
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    /// Stores a byte, and returns when it is in the file.
    ///
    /// # Panics
    /// If the program has failed.
    pub fn store(&mut self, offset: u64, byte: u8) {
        writeln!(self.stdin, "{offset} {byte}").unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, "stored\n");
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
