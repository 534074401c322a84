//! The state directory: the server's key and certificate, and the tokens of its users.

use std::fs::DirBuilder;
use std::io;
use std::path::Path;

/// Creates a server's state directory for its owner alone, if it is missing, durably.
///
/// # Errors
/// The system refuses.
pub fn create(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync(parent),
        _ => sync(Path::new(".")),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync(dir: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file.
    if cfg!(unix) { std::fs::File::open(dir)?.sync_all() } else { Ok(()) }
}
