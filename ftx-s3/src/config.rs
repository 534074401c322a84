//! The settings of a client, and the URL of its bucket.

use std::path::PathBuf;
use std::time::Duration;

use rusty_s3::UrlStyle;
use url::Url;

use crate::credentials::CredentialSource;
use crate::error::{Problem, S3ErrorKind};
use crate::retry::RetryPolicy;

/// The settings of a client of a bucket.
#[derive(Clone, Debug)]
pub struct BucketConfig {
    /// The name of the bucket.
    pub bucket: String,
    /// The store. Without an endpoint it is AWS.
    pub endpoint: Option<Url>,
    /// The region of the bucket. Stores other than AWS mostly take any, or `us-east-1`.
    pub region: String,
    /// Where the credentials come from.
    pub credentials: CredentialSource,
    /// A file of issuers in PEM form, of which one must have signed the store's certificate. Without a
    /// file these are the issuers that the system trusts.
    pub ca: Option<PathBuf>,
    /// The requests under way at once. Bodies that are read in pieces, by
    /// [`Bucket::get_range`](crate::Bucket::get_range), have as many places of their own, so that
    /// nobody who holds one waits for himself.
    pub max_requests: usize,
    /// The time until there is a connection.
    pub connect_timeout: Duration,
    /// The time without a byte in either direction after which a request has failed. Stores may be
    /// silent for so long while they copy a part or join an upload.
    pub silence_timeout: Duration,
    /// How failed requests are repeated.
    pub retry: RetryPolicy,
}

impl BucketConfig {
    /// Returns the default settings for a bucket: in `us-east-1` of AWS, with the credentials of the
    /// [chain](CredentialSource::Chain).
    #[must_use]
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            endpoint: None,
            region: "us-east-1".into(),
            credentials: CredentialSource::Chain,
            ca: None,
            max_requests: 64,
            connect_timeout: Duration::from_secs(5),
            silence_timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
        }
    }

    /// Returns the signer for the URL of the bucket.
    pub(crate) fn signer(&self) -> Result<rusty_s3::Bucket, Problem> {
        check_name(&self.bucket)?;
        let (endpoint, style) = match &self.endpoint {
            Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
            None => (self.aws_endpoint()?, self.aws_style()),
        };
        rusty_s3::Bucket::new(endpoint, style, self.bucket.clone(), self.region.clone()).map_err(
            |error| {
                let text = match error {
                    rusty_s3::BucketError::UnsupportedScheme => {
                        "the endpoint begins neither with http:// nor with https://".to_owned()
                    }
                    rusty_s3::BucketError::MissingHost => "the endpoint has no host".to_owned(),
                    rusty_s3::BucketError::ParseError(error) => {
                        format!("the bucket and the endpoint make no URL: {error}")
                    }
                };
                Problem::new(S3ErrorKind::Other, text)
            },
        )
    }

    fn aws_endpoint(&self) -> Result<Url, Problem> {
        let region = &self.region;
        if !is_label(region) {
            let text = format!("{region:?} is no region of AWS");
            return Err(Problem::new(S3ErrorKind::Other, text));
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Url::parse(&format!("https://s3.{region}.{domain}"))
            .map_err(|error| Problem::new(S3ErrorKind::Other, error.to_string()))
    }

    /// The certificates of AWS are for one label before the endpoint's name.
    fn aws_style(&self) -> UrlStyle {
        if is_label(&self.bucket) { UrlStyle::VirtualHost } else { UrlStyle::Path }
    }

    /// Whether the store is AWS itself.
    pub(crate) fn is_aws(&self) -> bool {
        let host = self.endpoint.as_ref().map(|url| url.host_str().unwrap_or_default());
        host.is_none_or(|host| {
            host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
        })
    }
}

/// Whether a text is one label of a host's name, in small letters.
fn is_label(text: &str) -> bool {
    let is_inner = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    !text.is_empty()
        && text.len() <= 63
        && text.chars().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A bucket becomes a segment of the URL's path, where some names would mean another path.
fn check_name(bucket: &str) -> Result<(), Problem> {
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || "-._".contains(char);
    if !bucket.is_empty() && bucket.chars().all(is_allowed) && !matches!(bucket, "." | "..") {
        return Ok(());
    }
    let text = format!("{bucket:?} is no name of a bucket");
    let remedy = "name it with letters, digits, hyphens, dots and underscores";
    Err(Problem::new(S3ErrorKind::Other, text).with_remedy(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(bucket: &str, endpoint: Option<&str>, region: &str) -> Result<String, Problem> {
        let endpoint = endpoint.map(|url| url.parse().unwrap());
        let config = BucketConfig { endpoint, region: region.into(), ..BucketConfig::new(bucket) };
        config.signer().map(|signer| signer.base_url().to_string())
    }

    #[test]
    fn the_url_of_aws_has_the_bucket_as_its_host_where_the_certificate_allows_it() {
        for (bucket, region, expected) in [
            ("files", "eu-west-1", "https://files.s3.eu-west-1.amazonaws.com/"),
            ("files", "cn-north-1", "https://files.s3.cn-north-1.amazonaws.com.cn/"),
            ("files.example", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/files.example/"),
            ("Files_1", "us-east-1", "https://s3.us-east-1.amazonaws.com/Files_1/"),
        ] {
            assert_eq!(url(bucket, None, region).unwrap(), expected);
        }
        for region in ["", "eu west", "evil.example/", "EU"] {
            assert!(url("files", None, region).is_err(), "{region}");
        }
    }

    #[test]
    fn other_stores_have_the_bucket_in_the_path() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/files/"),
            ("http://[::1]:9000/", "http://[::1]:9000/files/"),
            ("https://s3.example/store", "https://s3.example/store/files/"),
            ("https://user:secret@s3.example", "https://s3.example/files/"),
        ] {
            assert_eq!(url("files", Some(endpoint), "").unwrap(), expected);
        }
        let text = url("files", Some("ftp://s3.example"), "").unwrap_err().to_string();
        assert!(text.contains("http://"), "{text}");
    }

    #[test]
    fn names_that_would_lead_out_of_the_path_are_refused() {
        for bucket in ["", ".", "..", "a/b", "a b", "a?b", "ä"] {
            assert!(url(bucket, Some("http://127.0.0.1"), "").is_err(), "{bucket}");
            assert!(url(bucket, None, "us-east-1").is_err(), "{bucket}");
        }
    }

    #[test]
    fn aws_is_known_by_its_hosts() {
        let is_aws = |endpoint: Option<&str>| {
            let endpoint = endpoint.map(|url| url.parse().unwrap());
            BucketConfig { endpoint, ..BucketConfig::new("files") }.is_aws()
        };
        assert!(is_aws(None));
        assert!(is_aws(Some("https://s3.dualstack.eu-west-1.amazonaws.com")));
        assert!(!is_aws(Some("https://amazonaws.com.example")));
        assert!(!is_aws(Some("http://127.0.0.1:9000")));
    }
}
