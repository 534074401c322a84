//! The client certificates of users, and the connections that depend on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ftx_io::Fingerprint;
use tokio_util::sync::CancellationToken;

use super::login_fault::LoginFault;
use crate::access::{Access, AccessPolicy};

/// The certificates of the policy in force.
#[derive(Debug, Default)]
pub(super) struct Certificates(Mutex<Current>);

#[derive(Debug, Default)]
struct Current {
    policy: Arc<AccessPolicy>,
    /// `None` for a certificate of several users.
    by_key: HashMap<Fingerprint, Option<CertificateHolder>>,
}

/// The user of a certificate, as long as the certificate is the user's.
#[derive(Clone, Debug)]
pub(super) struct CertificateHolder {
    pub(super) user: Arc<str>,
    pub(super) ended: CancellationToken,
}

impl Certificates {
    /// Finds the user of a certificate.
    ///
    /// # Errors
    /// It is not the certificate of exactly one user.
    pub(super) fn holder(
        &self,
        access: &Access,
        key: Fingerprint,
    ) -> Result<CertificateHolder, LoginFault> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.follow(&access.current());
        match current.by_key.get(&key) {
            Some(Some(holder)) => Ok(holder.clone()),
            Some(None) => Err(LoginFault::SharedCertificate { key }),
            None => Err(LoginFault::UnknownCertificate { key }),
        }
    }

    /// Ends the connections of the certificates that are not their users' any more.
    pub(super) fn refresh(&self, access: &Access) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).follow(&access.current());
    }
}

impl Current {
    /// Takes over the policy in force, if it is a new one.
    fn follow(&mut self, policy: &Arc<AccessPolicy>) {
        if Arc::ptr_eq(&self.policy, policy) {
            return;
        }
        let mut by_key: HashMap<_, Option<CertificateHolder>> = HashMap::new();
        for (user, settings) in &policy.users {
            for key in &settings.certificates {
                let holder = self.holder_of(*key, user);
                let known = by_key.entry(*key).or_insert_with(|| Some(holder));
                if known.as_ref().is_some_and(|known| known.user != *user) {
                    *known = None;
                }
            }
        }
        for (key, former) in &self.by_key {
            let Some(former) = former else { continue };
            let next = by_key.get(key).and_then(Option::as_ref);
            if next.is_none_or(|next| next.user != former.user) {
                former.ended.cancel();
            }
        }
        *self = Self { policy: Arc::clone(policy), by_key };
    }

    /// The holder, who keeps the connections of a former reading.
    fn holder_of(&self, key: Fingerprint, user: &Arc<str>) -> CertificateHolder {
        let former = self.by_key.get(&key).and_then(Option::as_ref);
        let former = former.filter(|holder| holder.user == *user).cloned();
        former.unwrap_or_else(|| CertificateHolder {
            user: Arc::clone(user),
            ended: CancellationToken::new(),
        })
    }
}
