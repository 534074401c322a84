//! The power is cut at random moments: each file acknowledged before is there, whole; any other file is
//! old, new or absent.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ftx_tests::content::{Content, content, write_file};
use ftx_tests::{Client, DEADLINE, LoopFs, Process, Random, Server, seed, within};
use tempfile::{TempDir, tempdir};

use super::setting::{make_empty, reported_names};

/// A name, and the case to run on one file system.
type Moment = (&'static str, fn(&mut LoopFs));

pub(crate) const CASES: [Moment; 5] = [
    ("uploads, native", |fs| transfers(fs, true, "native")),
    ("uploads, legacy", |fs| transfers(fs, true, "legacy")),
    ("downloads, native", |fs| transfers(fs, false, "native")),
    ("downloads, legacy", |fs| transfers(fs, false, "legacy")),
    ("removals", removals),
];

/// Cuts of one case.
const CUTS: u64 = 4;

/// Files that are moved in each round; every fourth is new then.
const FILES: u64 = 24;

/// The longest time between the awaited state and the cut.
const LONGEST: Duration = Duration::from_millis(25);

/// A server on one side, a directory on the other, and the disk that is cut on one of the two.
struct Stream<'a> {
    fs: &'a mut LoopFs,
    upload: bool,
    dialect: &'static str,
    /// The side that is not cut.
    other: TempDir,
    random: Random,
    run: String,
}

/// The name of a file; in the legacy dialect an upload has no directories.
fn name(index: u64, round: u64, is_flat: bool) -> String {
    let (dir, file) = match index % 4 {
        0 => (format!("new{round}"), format!("{index}-{round}")),
        part => (format!("d{part}"), index.to_string()),
    };
    if is_flat { format!("{dir}-{file}") } else { format!("t/{dir}/{file}") }
}

fn version(index: u64, round: u64) -> Content {
    let len = match index % 8 {
        3 => 1_500_000,
        5 => 200_000,
        _ => index * 97,
    };
    content(index << 32 | round, len + round)
}

fn transfers(fs: &mut LoopFs, upload: bool, dialect: &'static str) {
    let (seed, other) = (seed(), tempdir().unwrap());
    let way = if upload { "up" } else { "down" };
    let run = format!("{}, {way}, {dialect}, FTX_TEST_SEED={seed}", fs.kind().name());
    make_empty(&fs.path().join("case"));
    let mut stream = Stream { fs, upload, dialect, other, random: Random::new(seed), run };
    for round in 0..CUTS {
        stream.round(round);
    }
}

impl Stream<'_> {
    fn is_flat(&self) -> bool {
        self.upload && self.dialect == "legacy"
    }

    fn names(&self, round: u64) -> Vec<String> {
        (0..FILES).map(|index| name(index, round, self.is_flat())).collect()
    }

    fn server(&self) -> Server {
        let disk = self.fs.path().join("case");
        Server::start(if self.upload { &disk } else { self.other.path() })
    }

    fn client(&self, addr: SocketAddr, round: u64) -> Process {
        let disk = self.fs.path().join("case");
        let client = match (self.upload, self.dialect) {
            (true, "native") => Client::upload(addr).arg("t"),
            (true, _) => Client::upload(addr).args(self.names(round)),
            (false, "native") => Client::download(addr).arg("t/"),
            (false, _) => Client::download(addr).args(self.names(round)),
        };
        let client = client.dialect(self.dialect).args(["--json", "--no-cache"]);
        match self.upload {
            true => client.current_dir(self.other.path()).spawn(),
            false => client.arg("--out-dir").arg(disk).spawn(),
        }
    }

    fn round(&mut self, round: u64) {
        let source = self.other.path().to_owned();
        for index in 0..FILES {
            let path = source.join(name(index, round, self.is_flat()));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_file(&path, version(index, round));
        }
        let mut server = self.server();
        let mut client = self.client(server.addr(), round);
        let told = cut_at_random(self.fs, &mut self.random, &mut client, "finished");
        client.kill();
        server.kill();
        self.fs.restore();
        self.check(round, &told);

        // Resumed and up-to-date files are as safe as the rest.
        let mut server = self.server();
        let outcome = self.client(server.addr(), round).wait(DEADLINE);
        self.fs.cut();
        assert_eq!(outcome.code, Some(0), "{}, round {round}: {outcome:#?}", self.run);
        server.kill();
        self.fs.restore();
        self.check(round, &self.names(round).into_iter().collect());
        // A tree is sent whole; files of it that are old on the server are then sent no more.
        for name in self.names(round).iter().step_by(4) {
            fs::remove_file(source.join(name)).unwrap();
        }
    }

    /// Of each file there is one version, and the new one of each that was acknowledged.
    fn check(&self, round: u64, told: &BTreeSet<String>) {
        for index in 0..FILES {
            let name = name(index, round, self.is_flat());
            let found = fs::read(self.fs.path().join("case").join(&name)).ok();
            let is_new = found.as_ref() == Some(&version(index, round).bytes());
            let is_old = match (round, index % 4) {
                (0, _) | (_, 0) => found.is_none(),
                _ => found.as_ref() == Some(&version(index, round - 1).bytes()),
            };
            let run = format!("{}, round {round}: {name}", self.run);
            assert!(is_new || is_old, "{run} is a mixture, or lost: {:?}", found.map(|f| f.len()));
            assert!(is_new || !told.contains(&name), "{run} was acknowledged, and is lost");
        }
    }
}

/// Cuts the power when a random number of files is acknowledged, or a little later: which ones are by then.
fn cut_at_random(
    fs: &mut LoopFs,
    random: &mut Random,
    client: &mut Process,
    event: &str,
) -> BTreeSet<String> {
    let files = random.below(FILES);
    let pause = Duration::from_micros(random.below(LONGEST.as_micros().try_into().unwrap()));
    within(DEADLINE, || {
        let is_over = client.ended().is_some();
        let told = reported_names(event, &client.stdout()).len() as u64;
        (is_over || told >= files).then_some(())
    })
    .expect("the transfers stand still");
    // Not to wait for anything: any moment will do.
    std::thread::sleep(pause);
    let told = reported_names(event, &client.stdout());
    fs.cut();
    told.into_iter().collect()
}

fn removals(fs: &mut LoopFs) {
    let seed = seed();
    let run = format!("{}, removals, FTX_TEST_SEED={seed}", fs.kind().name());
    let mut random = Random::new(seed);
    let disk = fs.path().join("case");
    let names: Vec<String> = (0..FILES).map(|index| format!("{}/{index}", index % 3)).collect();
    for _ in 0..CUTS {
        make_empty(&disk);
        for (index, name) in (0..).zip(&names) {
            fs::create_dir_all(disk.join(name).parent().unwrap()).unwrap();
            write_file(&disk.join(name), content(index, 1000));
        }
        fs.sync();
        let mut server = Server::start(&disk);
        let mut client = remove(server.addr(), &names);
        let told = cut_at_random(fs, &mut random, &mut client, "removed");
        client.kill();
        server.kill();
        fs.restore();
        let left: Vec<String> =
            names.iter().filter(|name| is_whole(&disk, name)).cloned().collect();
        let back: Vec<_> = left.iter().filter(|name| told.contains(*name)).collect();
        assert!(back.is_empty(), "{run}: {back:?} were removed, and are there again");
        if !left.is_empty() {
            let outcome = remove(server.restart().addr(), &left).wait(DEADLINE);
            assert_eq!(outcome.code, Some(0), "{run}: {outcome:#?}");
        }
    }
}

fn remove(addr: SocketAddr, names: &[String]) -> Process {
    Client::new().arg("rm").arg(addr.to_string()).args(names).arg("--json").spawn()
}

/// Whether the file is there; half of it must not be.
fn is_whole(disk: &Path, name: &str) -> bool {
    let found = fs::read(disk.join(name)).ok();
    assert!(found.as_ref().is_none_or(|bytes| bytes.len() == 1000), "half of {name} is there");
    found.is_some()
}
