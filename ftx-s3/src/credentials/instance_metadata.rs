//! The credentials of the role of an EC2 instance, by the second version of the metadata service.
//!
//! A token comes first, by a PUT that a request forged by others cannot be. Then a GET returns the name
//! of the role, and another one its credentials.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use serde::Deserialize;
use url::Url;

use super::S3Credentials;
use super::provider::HeldCredentials;
use crate::time::parse_rfc3339;
use crate::transport::HttpClient;

const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
const TOKEN_LIFETIME_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// The token is used at once.
const TOKEN_LIFETIME_SECONDS: &str = "60";

/// The largest answer. Credentials have about 2 KiB.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The requests that may fail before the service counts as absent.
const ATTEMPTS: u32 = 3;

/// The answer with credentials.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleCredentials {
    code: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

/// Reads the credentials of the instance's role, or says why there are none.
pub(super) async fn read(client: &HttpClient, endpoint: &Url) -> Result<HeldCredentials, String> {
    let base = endpoint.as_str().trim_end_matches('/');
    let service = MetadataService { client, base };
    let lifetime = (TOKEN_LIFETIME_HEADER, TOKEN_LIFETIME_SECONDS);
    let token = service.ask(Method::PUT, TOKEN_PATH, lifetime).await?;
    let token = text_of(&token)?;
    let roles = service.ask(Method::GET, ROLE_PATH, (TOKEN_HEADER, token)).await?;
    let role = text_of(&roles)?.lines().next().unwrap_or_default().trim();
    if role.is_empty() {
        return Err(format!("the instance metadata at {base} has no role"));
    }
    let path = format!("{ROLE_PATH}{role}");
    let answer = service.ask(Method::GET, &path, (TOKEN_HEADER, token)).await?;
    credentials_of(&answer).map_err(|what| format!("the instance metadata at {base} {what}"))
}

struct MetadataService<'a> {
    client: &'a HttpClient,
    base: &'a str,
}

impl MetadataService<'_> {
    async fn ask(&self, method: Method, path: &str, header: (&str, &str)) -> Result<Bytes, String> {
        let mut attempts = 1;
        loop {
            match self.try_to_ask(method.clone(), path, header).await {
                Ok(answer) => return Ok(answer),
                Err(text) if attempts >= ATTEMPTS => {
                    return Err(format!("the instance metadata at {} {text}", self.base));
                }
                Err(_) => attempts += 1,
            }
        }
    }

    async fn try_to_ask(
        &self,
        method: Method,
        path: &str,
        (name, value): (&str, &str),
    ) -> Result<Bytes, String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(http::header::CONTENT_LENGTH, 0)
            .header(name, value)
            .body(Bytes::new())
            .map_err(|error| format!("cannot be asked: {error}"))?;
        let mut exchange = self
            .client
            .send(request)
            .await
            .map_err(|error| format!("cannot be reached: {error}"))?;
        let status = exchange.head().status;
        let answer = exchange.read_to_end(MAX_ANSWER_BYTES).await;
        match answer {
            Ok(answer) if status.is_success() => Ok(answer),
            Ok(_) => Err(format!("answers with the status {}", status.as_u16())),
            Err(error) => Err(format!("gives no answer: {error}")),
        }
    }
}

fn text_of(answer: &Bytes) -> Result<&str, String> {
    std::str::from_utf8(answer)
        .map(str::trim)
        .map_err(|_| "the instance metadata is no text".into())
}

/// Reads an answer with credentials, or says what it lacks.
fn credentials_of(answer: &[u8]) -> Result<HeldCredentials, String> {
    let role: RoleCredentials =
        serde_json::from_slice(answer).map_err(|_| "has an answer that is not understood")?;
    if let Some(code) = role.code.filter(|code| code != "Success") {
        return Err(format!("gives no credentials: {}", ftx_core::shown(&code)));
    }
    let lacks = |name: &str| format!("gives credentials without {name}");
    let credentials = S3Credentials::new(
        role.access_key_id.ok_or_else(|| lacks("AccessKeyId"))?,
        role.secret_access_key.ok_or_else(|| lacks("SecretAccessKey"))?,
        role.token,
    );
    let expires = role
        .expiration
        .as_deref()
        .map(|text| parse_rfc3339(text).ok_or_else(|| lacks("a time of their expiry")));
    Ok(HeldCredentials { credentials: Arc::new(credentials), expires: expires.transpose()? })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn an_answer_of_ec2() {
        let answer = br#"{"Code":"Success","LastUpdated":"2012-04-26T16:39:16Z","Type":"AWS-HMAC",
            "AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI","Token":"token",
            "Expiration":"2017-05-17T15:09:54Z"}"#;
        let held = credentials_of(answer).unwrap();
        let expected = S3Credentials::new(
            "ASIAIOSFODNN7EXAMPLE".into(),
            "wJalrXUtnFEMI".into(),
            Some("token".into()),
        );
        assert_eq!(*held.credentials, expected);
        let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(1_495_033_794);
        assert_eq!(held.expires, Some(expiry));
    }

    #[test]
    fn answers_without_credentials_say_so() {
        for (answer, word) in [
            ("<html>", "not understood"),
            (r#"{"Code":"AssumeRoleUnauthorizedAccess"}"#, "AssumeRoleUnauthorizedAccess"),
            (r#"{"Code":"Success","SecretAccessKey":"x"}"#, "AccessKeyId"),
            (r#"{"AccessKeyId":"x"}"#, "SecretAccessKey"),
            (r#"{"AccessKeyId":"x","SecretAccessKey":"y","Expiration":"never"}"#, "expiry"),
        ] {
            let text = credentials_of(answer.as_bytes()).err().unwrap();
            assert!(text.contains(word), "{text}");
        }
    }
}
