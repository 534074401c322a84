//! The server as tests see it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::connection::Traffic;
use crate::fault::Rule;
use crate::operation::Operation;
use crate::rules::{FaultHandle, Rules};
use crate::server::HttpServer;
use crate::service::{StoreAccess, StoreService};
use crate::settings::{KeyPair, StoreSettings};
use crate::store::MemoryStore;

/// The most threads that serve requests.
const MAX_WORKERS: usize = 8;

/// How a server starts.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The address. Port 0 leaves the choice of the port to the system.
    pub address: SocketAddr,
    /// The bucket that exists from the start.
    pub bucket: String,
    /// The key pair that requests are signed with.
    pub credentials: KeyPair,
    /// The behaviour of the server.
    pub settings: StoreSettings,
}

impl Default for Launch {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            bucket: "test-bucket".into(),
            credentials: KeyPair::default(),
            settings: StoreSettings::default(),
        }
    }
}

/// A server that runs until the value is dropped.
///
/// It has threads and a clock of its own, so tests may pause the clock of their runtime.
pub struct FakeS3 {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) bucket: String,
    address: SocketAddr,
    credentials: KeyPair,
    rules: Arc<Rules>,
    traffic: Arc<Traffic>,
    stop: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl FakeS3 {
    /// Starts a server with an empty bucket.
    ///
    /// # Panics
    /// If the system refuses a socket or a thread, without which no test can go on.
    #[allow(clippy::expect_used, reason = "it is for tests alone")]
    pub async fn start() -> Self {
        Self::launch(Launch::default()).expect("no fake S3")
    }

    /// Starts a server with other settings.
    ///
    /// # Panics
    /// As [`start`](Self::start) does.
    #[allow(clippy::expect_used, reason = "it is for tests alone")]
    pub async fn start_with(settings: StoreSettings) -> Self {
        Self::launch(Launch { settings, ..Launch::default() }).expect("no fake S3")
    }

    /// Starts a server.
    ///
    /// # Errors
    /// If the address is taken, or the system refuses a socket or a thread.
    pub fn launch(launch: Launch) -> io::Result<Self> {
        let listener = StdListener::bind(launch.address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let store = Arc::new(MemoryStore::new(launch.settings));
        store.lock().create_bucket(&launch.bucket);
        let (rules, traffic) = (Arc::new(Rules::default()), Arc::new(Traffic::default()));

        let mut service = S3ServiceBuilder::new(StoreService(Arc::clone(&store)));
        let KeyPair { access_key, secret_key } = launch.credentials.clone();
        service.set_auth(SimpleAuth::from_single(access_key, secret_key));
        service.set_access(StoreAccess(Arc::clone(&store)));
        let server = Arc::new(HttpServer {
            s3: service.build(),
            rules: Arc::clone(&rules),
            traffic: Arc::clone(&traffic),
        });
        Ok(Self {
            store,
            bucket: launch.bucket,
            address,
            credentials: launch.credentials,
            rules,
            traffic,
            stop: Some(spawn(server, listener)?),
        })
    }

    /// Returns the URL of the server, which takes requests in path style.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the name of the bucket that existed from the start. All methods mean this one.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns the key pair that requests are signed with.
    pub fn credentials(&self) -> &KeyPair {
        &self.credentials
    }

    /// Changes the settings for the requests to come.
    pub fn configure(&self, change: impl FnOnce(&mut StoreSettings)) {
        change(&mut self.store.lock().settings);
    }

    /// Sets a rule. Where several rules strike a request, they do so in the order in which they
    /// were set.
    pub fn fault(&self, rule: Rule) -> FaultHandle {
        self.rules.add(rule)
    }

    /// Removes all rules. Requests that they hold go on.
    pub fn clear_faults(&self) {
        self.rules.clear();
    }

    /// Returns how many requests for the operation have arrived.
    pub fn count(&self, operation: Operation) -> u64 {
        self.traffic.requests(operation)
    }

    /// Returns how many requests have arrived.
    pub fn count_all(&self) -> u64 {
        Operation::ALL.into_iter().map(|operation| self.count(operation)).sum()
    }

    /// Returns the number of connections that are open.
    pub fn open_connections(&self) -> u64 {
        load(&self.traffic.open_connections)
    }

    /// Returns the number of connections that were accepted.
    pub fn accepted_connections(&self) -> u64 {
        load(&self.traffic.accepted_connections)
    }

    /// Returns the bytes that were received, with the heads of requests.
    pub fn bytes_in(&self) -> u64 {
        load(&self.traffic.bytes_in)
    }

    /// Returns the bytes that were sent, with the heads of responses. They are counted after they
    /// have been sent, so a client may have seen bytes that are not counted yet.
    pub fn bytes_out(&self) -> u64 {
        load(&self.traffic.bytes_out)
    }

    /// Moves the times of all objects and uploads into the past.
    pub fn age(&self, by: Duration) {
        if let Ok(bucket) = self.store.lock().bucket(&self.bucket) {
            bucket.age(by);
        }
    }
}

impl Drop for FakeS3 {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.stop.take() {
            drop(stop);
            // When the thread has ended, the port is closed, and so are all connections.
            let _ = thread.join();
        }
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::SeqCst)
}

/// Runs the server on threads of its own until the returned sender is dropped.
fn spawn(
    server: Arc<HttpServer>,
    listener: StdListener,
) -> io::Result<(oneshot::Sender<()>, JoinHandle<()>)> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    let runtime: Runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("fake-s3")
        .enable_all()
        .build()?;
    let listener = {
        let _entered = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new().name("fake-s3".into()).spawn(move || {
        // The end of the sender is the signal, so either outcome means the same.
        let _ = runtime.block_on(async {
            tokio::spawn(server.run(listener));
            stopped.await
        });
    })?;
    Ok((stop, thread))
}
