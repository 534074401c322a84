//! Many clients, one name, no order: whatever they do, the file is one client's, whole.

use std::path::PathBuf;

use ftx_core::RemoteName;
use ftx_io::Executor;
use ftx_server::store::local::{LocalOffer, LocalStore, LocalUpload};
use ftx_server::store::{LegacyBegin, LegacyOffer, LegacyStore as _, LegacyUpload as _, Refusal};
use tempfile::tempdir;

use crate::{ALL, content, md5, name, open};

const LEN: usize = 700_000;

/// Names that are fought for at the same time, since who asks for one that is written to waits.
const NAMES: u64 = 64;

const CLIENTS: usize = 4;

const TURNS: usize = 120;

/// A client's unfinished operation.
#[allow(clippy::large_enum_variant)] // a handful of them, in a test
enum Step {
    Nothing,
    LegacyOffer(LegacyOffer<LocalOffer>),
    Writing(Box<LocalUpload>, usize),
}

struct Client {
    name: RemoteName,
    /// Which of the contents it uploads; equal beginnings, different ends.
    bytes: Vec<u8>,
    step: Step,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn contents() -> Vec<Vec<u8>> {
    let base = content(1, LEN);
    [LEN, 300_000, 500_000, 600_000]
        .into_iter()
        .enumerate()
        .map(|(seed, common)| {
            let mut bytes = content(seed as u64 + 10, LEN - seed * 1000);
            let common = common.min(bytes.len());
            bytes[..common].copy_from_slice(&base[..common]);
            bytes
        })
        .collect()
}

impl Client {
    async fn act(&mut self, store: &LocalStore, dice: &mut Dice) -> Result<(), Refusal> {
        self.step = match std::mem::replace(&mut self.step, Step::Nothing) {
            Step::Nothing => {
                Step::LegacyOffer(store.offer_prefix(&Executor::pool(), &self.name, ALL).await?)
            }
            Step::LegacyOffer(offered) => self.begin(store, offered).await?,
            Step::Writing(mut upload, at) => {
                let end =
                    self.bytes.len().min(at + 1 + usize::try_from(dice.below(200_000)).unwrap());
                upload.write(&Executor::pool(), self.bytes[at..end].to_vec()).await?;
                match dice.below(12) {
                    0..3 => upload.suspend(&Executor::pool()).await.map(|()| Step::Nothing)?,
                    3 => Step::Nothing,
                    _ if end == self.bytes.len() => {
                        upload.publish(&Executor::pool()).await?;
                        Step::Nothing
                    }
                    _ => Step::Writing(upload, end),
                }
            }
        };
        Ok(())
    }

    async fn begin(
        &mut self,
        store: &LocalStore,
        offered: LegacyOffer<LocalOffer>,
    ) -> Result<Step, Refusal> {
        let held = offered.held.map(|held| (usize::try_from(held.len).unwrap(), held.md5));
        let ours =
            held.filter(|(len, held)| *len < self.bytes.len() && md5(&self.bytes[..*len]) == *held);
        let (begin, at) = match ours {
            Some((len, _)) => (LegacyBegin::Resume(offered.offer), len),
            None => (LegacyBegin::Anew(offered.offer), 0),
        };
        let len = (self.bytes.len() - at) as u64;
        let upload = store.begin(&Executor::pool(), &self.name, begin, len).await?;
        Ok(Step::Writing(Box::new(upload), at))
    }
}

/// One name's clients; says how often a file was there.
async fn rounds(store: LocalStore, root: PathBuf, seed: u64) -> usize {
    let file = format!("{seed}.bin");
    let contents = contents();
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|index| Client {
            name: name(&file),
            bytes: contents[index % contents.len()].clone(),
            step: Step::Nothing,
        })
        .collect();
    let mut seen = 0;
    for turn in 0..TURNS {
        let index = usize::try_from(dice.below(CLIENTS as u64)).unwrap();
        match clients[index].act(&store, &mut dice).await {
            // It was overtaken, and would ask again.
            Ok(()) => {}
            Err(error) if error.is_stale() => {}
            Err(error) => panic!("seed {seed}, turn {turn}: {error}"),
        }
        if let Ok(found) = std::fs::read(root.join(&file)) {
            seen += 1;
            assert!(contents.contains(&found), "seed {seed}, turn {turn}: client {index}");
        }
    }
    drop(clients);
    crate::put(&store, &file, b"the end").await;
    seen
}

#[tokio::test]
async fn the_file_is_always_one_intact_version() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let tasks: Vec<_> = (1..=NAMES)
        .map(|seed| tokio::spawn(rounds(store.clone(), root.path().to_owned(), seed)))
        .collect();
    let mut seen = 0;
    for task in tasks {
        seen += task.await.unwrap();
    }
    assert!(seen > 0, "nothing was published");
}
