//! A writer, its task, and connections that want its staging.

use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_store::{PrefixHasher, StagingFiles};
use tempfile::TempDir;

use super::*;

/// Longer than hashing a few bytes takes.
const LONG: Duration = Duration::from_secs(60);

/// What became of the companion of the staging.
#[derive(Clone, Debug, Default)]
struct Fate(Arc<Mutex<Vec<&'static str>>>);

struct Guard(Fate);

impl StagingGuard for Guard {
    fn removed(self) {
        self.0.add("removed");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.add("dropped");
    }
}

impl Fate {
    fn add(&self, news: &'static str) {
        self.0.lock().unwrap().push(news);
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }

    /// The task ends by itself.
    async fn is(&self, expected: &[&str]) {
        while self.all() != expected {
            tokio::task::yield_now().await;
        }
    }
}

struct Scratch {
    _temp: TempDir,
    dir: Dir,
    fate: Fate,
}

type Started = (StagingWriter<Guard>, StagingHandle<Guard>);

impl Scratch {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        Self { _temp: temp, dir, fate: Fate::default() }
    }

    fn start(&self, executor: &Executor, permits: Option<&Arc<Semaphore>>) -> Started {
        let staging = PrefixStaging::create(&self.dir, files(), "a").unwrap();
        let mut handle = None;
        let guard = |own| {
            handle = Some(own);
            Guard(self.fate.clone())
        };
        let writer = StagingWriter::start(executor, permits, guard, staging).unwrap();
        (writer, handle.unwrap())
    }

    fn data(&self) -> Option<Vec<u8>> {
        self.dir.read(files().data).ok()
    }
}

fn files() -> StagingFiles {
    StagingFiles { data: "a.data".into(), journal: "a.journal".into() }
}

fn on_runtime(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(test());
}

fn is_in_use<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::InUse { .. }))
}

#[test]
fn chunks_arrive_in_order_and_their_buffers_come_back() {
    on_runtime(async || {
        for executor in [Executor::pool(), Executor::inline()] {
            let scratch = Scratch::new();
            let (mut writer, _) = scratch.start(&executor, None);
            let mut spare = Vec::new();
            for piece in 0..100_u8 {
                spare.clear();
                spare.extend([piece; 10]);
                spare = writer.write(spare).await.unwrap();
            }
            assert!(spare.capacity() > 0);
            writer.drain().await.unwrap();
            let expected: Vec<u8> = (0..100_u8).flat_map(|piece| [piece; 10]).collect();
            assert_eq!(scratch.data(), Some(expected));
            let len = writer.finish(|staging, _guard| Ok(staging.len())).await.unwrap();
            assert_eq!((len, scratch.fate.all()), (1000, vec!["dropped"]));
        }
    });
}

/// As many chunks as the memory of an upload allows, while the disk takes none.
#[test]
fn a_writer_waits_when_the_disk_is_behind() {
    on_runtime(async || {
        let scratch = Scratch::new();
        let permits = Arc::new(Semaphore::new(0));
        let (mut writer, _) = scratch.start(&Executor::pool(), Some(&permits));
        for _ in 0..MAX_CHUNKS_IN_FLIGHT {
            writer.write(b"chunk".to_vec()).await.unwrap();
        }
        {
            let mut next = pin!(writer.write(b"chunk".to_vec()));
            let polled = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending));
            permits.add_permits(1);
            next.await.unwrap();
        }
        writer.drain().await.unwrap();
        assert_eq!(scratch.data().unwrap().len(), 5 * (MAX_CHUNKS_IN_FLIGHT + 1));
    });
}

#[test]
fn a_staging_is_taken_with_its_guard_and_its_writer_can_do_no_harm() {
    on_runtime(async || {
        for executor in [Executor::pool(), Executor::inline()] {
            let scratch = Scratch::new();
            let (mut writer, handle) = scratch.start(&executor, None);
            writer.write(b"hello".to_vec()).await.unwrap();
            // Taken behind the chunk in flight.
            let short = PrefixHasher::of(b"he");
            assert!(handle.take_at(&short).await.is_none(), "more has arrived");
            writer.drain().await.unwrap();
            let hashed = handle.hash_all(Instant::now() + LONG).unwrap();
            assert_eq!(hashed.len(), 4);
            let (staging, guard) = handle.take_at(&hashed).await.unwrap();
            assert_eq!((staging.len(), staging.hasher().len()), (5, 4));
            assert!(is_in_use(writer.drain().await));
            assert!(is_in_use(writer.write(b"more".to_vec()).await));
            assert!(is_in_use(writer.drain().await), "it is in use for good");
            assert!(is_in_use(writer.suspend().await));
            assert!(handle.take_at(&hashed).await.is_none());
            assert!(handle.hash_all(Instant::now() + LONG).is_none());
            assert_eq!((scratch.data().unwrap(), scratch.fate.all()), (b"hello".to_vec(), vec![]));
            drop((staging, guard));
        }
    });
}

#[test]
fn a_dropped_writer_leaves_what_is_of_use() {
    on_runtime(async || {
        let scratch = Scratch::new();
        let (writer, handle) = scratch.start(&Executor::pool(), None);
        drop(writer);
        scratch.fate.is(&["removed", "dropped"]).await;
        assert_eq!(scratch.data(), None);
        assert!(handle.take_at(&PrefixHasher::new()).await.is_none());

        let scratch = Scratch::new();
        let (mut writer, _) = scratch.start(&Executor::pool(), None);
        writer.write(b"hello".to_vec()).await.unwrap();
        drop(writer);
        scratch.fate.is(&["dropped"]).await;
        assert_eq!(scratch.data().unwrap(), b"hello");
        // Its files were closed before.
        drop(PrefixStaging::create(&scratch.dir, files(), "a").unwrap());
    });
}

#[test]
fn a_panic_at_the_end_releases_the_staging() {
    on_runtime(async || {
        let scratch = Scratch::new();
        let (mut writer, _) = scratch.start(&Executor::pool(), None);
        writer.write(b"hello".to_vec()).await.unwrap();
        let failed = writer.finish(|_, _| -> Result<(), _> { panic!("as the test wants") }).await;
        assert!(matches!(failed, Err(StoreError::Io { .. })), "{failed:?}");
        scratch.fate.is(&["dropped"]).await;
        drop(PrefixStaging::create(&scratch.dir, files(), "a").unwrap());
    });
}

#[test]
fn a_small_file_gets_its_staging_at_the_end() {
    on_runtime(async || {
        let scratch = Scratch::new();
        let (dir, fate) = (scratch.dir.try_clone().unwrap(), scratch.fate.clone());
        let make = move || Ok((PrefixStaging::create(&dir, files(), "a")?, Guard(fate)));
        let mut writer = StagingWriter::deferred(&Executor::inline(), make);
        for piece in [b"he".to_vec(), b"llo".to_vec()] {
            writer.write(piece).await.unwrap();
        }
        writer.drain().await.unwrap();
        assert_eq!(scratch.data(), None);
        writer.finish(|staging, _guard| staging.suspend()).await.unwrap();
        assert_eq!(scratch.data().unwrap(), b"hello");
    });
}
