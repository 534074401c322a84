//! Uploads the files of a directory, many at a time, and continues after failures.
//!
//! ```text
//! cargo run -p ftx-client --example upload_directory -- ADDR DIR
//! ```

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};

use ftx_client::{
    Client, ClientConfig, FileUpload, LocalPath, LocalTree, Observer, RemoteName, ServerAddr,
    TransferError, Transferred, Watch,
};
use walkdir::WalkDir;

/// Prints the result of each file.
struct Results<'a> {
    files: &'a [FileUpload],
    failed: usize,
}

impl Watch for Results<'_> {
    fn begin(&mut self, _file: usize) -> Observer {
        // An observer of this file alone; the default one ignores every event.
        Observer::default()
    }

    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>) {
        let Some(FileUpload { name, .. }) = self.files.get(file) else { return };
        match result {
            Ok(done) if done.already_there => println!("{name}: up to date"),
            Ok(done) => println!("{name}: {} bytes moved", done.moved),
            Err(error) => {
                self.failed += 1;
                eprintln!("{name}: {error}");
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (address, directory) = arguments().ok_or("usage: upload_directory ADDR DIR")?;
    let address: ServerAddr = address.parse()?;
    let files = files(&directory)?;

    let mut client = Client::new(address, ClientConfig::default());
    let mut results = Results { files: &files, failed: 0 };
    client.upload_all(&files, true, &mut results).await?;
    match results.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} files failed", files.len()).into()),
    }
}

/// The regular files below a directory. They are opened beneath its handle, so a file that is replaced by
/// a symbolic link before it is sent is refused.
fn files(directory: &Path) -> Result<Vec<FileUpload>, Box<dyn Error>> {
    let tree = LocalTree::open(directory)?;
    let mut files = Vec::new();
    for entry in WalkDir::new(directory).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            let below = entry.path().strip_prefix(directory)?;
            let name = below.to_str().ok_or_else(|| format!("{} is not UTF-8", below.display()))?;
            files.push(FileUpload {
                path: LocalPath::beneath(&tree, below),
                name: RemoteName::parse(name)?,
            });
        }
    }
    Ok(files)
}

fn arguments() -> Option<(String, PathBuf)> {
    let mut arguments = env::args_os().skip(1);
    let address = arguments.next()?.into_string().ok()?;
    Some((address, arguments.next()?.into()))
}
