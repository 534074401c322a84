//! Where credentials come from, and when they are replaced.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::advance;

use super::*;
use crate::test_server::{TestConnection, TestServer, run_fast_clock};
use crate::transport::{HttpTimeouts, plain_config};

fn client() -> HttpClient {
    let second = Duration::from_secs(1);
    let timeouts = HttpTimeouts { connect: second, silence: 5 * second };
    HttpClient::new(plain_config().unwrap(), timeouts, 1)
}

fn provider(source: CredentialSource) -> CredentialProvider {
    run_fast_clock();
    CredentialProvider::new(source, client())
}

/// A metadata service whose nth credentials are valid for so many seconds, or which has none any more.
async fn metadata_service(lifetimes: &'static [u64]) -> (TestServer, CredentialProvider) {
    let given = Arc::new(AtomicU32::new(0));
    let server = TestServer::start(move |connection, _| {
        serve_metadata(connection, Arc::clone(&given), lifetimes)
    })
    .await;
    let endpoint = server.url("/").parse().unwrap();
    let provider = provider(CredentialSource::InstanceMetadata { endpoint });
    (server, provider)
}

async fn serve_metadata(
    mut connection: TestConnection,
    given: Arc<AtomicU32>,
    lifetimes: &'static [u64],
) {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    while let Some(head) = connection.head().await {
        let head = head.to_ascii_lowercase();
        let [method, path, _] = *head.lines().next().unwrap().split(' ').collect::<Vec<_>>() else {
            panic!("{head}")
        };
        match (method, path) {
            ("put", "/latest/api/token") => {
                assert!(head.contains("x-aws-ec2-metadata-token-ttl-seconds: 60\r\n"), "{head}");
                connection.answer("200 OK", "", "the-token").await;
            }
            ("get", _) if !head.contains("x-aws-ec2-metadata-token: the-token\r\n") => {
                connection.answer("401 Unauthorized", "", "").await;
            }
            ("get", ROLES) => connection.answer("200 OK", "", "the-role\n").await,
            ("get", path) if path.strip_prefix(ROLES) == Some("the-role") => {
                let number = given.fetch_add(1, Ordering::SeqCst);
                let lifetime = lifetimes.get(usize::try_from(number).unwrap());
                let Some(lifetime) = lifetime else {
                    connection.answer("500 Internal Server Error", "", "").await;
                    continue;
                };
                let expires = SystemTime::now() + Duration::from_secs(*lifetime);
                let expires = jiff::Timestamp::try_from(expires).unwrap();
                let body = format!(
                    r#"{{"Code":"Success","AccessKeyId":"key-{number}","SecretAccessKey":"secret",
                    "Token":"token","Expiration":"{expires}"}}"#
                );
                connection.answer("200 OK", "", &body).await;
            }
            _ => connection.answer("404 Not Found", "", "").await,
        }
    }
}

async fn key(provider: &CredentialProvider) -> String {
    provider.current().await.unwrap().access_key().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_role_of_an_instance_is_asked_once() {
    let (_server, provider) = metadata_service(&[3600]).await;
    for _ in 0..3 {
        assert_eq!(key(&provider).await, "key-0");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_replaced_before_they_expire() {
    let (_server, provider) = metadata_service(&[200, 3600]).await;
    assert_eq!(key(&provider).await, "key-0");
    assert_eq!(key(&provider).await, "key-1");
    assert_eq!(key(&provider).await, "key-1");
}

#[tokio::test(start_paused = true)]
async fn valid_credentials_outlive_a_service_that_fails() {
    let (server, provider) = metadata_service(&[200]).await;
    for _ in 0..5 {
        assert_eq!(key(&provider).await, "key-0");
    }
    let connections = server.connections();
    advance(REPLACE_AGAIN).await;
    assert_eq!(key(&provider).await, "key-0");
    assert!(server.connections() >= connections);
    let (_server, expired) = metadata_service(&[0]).await;
    assert_eq!(key(&expired).await, "key-0");
    let problem = expired.current().await.unwrap_err();
    assert_eq!(problem.kind, S3ErrorKind::BadCredentials);
    assert!(problem.to_string().contains("status 500"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_asked_for_again() {
    let (_server, provider) = metadata_service(&[3600, 3600]).await;
    let first = provider.current().await.unwrap();
    assert!(provider.replace(&first).await);
    assert_eq!(key(&provider).await, "key-1");
    // Another request has been refused with the first ones.
    assert!(provider.replace(&first).await);
    assert_eq!(key(&provider).await, "key-1");
    let second = provider.current().await.unwrap();
    assert!(!provider.replace(&second).await);
}

#[tokio::test(start_paused = true)]
async fn an_absent_service_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let provider = provider(CredentialSource::InstanceMetadata { endpoint: endpoint.clone() });
    let text = provider.current().await.unwrap_err().to_string();
    assert!(text.contains(endpoint.as_str().trim_end_matches('/')), "{text}");
    assert!(text.contains("cannot be reached"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_when_its_credentials_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("credentials");
    let write = |key: &str| {
        let text = format!("[p]\naws_access_key_id = {key}\naws_secret_access_key = secret\n");
        std::fs::write(&path, text).unwrap();
    };
    write("first");
    let path = Some(path.clone());
    let provider = provider(CredentialSource::File { path, profile: "p".into() });
    let first = provider.current().await.unwrap();
    assert_eq!(first.access_key(), "first");
    assert!(!provider.replace(&first).await);
    write("second");
    assert_eq!(key(&provider).await, "first");
    let first = provider.current().await.unwrap();
    assert!(provider.replace(&first).await);
    assert_eq!(key(&provider).await, "second");
}

#[tokio::test(start_paused = true)]
async fn a_missing_profile_is_an_error() {
    let path = Some(PathBuf::from("/nonexistent/credentials"));
    let provider = provider(CredentialSource::File { path, profile: "p".into() });
    let problem = provider.current().await.unwrap_err();
    assert_eq!(problem.kind, S3ErrorKind::BadCredentials);
    assert!(problem.to_string().contains("/nonexistent/credentials"), "{problem}");
}

/// Prints the access key of the chain, for a process whose environment a test has set.
#[tokio::test]
#[ignore = "it is run by another test"]
async fn print_the_key_of_the_chain() {
    let provider = CredentialProvider::new(CredentialSource::Chain, client());
    match provider.current().await {
        Ok(credentials) => println!("key={}", credentials.access_key()),
        Err(problem) => println!("key={problem}"),
    }
}

/// Returns the access key of the chain in this environment.
fn key_of_chain(variables: &[(&str, &str)]) -> String {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("credentials::provider::tests::print_the_key_of_the_chain")
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_once("key=").unwrap().1.lines().next().unwrap().to_owned()
}

#[test]
fn the_chain_is_environment_then_file() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let write = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let profile = |name: &str, key: &str| {
        format!("[{name}]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")
    };
    write(".aws/credentials", &(profile("default", "of-home") + &profile("p", "of-profile")));
    let other = write("other", &profile("default", "of-other"));
    let broken = home.path().to_str().unwrap();
    let at_home = ("HOME", home.path().to_str().unwrap());
    let in_environment =
        [at_home, ("AWS_ACCESS_KEY_ID", "of-environment"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    assert_eq!(key_of_chain(&in_environment), "of-environment");
    assert_eq!(key_of_chain(&in_environment[..2]), "of-home");
    assert_eq!(key_of_chain(&[at_home]), "of-home");
    assert_eq!(key_of_chain(&[at_home, ("AWS_PROFILE", "p")]), "of-profile");
    assert_eq!(key_of_chain(&[("AWS_SHARED_CREDENTIALS_FILE", &other)]), "of-other");
    // A file that is there and of no use is a mistake.
    let text = key_of_chain(&[("AWS_SHARED_CREDENTIALS_FILE", broken)]);
    assert!(text.contains("cannot be read"), "{text}");
}
