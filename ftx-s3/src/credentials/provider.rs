//! Finds the credentials, keeps them, and replaces them in time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::shared_file::{self, FileFault};
use super::{CredentialSource, INSTANCE_METADATA, S3Credentials, environment, instance_metadata};
use crate::error::{Problem, S3ErrorKind};
use crate::transport::HttpClient;

/// The time before their expiry at which credentials are replaced. The metadata service has the next
/// ones five minutes before.
const REPLACE_BEFORE: Duration = Duration::from_secs(4 * 60);

/// The pause after a vain attempt to replace credentials that are still valid.
const REPLACE_AGAIN: Duration = Duration::from_secs(20);

/// Credentials, and their expiry if they have one.
pub(super) struct HeldCredentials {
    pub(super) credentials: Arc<S3Credentials>,
    pub(super) expires: Option<SystemTime>,
}

impl HeldCredentials {
    fn lasting(credentials: S3Credentials) -> Self {
        Self { credentials: Arc::new(credentials), expires: None }
    }

    fn expires_within(&self, time: Duration, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now + time)
    }
}

/// The credentials of a bucket, which all its requests share.
pub(crate) struct CredentialProvider {
    source: CredentialSource,
    metadata_client: HttpClient,
    state: Mutex<ProviderState>,
}

#[derive(Default)]
struct ProviderState {
    held: Option<HeldCredentials>,
    /// Valid credentials are not replaced before.
    not_before: Option<Instant>,
}

impl CredentialProvider {
    /// The client is for the metadata service. It answers at once, or does not exist.
    pub(crate) fn new(source: CredentialSource, metadata_client: HttpClient) -> Self {
        Self { source, metadata_client, state: Mutex::default() }
    }

    /// Returns credentials that are valid.
    pub(crate) async fn current(&self) -> Result<Arc<S3Credentials>, Problem> {
        let mut state = self.state.lock().await;
        let now = SystemTime::now();
        let may_wait = state.not_before.is_some_and(|time| Instant::now() < time);
        if let Some(held) = &state.held
            && (!held.expires_within(REPLACE_BEFORE, now)
                || (may_wait && !held.expires_within(Duration::ZERO, now)))
        {
            return Ok(Arc::clone(&held.credentials));
        }
        match (self.find().await, &state.held) {
            (Ok(found), _) => {
                let credentials = Arc::clone(&found.credentials);
                *state = ProviderState { held: Some(found), not_before: None };
                Ok(credentials)
            }
            (Err(problem), Some(held)) if !held.expires_within(Duration::ZERO, now) => {
                tracing::warn!("the credentials cannot be replaced yet: {problem}");
                let credentials = Arc::clone(&held.credentials);
                state.not_before = Some(Instant::now() + REPLACE_AGAIN);
                Ok(credentials)
            }
            (Err(problem), _) => Err(problem),
        }
    }

    /// Looks for other credentials than these, which the store has refused. Returns whether there are
    /// any.
    pub(crate) async fn replace(&self, refused: &Arc<S3Credentials>) -> bool {
        {
            let mut state = self.state.lock().await;
            // Another request may have replaced them in the meantime.
            if state.held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.credentials, refused)) {
                *state = ProviderState::default();
            }
        }
        self.current().await.is_ok_and(|found| *found != **refused)
    }

    async fn find(&self) -> Result<HeldCredentials, Problem> {
        match &self.source {
            CredentialSource::Fixed(credentials) => {
                Ok(HeldCredentials::lasting(credentials.clone()))
            }
            CredentialSource::Environment => {
                let found = environment::read(environment::variable);
                found.map(HeldCredentials::lasting).map_err(|name| lacking(&unset(name)))
            }
            CredentialSource::File { path, profile } => {
                let found = read_file(path.clone(), profile.clone()).await;
                found.map(HeldCredentials::lasting).map_err(|fault| lacking(&fault.into_text()))
            }
            CredentialSource::InstanceMetadata { endpoint } => {
                let found = instance_metadata::read(&self.metadata_client, endpoint).await;
                found.map_err(|text| lacking(&text))
            }
            CredentialSource::Chain => self.find_in_chain().await,
        }
    }

    async fn find_in_chain(&self) -> Result<HeldCredentials, Problem> {
        let in_environment = match environment::read(environment::variable) {
            Ok(credentials) => return Ok(HeldCredentials::lasting(credentials)),
            Err(name) => unset(name),
        };
        let profile = environment::variable("AWS_PROFILE").unwrap_or_else(|| "default".into());
        let in_file = match read_file(None, profile).await {
            Ok(credentials) => return Ok(HeldCredentials::lasting(credentials)),
            Err(FileFault::Unreadable(text)) => return Err(lacking(&text)),
            Err(FileFault::Lacking(text)) => text,
        };
        let endpoint =
            Url::parse(INSTANCE_METADATA).map_err(|error| lacking(&error.to_string()))?;
        let found = instance_metadata::read(&self.metadata_client, &endpoint).await;
        found.map_err(|in_metadata| {
            lacking(&format!("{in_environment}, {in_file}, and {in_metadata}"))
        })
    }
}

async fn read_file(path: Option<PathBuf>, profile: String) -> Result<S3Credentials, FileFault> {
    let path = path.or_else(shared_file::default_path).ok_or_else(|| {
        FileFault::Lacking("the home directory with .aws/credentials is not known".into())
    })?;
    let read = tokio::task::spawn_blocking(move || shared_file::read(&path, &profile)).await;
    read.unwrap_or_else(|error| Err(FileFault::Unreadable(error.to_string())))
}

fn unset(variable: &str) -> String {
    format!("the environment variable {variable} is not set")
}

fn lacking(text: &str) -> Problem {
    Problem::new(S3ErrorKind::BadCredentials, format!("there are no credentials: {text}"))
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
