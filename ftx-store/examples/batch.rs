//! Measures the cost per small file of publishing in batches: `batch DIR [FILES]`.
//!
//! Prints microseconds a file for each durability, and for creating, writing and renaming alone.
#![allow(clippy::print_stdout, reason = "it is what it is for")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::wire::{Meta, Mtime};
use ftx_store::{BatchFile, BatchPublisher, Durability, Existing, StagingName};

const ROUNDS: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let place = args.next().ok_or("usage: batch DIR [FILES]")?;
    let count = args.next().map_or(Ok(1000), |text| text.to_string_lossy().parse::<u32>())?;
    let temp = tempfile::tempdir_in(place)?;
    let root = Dir::open_ambient_dir(temp.path(), ambient_authority())?;
    for name in ["staging", "target"] {
        root.create_dir(name)?;
    }
    let (staging, target) = (root.open_dir("staging")?, root.open_dir("target")?);
    let names: Vec<PathBuf> = (0..count).map(|i| format!("{i:016x}.data").into()).collect();
    let bytes = vec![7; 4096];

    let clear = || -> Result<(), Box<dyn Error>> {
        names
            .iter()
            .filter(|name| target.exists(name))
            .try_for_each(|name| target.remove_file(name))?;
        Ok(())
    };

    best("create, write, rename", count, clear, || {
        for name in &names {
            staging.write(name, &bytes)?;
            staging.rename(name, &target, name)?;
        }
        Ok(())
    })?;
    for durability in [Durability::None, Durability::Full] {
        let mtime = Mtime::new(1_700_000_000, 0);
        for meta in [Meta::default(), Meta { mtime, executable: true, ..Meta::default() }] {
            let file = |name| BatchFile {
                staging: StagingName::Own(name),
                target_dir: &target,
                target: name,
                bytes: &bytes,
                meta,
                existing: Existing::Replace,
            };
            let files: Vec<_> = names.iter().map(|name: &PathBuf| file(Path::new(name))).collect();
            let publisher = BatchPublisher::new(&staging, durability)?;
            best(&format!("{durability:?}, {meta:?}"), count, clear, || {
                publisher
                    .publish(&files)
                    .into_iter()
                    .try_for_each(|outcome| outcome.map(|_| ()))?;
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Runs it several times and prints the shortest time per file.
fn best(
    what: &str,
    count: u32,
    clear: impl Fn() -> Result<(), Box<dyn Error>>,
    mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        // Replacing files costs differently than creating them.
        clear()?;
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{:8.1} us a file: {what}", best * 1e6 / f64::from(count.max(1)));
    Ok(())
}
