//! The keys that requests are signed with, and where they come from.

mod environment;
mod instance_metadata;
mod provider;
mod shared_file;

use std::fmt;
use std::path::PathBuf;

use url::Url;
use zeroize::Zeroizing;

pub(crate) use self::provider::CredentialProvider;

/// The address of the metadata service, which is the same on every instance of EC2.
pub const INSTANCE_METADATA: &str = "http://169.254.169.254";

/// An access key and its secret. The secret is overwritten when it is dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    access_key: String,
    secret: Zeroizing<String>,
    token: Option<Zeroizing<String>>,
}

impl S3Credentials {
    /// Takes an access key, its secret, and the session token of temporary credentials.
    #[must_use]
    pub fn new(access_key: String, secret: String, token: Option<String>) -> Self {
        Self { access_key, secret: Zeroizing::new(secret), token: token.map(Zeroizing::new) }
    }

    pub(crate) fn access_key(&self) -> &str {
        &self.access_key
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref().map(String::as_str)
    }
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials").finish_non_exhaustive()
    }
}

/// The source of the credentials. They are read before the first request, not earlier.
#[derive(Clone, Debug, Default)]
pub enum CredentialSource {
    /// The environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and for temporary credentials
    /// `AWS_SESSION_TOKEN`.
    Environment,
    /// A profile of the shared credentials file of AWS tools. It is read again when the store does not
    /// accept the credentials any more.
    File {
        /// The file. Without one it is that of `AWS_SHARED_CREDENTIALS_FILE`, or
        /// `~/.aws/credentials`.
        path: Option<PathBuf>,
        /// The name of the profile.
        profile: String,
    },
    /// The role of an instance of EC2, by the metadata service in its second version. The credentials
    /// are replaced before they expire.
    InstanceMetadata {
        /// The address of the service: [`INSTANCE_METADATA`], outside of tests.
        endpoint: Url,
    },
    /// The environment, or else the shared file with the profile `AWS_PROFILE` or `default`, or else the
    /// metadata service.
    #[default]
    Chain,
    /// These.
    Fixed(S3Credentials),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let credentials =
            S3Credentials::new("AKIA".into(), "c2VjcmV0".into(), Some("dG9rZW4".into()));
        for shown in [
            format!("{credentials:?}"),
            format!("{credentials:#?}"),
            format!("{:?}", CredentialSource::Fixed(credentials.clone())),
        ] {
            assert!(shown.contains("S3Credentials"), "{shown}");
            for secret in ["AKIA", "c2VjcmV0", "dG9rZW4"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        assert_eq!((credentials.access_key(), credentials.secret()), ("AKIA", "c2VjcmV0"));
        assert_eq!(credentials.token(), Some("dG9rZW4"));
    }
}
