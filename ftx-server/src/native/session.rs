//! What the connections of one client share.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::upload::Receiver;
use ftx_core::native::wire::Token;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::lease::Lease;

type ByToken<U> = Mutex<HashMap<Token, Weak<Session<U>>>>;

/// All sessions of a server.
pub(crate) struct Sessions<U> {
    by_token: Arc<ByToken<U>>,
}

/// One client's connections. It ends with the last of them.
pub(super) struct Session<U> {
    token: Token,
    /// Set when nothing more of it is to be begun: the server's grace is over, or the client has come
    /// back with another session in its place.
    pub(super) over: CancellationToken,
    /// Set when its last connection has ended.
    gone: CancellationToken,
    sessions: Weak<ByToken<U>>,
    uploads: Mutex<HashMap<u32, Arc<Upload<U>>>>,
    /// Told when an upload has ended.
    ended: Notify,
    streams: AtomicU32,
}

/// An upload that any connection of the session may bring blocks for.
pub(super) struct Upload<U> {
    pub(super) name: RemoteName,
    pub(super) size: u64,
    pub(super) handle: U,
    receiver: Mutex<Receiver>,
    /// The turn of its source, let go of when the staging is: so it is dropped last.
    pub(super) lease: Option<Lease>,
}

/// Locks for one step. Each step leaves things in order, so a panic elsewhere is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<U> Default for Sessions<U> {
    fn default() -> Self {
        Self { by_token: Arc::default() }
    }
}

impl<U> Sessions<U> {
    /// The session with this token, or a new one without a token; `None` if there is no such session.
    /// `abort` ends it with all others.
    pub(super) fn join(
        &self,
        token: Option<Token>,
        abort: &CancellationToken,
    ) -> Option<Arc<Session<U>>> {
        if let Some(token) = token {
            return lock(&self.by_token).get(&token).and_then(Weak::upgrade);
        }
        let token = random_token()?;
        let session = Arc::new(Session {
            token,
            over: abort.child_token(),
            gone: CancellationToken::new(),
            sessions: Arc::downgrade(&self.by_token),
            uploads: Mutex::default(),
            ended: Notify::new(),
            streams: AtomicU32::new(0),
        });
        lock(&self.by_token).insert(token, Arc::downgrade(&session));
        Some(session)
    }

    /// Begins nothing more of a session, and waits until its last connection has ended.
    pub(super) async fn end(&self, token: Token) {
        let gone = {
            let Some(session) = lock(&self.by_token).get(&token).and_then(Weak::upgrade) else {
                return;
            };
            session.over.cancel();
            session.gone.clone()
        };
        gone.cancelled().await;
    }
}

impl<U> Session<U> {
    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// A number for a connection.
    pub(super) fn new_stream(&self) -> StreamId {
        self.streams.fetch_add(1, Relaxed)
    }

    pub(super) fn upload(&self, request: u32) -> Option<Arc<Upload<U>>> {
        lock(&self.uploads).get(&request).cloned()
    }

    /// Whether a request of this id is an upload under way.
    pub(super) fn has(&self, request: u32) -> bool {
        lock(&self.uploads).contains_key(&request)
    }

    /// Takes an upload in, unless there is one of this id.
    pub(super) fn add(&self, request: u32, upload: &Arc<Upload<U>>) -> bool {
        match lock(&self.uploads).entry(request) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Arc::clone(upload));
                true
            }
        }
    }

    pub(super) fn remove(&self, request: u32) -> Option<Arc<Upload<U>>> {
        let removed = lock(&self.uploads).remove(&request);
        if removed.is_some() {
            self.ended.notify_waiters();
        }
        removed
    }

    /// Whether no upload is under way.
    pub(super) fn is_quiet(&self) -> bool {
        lock(&self.uploads).is_empty()
    }

    /// Waits until no upload is under way on any connection.
    pub(super) async fn quiet(&self) {
        loop {
            // Before looking, so that no end is missed in between.
            let ended = self.ended.notified();
            if self.is_quiet() {
                return;
            }
            ended.await;
        }
    }

    /// Takes note that a connection is no more.
    pub(super) fn lost(&self, stream: StreamId) {
        let uploads: Vec<_> = lock(&self.uploads).values().cloned().collect();
        for upload in uploads {
            upload.receiver().lost(stream);
        }
    }
}

impl<U> Upload<U> {
    pub(super) fn new(
        offered: (RemoteName, u64),
        handle: U,
        receiver: Receiver,
        lease: Option<Lease>,
    ) -> Self {
        let (name, size) = offered;
        Self { name, size, handle, receiver: Mutex::new(receiver), lease }
    }

    /// Leaves its source to the next run, unless this one may come back to it.
    pub(super) fn let_go(&self, is_done: bool) {
        match &self.lease {
            Some(lease) if is_done => lease.done(),
            Some(lease) => lease.lost(),
            None => {}
        }
    }

    pub(super) fn receiver(&self) -> MutexGuard<'_, Receiver> {
        lock(&self.receiver)
    }
}

impl<U> Drop for Session<U> {
    fn drop(&mut self) {
        if let Some(sessions) = self.sessions.upgrade() {
            lock(&sessions).remove(&self.token);
        }
        self.gone.cancel();
    }
}

/// 16 bytes that nobody can guess.
fn random_token() -> Option<Token> {
    let mut token = [0; 16];
    match getrandom::fill(&mut token) {
        Ok(()) => Some(Token(token)),
        Err(error) => {
            warn!(%error, "the system has no random numbers");
            None
        }
    }
}
