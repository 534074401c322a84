//! Sessions: the state that the connections of one client share.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ftx_core::RemoteName;
use ftx_core::native::upload::Receiver;
use ftx_core::native::wire::Token;
use ftx_core::native::{Reason, StreamId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::error::NativeError;
use super::granules::BegunGranules;
use super::sent_manifest::SentManifest;
use super::source_lease::SourceLease;
use crate::auth::Principal;

type SessionsByToken<U> = Mutex<HashMap<Token, Weak<ClientSession<U>>>>;

/// All sessions of a server.
pub(super) struct Sessions<U> {
    by_token: Arc<SessionsByToken<U>>,
}

/// The connections of one client. A session ends with the last of them.
pub(super) struct ClientSession<U> {
    token: Token,
    /// The one for whom all its connections act.
    principal: Principal,
    /// Set when the session may begin nothing more: the grace of a shutdown is over, or the client has
    /// replaced it by a new session.
    pub(super) over: CancellationToken,
    /// Set when the last connection has ended.
    gone: CancellationToken,
    sessions: Weak<SessionsByToken<U>>,
    uploads: Mutex<HashMap<u32, Arc<ActiveUpload<U>>>>,
    pub(super) sent_manifest: SentManifest,
    /// Notified when an upload has ended.
    ended: Notify,
    streams: AtomicU32,
}

/// Why a connection gets no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SessionError {
    /// There is no such session any more.
    #[error("the session has ended; connect without its token")]
    Ended,
    /// The session belongs to another principal.
    #[error("the session was begun with other credentials; connect without its token")]
    OtherPrincipal,
    /// The system has no random numbers for a token.
    #[error("no session can be begun now; connect again later")]
    NoToken,
}

/// An upload, whose blocks may arrive over any connection of the session.
pub(super) struct ActiveUpload<U> {
    pub(super) name: RemoteName,
    pub(super) size: u64,
    pub(super) handle: U,
    receiver: Mutex<Receiver>,
    pub(super) granules: BegunGranules,
    /// The lease of the source. It is the last field, so that it is released after the staging.
    pub(super) lease: Option<SourceLease>,
}

/// Locks for one step. Each step leaves the data in order, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<U> Default for Sessions<U> {
    fn default() -> Self {
        Self { by_token: Arc::default() }
    }
}

impl<U> Sessions<U> {
    /// Begins a session. `abort` ends all sessions.
    ///
    /// # Errors
    /// [`SessionError::NoToken`].
    pub(super) fn begin(
        &self,
        principal: Principal,
        abort: &CancellationToken,
    ) -> Result<Arc<ClientSession<U>>, SessionError> {
        let token = random_token().ok_or(SessionError::NoToken)?;
        let session = Arc::new(ClientSession {
            token,
            principal,
            over: abort.child_token(),
            gone: CancellationToken::new(),
            sessions: Arc::downgrade(&self.by_token),
            uploads: Mutex::default(),
            sent_manifest: SentManifest::default(),
            ended: Notify::new(),
            streams: AtomicU32::new(0),
        });
        lock(&self.by_token).insert(token, Arc::downgrade(&session));
        Ok(session)
    }

    /// Returns the session with this token.
    ///
    /// # Errors
    /// There is no such session, or it belongs to another principal.
    pub(super) fn join(
        &self,
        token: Token,
        principal: &Principal,
    ) -> Result<Arc<ClientSession<U>>, SessionError> {
        let session = lock(&self.by_token).get(&token).and_then(Weak::upgrade);
        let session = session.ok_or(SessionError::Ended)?;
        if session.principal == *principal {
            Ok(session)
        } else {
            Err(SessionError::OtherPrincipal)
        }
    }

    /// Ends a session of this principal, and waits until its last connection has ended. A session of
    /// another principal is left alone.
    pub(super) async fn end(&self, token: Token, principal: &Principal) {
        let gone = {
            let Ok(session) = self.join(token, principal) else { return };
            session.over.cancel();
            session.gone.clone()
        };
        gone.cancelled().await;
    }
}

impl<U> ClientSession<U> {
    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// The one for whom the session's connections act.
    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// A number for a new connection.
    pub(super) fn new_stream(&self) -> StreamId {
        self.streams.fetch_add(1, Relaxed)
    }

    pub(super) fn upload(&self, request: u32) -> Option<Arc<ActiveUpload<U>>> {
        lock(&self.uploads).get(&request).cloned()
    }

    /// Whether an upload has this request id.
    pub(super) fn has(&self, request: u32) -> bool {
        lock(&self.uploads).contains_key(&request)
    }

    /// Adds an upload; `false` if there is one with this request id.
    pub(super) fn add(&self, request: u32, upload: &Arc<ActiveUpload<U>>) -> bool {
        match lock(&self.uploads).entry(request) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(Arc::clone(upload));
                true
            }
        }
    }

    pub(super) fn remove(&self, request: u32) -> Option<Arc<ActiveUpload<U>>> {
        let removed = lock(&self.uploads).remove(&request);
        if removed.is_some() {
            self.ended.notify_waiters();
        }
        removed
    }

    /// Waits until no connection has an upload.
    pub(super) async fn without_uploads(&self) {
        loop {
            // Registered before the check, so that no notification is missed.
            let ended = self.ended.notified();
            if lock(&self.uploads).is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Releases the blocks that a connection was sending when it ended.
    pub(super) fn lost(&self, stream: StreamId) {
        for upload in self.all_uploads() {
            upload.receiver().lost(stream);
        }
    }

    /// The uploads of all connections.
    pub(super) fn all_uploads(&self) -> Vec<Arc<ActiveUpload<U>>> {
        lock(&self.uploads).values().cloned().collect()
    }
}

impl From<SessionError> for NativeError {
    fn from(error: SessionError) -> Self {
        let reason = match error {
            SessionError::Ended => Reason::OutOfStep,
            SessionError::OtherPrincipal => Reason::Unauthorised,
            SessionError::NoToken => Reason::Internal,
        };
        Self::Rejected { reason, message: error.to_string() }
    }
}

impl<U> ActiveUpload<U> {
    pub(super) fn new(
        offered: (RemoteName, u64),
        handle: U,
        receiver: Receiver,
        lease: Option<SourceLease>,
    ) -> Self {
        let (name, size) = offered;
        Self {
            name,
            size,
            handle,
            receiver: Mutex::new(receiver),
            granules: BegunGranules::default(),
            lease,
        }
    }

    /// Releases the lease of the source: to the next run if the upload `is_done`, otherwise after a pause
    /// in which this run may come back.
    pub(super) fn release_lease(&self, is_done: bool) {
        match &self.lease {
            Some(lease) if is_done => lease.end(),
            Some(lease) => lease.suspend(),
            None => {}
        }
    }

    pub(super) fn receiver(&self) -> MutexGuard<'_, Receiver> {
        lock(&self.receiver)
    }
}

impl<U> Drop for ClientSession<U> {
    fn drop(&mut self) {
        if let Some(sessions) = self.sessions.upgrade() {
            lock(&sessions).remove(&self.token);
        }
        self.gone.cancel();
    }
}

/// 16 bytes that cannot be guessed.
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
