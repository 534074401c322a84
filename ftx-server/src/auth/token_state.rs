//! The tokens and certificates in force, and the thread that keeps them up to date.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use ftx_io::ErrorChain;
use tracing::{info, warn};

use super::certificates::Certificates;
use super::legacy_networks::LegacyNetworks;
use super::token_file::{FileStamp, TokenFile, TokenFileError};
use super::token_table::TokenTable;
use super::wall_clock::WallClock;
use crate::access::Access;

/// The time between two looks at the file: changes of tokens apply within a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The tokens and certificates in force.
#[derive(Debug)]
pub(super) struct TokenState {
    file: TokenFile,
    table: ArcSwap<TokenTable>,
    /// Locked while the file is read again.
    seen: Mutex<Seen>,
    pub(super) access: Access,
    pub(super) certificates: Certificates,
    pub(super) legacy_networks: LegacyNetworks,
    pub(super) clock: Arc<dyn WallClock>,
    /// Its end stops the thread that looks at the file.
    _running: mpsc::Sender<()>,
}

/// The last look at the file.
#[derive(Debug, Default)]
struct Seen {
    /// The content that was read, good or damaged; `None` if nothing could be read.
    stamp: Option<Option<FileStamp>>,
    /// The failure that is logged already.
    failure: Option<String>,
}

impl TokenState {
    /// Reads the tokens, and starts the thread that looks at the file.
    ///
    /// # Errors
    /// The tokens cannot be read, or the thread cannot be started.
    pub(super) fn start(
        file: TokenFile,
        access: Access,
        clock: Arc<dyn WallClock>,
    ) -> Result<Arc<Self>, TokenFileError> {
        let (running, stopped) = mpsc::channel();
        let state = Arc::new(Self {
            file,
            table: ArcSwap::default(),
            seen: Mutex::default(),
            access,
            certificates: Certificates::default(),
            legacy_networks: LegacyNetworks::default(),
            clock,
            _running: running,
        });
        state.reload()?;
        let weak = Arc::downgrade(&state);
        let look = move || {
            while stopped.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let Some(state) = weak.upgrade() else { return };
                state.look();
            }
        };
        thread::Builder::new()
            .name("ftx-tokens".to_owned())
            .spawn(look)
            .map_err(|source| TokenFileError::Io { path: state.file.path().to_owned(), source })?;
        Ok(state)
    }

    /// The tokens in force.
    pub(super) fn table(&self) -> Arc<TokenTable> {
        self.table.load_full()
    }

    /// Reads the file again, and ends the connections whose proof is no longer valid.
    ///
    /// # Errors
    /// The file cannot be read or is damaged; its former tokens stay in force.
    pub(super) fn reload(&self) -> Result<(), TokenFileError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let read = self.read(&mut seen);
        self.end_invalid();
        read
    }

    /// Does the same if the file has changed, and logs a failure once.
    fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.file.stamp();
        if stamp.is_err() || stamp.ok() != seen.stamp {
            match self.read(&mut seen) {
                Ok(()) => {
                    seen.failure = None;
                    info!("the tokens were read again");
                }
                Err(error) => {
                    let failure = ErrorChain(&error).to_string();
                    if seen.failure.as_ref() != Some(&failure) {
                        warn!(error = %failure, "the former tokens stay in force");
                    }
                    seen.failure = Some(failure);
                }
            }
        }
        drop(seen);
        self.end_invalid();
    }

    fn read(&self, seen: &mut Seen) -> Result<(), TokenFileError> {
        seen.stamp = None;
        // Before the content: a change between the two is seen at the next look.
        let stamp = self.file.stamp()?;
        let records = self.file.read();
        let can_be_read = !matches!(records, Err(TokenFileError::Io { .. }));
        seen.stamp = can_be_read.then_some(stamp);
        let former = self.table.load_full();
        let next = Arc::new(TokenTable::new(records?, &former));
        self.table.store(Arc::clone(&next));
        former.end_those_without(&next);
        Ok(())
    }

    fn end_invalid(&self) {
        self.table.load().end_expired(self.clock.now());
        self.certificates.refresh(&self.access);
        self.legacy_networks.refresh(&self.access);
    }
}
