//! Credentials, regions, TLS.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ftx_fake_s3::{Rule, S3Fault, StrikePoint};
use ftx_s3::{
    Bucket, BucketConfig, Condition, CredentialSource, ListObjects, S3Credentials, S3ErrorKind,
};
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as provider;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as provider;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::scripted::{self, ScriptedServer};
use crate::support::{bytes, config, put, start};

fn with(credentials: CredentialSource, config: BucketConfig) -> Bucket {
    Bucket::connect(BucketConfig { credentials, ..config }).unwrap()
}

#[tokio::test]
async fn wrong_credentials_are_named() {
    let (s3, _) = start().await;
    let keys = s3.credentials().clone();
    for (access_key, secret, code) in [
        (keys.access_key.as_str(), "wrong", "SignatureDoesNotMatch"),
        ("wrong", keys.secret_key.as_str(), "NotSignedUp"),
    ] {
        let credentials = S3Credentials::new(access_key.into(), secret.into(), None);
        let bucket = with(CredentialSource::Fixed(credentials), config(&s3));
        let error = bucket.list(ListObjects::default()).await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{error}");
        assert_eq!(error.kind(), S3ErrorKind::BadCredentials);
        assert!(error.to_string().contains("; check the"), "{error}");
    }
}

#[tokio::test]
async fn credentials_come_from_a_file() {
    let (s3, _) = start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("credentials");
    let keys = s3.credentials();
    let text = format!(
        "[other]\n[store]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        keys.access_key, keys.secret_key
    );
    std::fs::write(&path, text).unwrap();
    let file = |profile: &str| CredentialSource::File {
        path: Some(path.clone()),
        profile: profile.into(),
    };
    put(&with(file("store"), config(&s3)), "k", "x").await;
    let bucket = with(file("absent"), config(&s3));
    let error = bucket.head("k").await.unwrap_err();
    assert_eq!(error.kind(), S3ErrorKind::BadCredentials);
    assert!(error.to_string().ends_with("has no profile absent"), "{error}");
    assert_eq!(s3.count_all(), 1);
}

#[tokio::test]
async fn errors_have_no_credentials_and_no_url() {
    let answers = [
        scripted::error("403 Forbidden", "SignatureDoesNotMatch", "Check X-Amz-Signature=abc"),
        scripted::answer("500 Internal Server Error", "", "<html>"),
        "nonsense\r\n\r\n".to_owned(),
    ];
    for answer in answers {
        let server = ScriptedServer::start(move |_| answer.clone()).await;
        let config = server.config();
        let shown = format!("{config:?} {:?}", server.bucket());
        assert!(!shown.contains("the-"), "{shown}");
        let error = server.bucket().put("k", bytes("x"), &[], Condition::IfAbsent).await;
        let error = error.unwrap_err();
        let mut text = format!("{error} {error:?}");
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            text += &format!(" {cause} {cause:?}");
            next = cause.source();
        }
        for secret in ["the-access-key", "the-secret", "the-token", "X-Amz", "?", "/files"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn settings_that_make_no_url_are_refused() {
    for (change, word) in [
        (BucketConfig::new("a/b"), "name of a bucket"),
        (BucketConfig { region: "e u".into(), ..BucketConfig::new("b") }, "region"),
        (
            BucketConfig {
                endpoint: Some("ftp://store.example".parse().unwrap()),
                ..BucketConfig::new("b")
            },
            "https://",
        ),
    ] {
        let error = Bucket::connect(change).unwrap_err();
        assert_eq!(error.kind(), S3ErrorKind::Other);
        assert!(error.to_string().contains(word), "{error}");
    }
}

/// Starts a server with TLS for a name, which answers every request with an ETag. Writes its certificate
/// to a file.
fn start_tls(name: &str, certificate: &Path) -> SocketAddr {
    let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(certificate, issued.cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der());
    let provider = Arc::new(provider::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream.unwrap());
            thread::spawn(move || {
                let mut buffer = [0; 64 * 1024];
                while let Ok(1..) = stream.read(&mut buffer) {
                    let answer = scripted::tagged("x");
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_store_with_tls_is_trusted_by_the_file_of_its_issuer() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = dir.path().join("ca.pem");
    let port = start_tls("localhost", &certificate).port();
    let of_host = |host: &str, ca: Option<&Path>| BucketConfig {
        endpoint: Some(format!("https://{host}:{port}").parse().unwrap()),
        credentials: CredentialSource::Fixed(scripted::credentials()),
        ca: ca.map(Path::to_owned),
        ..BucketConfig::new("files")
    };
    let trusted = Bucket::connect(of_host("localhost", Some(&certificate))).unwrap();
    assert_eq!(put(&trusted, "k", "x").await.as_str(), "x");

    let another = dir.path().join("another.pem");
    start_tls("localhost", &another);
    for config in [of_host("localhost", Some(&another)), of_host("127.0.0.1", Some(&certificate))] {
        let bucket = Bucket::connect(config).unwrap();
        let begin = Instant::now();
        let error = bucket.put("k", bytes("x"), &[], Condition::Always).await.unwrap_err();
        // It is not tried again.
        assert!(begin.elapsed() < Duration::from_secs(2));
        assert_eq!(error.kind(), S3ErrorKind::Unavailable);
        assert!(error.to_string().contains("as the CA"), "{error}");
    }
    std::fs::write(&another, "no certificate").unwrap();
    let error = Bucket::connect(of_host("localhost", Some(&another))).unwrap_err();
    assert!(error.to_string().contains("PEM"), "{error}");
    let absent = dir.path().join("absent.pem");
    assert!(Bucket::connect(of_host("localhost", Some(&absent))).is_err());
}

#[tokio::test]
async fn requests_of_a_pool_survive_connections_that_the_store_closes() {
    let (s3, bucket) = start().await;
    for round in 0..20 {
        // The connection of the previous request is closed now, or was just before.
        let lose = S3Fault::LoseAnswer(StrikePoint::After);
        let lost = s3.fault(Rule::any(lose).once());
        put(&bucket, "k", "x").await;
        assert_eq!(lost.hits(), 1, "{round}");
        lost.remove();
    }
}
