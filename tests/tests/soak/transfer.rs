//! Clients, the versions of files, and the reports of what is done.

use std::fs;
use std::net::SocketAddr;

use ftx_tests::content::{content, write_file};
use ftx_tests::soak::{BLOCK_BYTES, Digest, Load, Owner, Step, Way};
use ftx_tests::{Client, DEADLINE, Direction, Outcome, Process, Proxy};

use super::world::World;

/// Which version of the files of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Old,
    New,
}

/// The files of a step in one version.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) files: Vec<(String, Digest)>,
}

impl Files {
    /// Writes them where clients upload from.
    pub(crate) fn write(world: &World<'_>, step: &Step, version: Version) -> Self {
        let source = world.source();
        let files = (0..).zip(step.load.files()).map(|(index, (name, len))| {
            // The old version shares no block with the new one, or all but the first.
            let seed = step.seed << 8 ^ index << 1;
            let path = source.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_file(&path, content(seed, *len));
            if version == Version::Old {
                let mut bytes = fs::read(&path).unwrap();
                let most = if step.changes_first_block() { BLOCK_BYTES } else { u64::MAX };
                let end = bytes.len().min(usize::try_from(most).unwrap());
                bytes[..end].iter_mut().for_each(|byte| *byte ^= 0xff);
                fs::write(&path, bytes).unwrap();
            }
            (name.clone(), digest(&fs::read(&path).unwrap()))
        });
        Self { files: files.collect() }
    }

    fn digest(&self, name: &str) -> Option<Digest> {
        self.files.iter().find(|(other, _)| other == name).map(|(_, digest)| *digest)
    }
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

pub(crate) fn owner(way: Way) -> Owner {
    match way {
        Way::Up => Owner::Server,
        Way::Down => Owner::Client,
    }
}

pub(crate) fn direction(way: Way) -> Direction {
    match way {
        Way::Up => Direction::ToServer,
        Way::Down => Direction::ToClient,
    }
}

impl World<'_> {
    /// Takes note that these files are on their way.
    pub(crate) fn begin(&mut self, way: Way, files: &Files) {
        for (name, digest) in &files.files {
            self.ledger.begin(owner(way), name, *digest);
        }
    }

    /// The command of a step's transfer.
    pub(crate) fn client(&self, step: &Step, way: Way, addr: SocketAddr) -> Client {
        let client = match way {
            Way::Up => Client::upload(addr),
            Way::Down => Client::download(addr).arg("--out-dir").arg(self.down()),
        };
        let client = self.with_tls(client, step.tls).args(["--json", "--keep-going"]);
        let client = client.dialect(step.dialect.name()).streams(step.streams);
        let client = client.cache_home(self.cache()).current_dir(&self.source());
        match (&step.load, way) {
            (Load::Tree(_), Way::Up) => client.arg(format!("s{}", step.number)),
            (Load::Tree(_), Way::Down) => client.arg(format!("s{}/", step.number)),
            (load, _) => client.args(load.files().iter().map(|(name, _)| name)),
        }
    }

    fn with_tls(&self, client: Client, is_on: bool) -> Client {
        match is_on {
            true => client.args(["--tls", "require", "--fingerprint", &self.fingerprint]),
            false => client.args(["--tls", "off"]),
        }
    }

    /// Waits for a client's end, and takes note of the files that it reported.
    pub(crate) fn note(&mut self, way: Way, files: &Files, client: Process) -> Outcome {
        let outcome = client.wait(DEADLINE);
        self.figures.count(|figures| &figures.transfers);
        for name in reported(&outcome.stdout) {
            let digest = files.digest(&name).unwrap_or_else(|| panic!("{name}: {outcome:#?}"));
            self.ledger.acknowledge(owner(way), &name, digest);
            self.figures.count(|figures| &figures.acknowledged);
        }
        let is_panic = outcome.stderr.contains("panicked") || outcome.code == Some(101);
        assert!(!is_panic, "the client panicked: {outcome:#?}");
        if outcome.code == Some(0) {
            for (name, digest) in &files.files {
                let is_told = self.ledger.is_acknowledged(owner(way), name, *digest);
                assert!(is_told, "exit 0, and {name} was not reported: {outcome:#?}");
            }
        }
        outcome
    }

    /// Runs a transfer to its end without a fault: how many bytes of it were sent.
    pub(crate) fn transfer(&mut self, step: &Step, way: Way, files: &Files) -> u64 {
        let proxy = Proxy::plain(self.server().addr());
        self.begin(way, files);
        let client = self.client(step, way, proxy.addr()).spawn();
        let outcome = self.note(way, files, client);
        let log = self.server().log();
        assert_eq!(outcome.code, Some(0), "nothing is in its way: {outcome:#?}\n{log}");
        self.count_bytes(&proxy);
        proxy.count(direction(way))
    }

    pub(crate) fn count_bytes(&self, proxy: &Proxy) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            self.figures.add(|figures| &figures.bytes, proxy.count(direction));
        }
    }

    /// Removes files from the server.
    pub(crate) fn remove(&mut self, names: &[String]) {
        let addr = self.server().addr().to_string();
        let client = Client::new().arg("rm").arg(addr).args(names).dialect("native");
        let outcome = self.with_tls(client, false).cache_home(self.cache()).run();
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    }
}

/// The names of the files that a client has reported as done so far.
pub(crate) fn reported(stdout: &str) -> Vec<String> {
    let told = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_done = line.get("event")? == "finished";
        is_done.then(|| line.get("name")?.as_str().map(str::to_owned))?
    };
    stdout.lines().filter_map(told).collect()
}
