//! The tokens in memory, and the connections that depend on them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use ftx_core::{AccessToken, TokenId};
use tokio_util::sync::CancellationToken;

use super::login_fault::LoginFault;
use super::token_file::{SecretHash, TokenRecord};

/// One reading of the token file. It never changes.
#[derive(Debug, Default)]
pub(super) struct TokenTable {
    by_id: HashMap<TokenId, Entry>,
}

#[derive(Debug)]
struct Entry {
    record: TokenRecord,
    /// Cancelled when the token is not accepted any more.
    ended: CancellationToken,
}

/// The user of a token, as long as the token is accepted.
pub(super) struct TokenHolder {
    pub(super) user: Arc<str>,
    pub(super) ended: CancellationToken,
}

impl TokenTable {
    /// The table of these tokens. Those that are in the former table too keep their connections.
    pub(super) fn new(records: Vec<TokenRecord>, former: &Self) -> Self {
        let entry = |record: TokenRecord| {
            let kept = former.by_id.get(&record.id).filter(|entry| entry.proves_the_same(&record));
            let ended = kept.map(|entry| entry.ended.clone()).unwrap_or_default();
            (record.id, Entry { record, ended })
        };
        Self { by_id: records.into_iter().map(entry).collect() }
    }

    /// Finds the user of a token.
    ///
    /// # Errors
    /// The token is not accepted.
    pub(super) fn holder(
        &self,
        token: &AccessToken,
        now: SystemTime,
    ) -> Result<TokenHolder, LoginFault> {
        let id = token.id();
        let entry = self.by_id.get(&id).ok_or(LoginFault::UnknownToken { id })?;
        let user = Arc::clone(&entry.record.user);
        match &entry.record.secret_hash {
            None => Err(LoginFault::Revoked { id, user }),
            Some(hash) if !hash.is_of(token) => Err(LoginFault::WrongSecret { id, user }),
            // One that has expired once stays so, even if the clock is set back.
            Some(_) if entry.record.has_expired(now) || entry.ended.is_cancelled() => {
                Err(LoginFault::Expired { id, user })
            }
            Some(_) => Ok(TokenHolder { user, ended: entry.ended.clone() }),
        }
    }

    /// Ends the connections of the tokens that `next`, which is in force instead, does not accept.
    pub(super) fn end_those_without(&self, next: &Self) {
        for (id, entry) in &self.by_id {
            let stays = next.by_id.get(id).is_some_and(|next| next.proves_the_same(&entry.record));
            if !stays {
                entry.ended.cancel();
            }
        }
    }

    /// Ends the connections of the tokens that have expired.
    pub(super) fn end_expired(&self, now: SystemTime) {
        let expired = self.by_id.values().filter(|entry| entry.record.has_expired(now));
        expired.for_each(|entry| entry.ended.cancel());
    }
}

impl Entry {
    /// Whether a holder of this token proves the same with that one. Its time to expire may differ, as in a
    /// file that an administrator has changed.
    fn proves_the_same(&self, other: &TokenRecord) -> bool {
        let hashes: [Option<SecretHash>; 2] = [self.record.secret_hash, other.secret_hash];
        hashes.iter().all(Option::is_some)
            && self.record.secret_hash == other.secret_hash
            && self.record.user == other.user
            && !self.ended.is_cancelled()
    }
}
