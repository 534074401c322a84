//! A server that runs in this process.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ftx_server::store::local::{LocalStore, LocalStoreConfig};
use ftx_server::store::{LegacyStore, Store};
use ftx_server::{
    Access, Config, Dialects, Monitor, Server, ServerCertificate, ServerTls, TlsFiles,
};
use ftx_store::{Durability, StoreError};
use ftx_tests::{Carrier, ScriptedStream, TestCertificate};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::DEADLINE;
use crate::client::Client;

/// A server with its root. Dropping it shuts it down.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) monitor: Monitor,
    pub(crate) root: TempDir,
    carrier: Carrier,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(set: impl FnOnce(&mut Config)) -> Self {
        Self::in_root(tempfile::tempdir().unwrap(), set)
    }

    /// A server whose clients connect in plain or with TLS.
    pub(crate) fn over(carrier: Carrier) -> Self {
        Self::over_with(carrier, |_| {})
    }

    pub(crate) fn over_with(carrier: Carrier, set: impl FnOnce(&mut Config)) -> Self {
        let mut server = Self::with(|config| {
            config.tls = (carrier == Carrier::Tls).then(|| Arc::new(tls()));
            set(config);
        });
        server.carrier = carrier;
        server
    }

    pub(crate) fn threads(threads: usize) -> Self {
        Self::with(|config| config.threads = NonZeroUsize::new(threads).unwrap())
    }

    pub(crate) fn in_root(root: TempDir, set: impl FnOnce(&mut Config)) -> Self {
        Self::with_store(root, set, |_| {})
    }

    pub(crate) fn with_store(
        root: TempDir,
        set: impl FnOnce(&mut Config),
        set_store: impl FnOnce(&mut LocalStoreConfig),
    ) -> Self {
        Self::serving(root, set, set_store, |store, _| store)
    }

    /// A server of another store, which `wrap` makes of the local one.
    pub(crate) fn serving<S: Store + LegacyStore>(
        root: TempDir,
        set: impl FnOnce(&mut Config),
        set_store: impl FnOnce(&mut LocalStoreConfig),
        wrap: impl FnOnce(LocalStore, Access) -> S + Send + 'static,
    ) -> Self {
        let mut config = Config::default();
        config.timeouts.grace = Duration::from_millis(200);
        set(&mut config);
        let mut store_config = LocalStoreConfig::new(root.path()).for_server(&config);
        store_config.durability = Durability::None;
        set_store(&mut store_config);
        let access = config.access.clone();
        Self::of_store(root, config, move || wrap(open(&store_config), access))
    }

    /// A server of any store, which may use `root`.
    pub(crate) fn of_store<S: Store + LegacyStore>(
        root: TempDir,
        config: Config,
        store: impl FnOnce() -> S + Send + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let addr = listener.local_addr().unwrap();
                let dialects = Dialects::native().with_legacy();
                let server = Server::start(config, store(), dialects).unwrap();
                ready.send((addr, server.monitor())).unwrap();
                let stop = async move { drop(stopped.await) };
                server.run(listener, stop).await;
            });
        });
        let (addr, monitor) = started.recv_timeout(DEADLINE).unwrap();
        let (stop, thread) = (Some(stop), Some(thread));
        Self { addr, monitor, root, carrier: Carrier::Plain, stop, thread }
    }

    pub(crate) fn client(&self) -> Client {
        Client::over(ScriptedStream::connect(self.addr, self.carrier))
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    /// Active connections of all threads.
    pub(crate) fn active(&self) -> usize {
        self.monitor.snapshot().active.iter().sum()
    }

    /// Waits until this process has opened a file of the root.
    pub(crate) fn wait_until_open(&self, name: &str) {
        let path = self.path().canonicalize().unwrap().join(name);
        wait_until(&format!("{name} is open"), || {
            let mut open = fs::read_dir("/proc/self/fd").unwrap().flatten();
            open.any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path))
        });
    }

    /// Asks the server to stop, without waiting for it.
    pub(crate) fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops the server and says how long that took.
    pub(crate) fn stop(mut self) -> (Duration, TempDir) {
        let start = Instant::now();
        self.end();
        let root = std::mem::replace(&mut self.root, tempfile::tempdir().unwrap());
        (start.elapsed(), root)
    }

    fn end(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// TLS with the certificate that scripted clients trust.
fn tls() -> ServerTls {
    let dir = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    let certificate = TestCertificate::get();
    fs::write(&cert, &certificate.cert_pem).unwrap();
    fs::write(&key, &certificate.key_pem).unwrap();
    let certificate = ServerCertificate::Files { cert, key };
    ServerTls::load(TlsFiles { certificate, client_ca: None }).unwrap()
}

/// Opens the store; one that was dropped just now may still be reading its stagings.
fn open(config: &LocalStoreConfig) -> LocalStore {
    let start = Instant::now();
    loop {
        match LocalStore::open(config) {
            Err(StoreError::RootInUse { .. }) if start.elapsed() < DEADLINE => {
                thread::sleep(Duration::from_millis(5));
            }
            opened => return opened.unwrap(),
        }
    }
}

/// Asks again and again until the condition holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
