//! The limits of time, and what happens to connections.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::*;
use crate::error::{FailedRequest, RequestEffect};
use crate::test_server::{TestConnection, TestServer, run_fast_clock};

const SILENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// Less than the silence, but not half of it.
const PAUSE: Duration = Duration::from_secs(20);

fn client() -> HttpClient {
    let timeouts = HttpTimeouts { connect: CONNECT, silence: SILENCE };
    run_fast_clock();
    HttpClient::new(plain_config().unwrap(), timeouts, 8)
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

fn put(url: &str, bytes: usize) -> Request<Bytes> {
    Request::put(url).body(Bytes::from(vec![7; bytes])).unwrap()
}

fn effect_of(failure: TransportFailure) -> RequestEffect {
    let failed = FailedRequest::from(failure);
    assert!(failed.may_pass);
    failed.effect
}

async fn server_of_one_answer(answer: &'static str) -> TestServer {
    TestServer::start(move |mut connection, _| async move {
        while connection.head().await.is_some() {
            connection.send(answer).await;
        }
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn connections_are_kept() {
    let server = server_of_one_answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab").await;
    let client = client();
    for _ in 0..3 {
        let mut exchange = client.send(get(&server.url("/"))).await.unwrap();
        assert_eq!(exchange.announced_bytes(), Some(2));
        assert_eq!(exchange.read_to_end(2).await.unwrap(), "ab");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_has_failed_after_the_silence() {
    let server = TestServer::start(|mut connection, _| async move {
        connection.head().await;
        pending::<()>().await;
    })
    .await;
    let begin = Instant::now();
    let failure = client().send(get(&server.url("/"))).await.err().unwrap();
    assert!(begin.elapsed() >= SILENCE && begin.elapsed() < SILENCE + PAUSE);
    assert!(failure.to_string().contains("30s"), "{failure}");
    assert_eq!(effect_of(failure), RequestEffect::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_sends_a_byte_now_and_then_is_waited_for() {
    let server = TestServer::start(|mut connection, _| async move {
        connection.head().await;
        for piece in ["HTTP/1.1 200 OK\r", "\nContent-", "Length: 4\r\n\r\n", "a", "b", "cd"] {
            sleep(PAUSE).await;
            connection.send(piece).await;
        }
        connection.head().await;
    })
    .await;
    let begin = Instant::now();
    let mut exchange = client().send(get(&server.url("/"))).await.unwrap();
    assert_eq!(exchange.read_to_end(4).await.unwrap(), "abcd");
    assert!(begin.elapsed() >= 6 * PAUSE);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_pauses_for_too_long_has_failed() {
    let server = TestServer::start(|mut connection, _| async move {
        connection.head().await;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab").await;
        pending::<()>().await;
    })
    .await;
    let mut exchange = client().send(get(&server.url("/"))).await.unwrap();
    assert_eq!(exchange.next().await.unwrap().unwrap(), "ab");
    // The time in which nobody asks for bytes does not count.
    sleep(10 * SILENCE).await;
    let begin = Instant::now();
    let failure = exchange.next().await.unwrap_err();
    assert!(begin.elapsed() >= SILENCE && begin.elapsed() < SILENCE + PAUSE);
    assert_eq!(effect_of(failure), RequestEffect::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_an_upload_slowly_is_waited_for() {
    // More than the buffers of the system hold, so that each piece has some new bytes.
    const PIECE: usize = 16 << 20;
    let server = TestServer::start(|mut connection, _| async move {
        connection.head().await;
        for _ in 0..6 {
            sleep(PAUSE).await;
            connection.body(PIECE).await;
        }
        connection.answer("200 OK", "", "").await;
        connection.head().await;
    })
    .await;
    let client = client();
    let begin = Instant::now();
    client.send(put(&server.url("/"), 6 * PIECE)).await.unwrap();
    assert!(begin.elapsed() >= 6 * PAUSE);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stops_taking_an_upload_has_failed() {
    let server = TestServer::start(|mut connection, _| async move {
        connection.head().await;
        connection.body(1 << 20).await;
        pending::<()>().await;
    })
    .await;
    let begin = Instant::now();
    let failure = client().send(put(&server.url("/"), 64 << 20)).await.err().unwrap();
    // The system goes on to move single bytes between its buffers for a while.
    assert!(begin.elapsed() >= SILENCE);
    assert_eq!(effect_of(failure), RequestEffect::Unknown);
}

/// Returns a server that answers before it has read the body, and reports the end of the connection.
async fn hasty_server(ended: Arc<Notify>) -> TestServer {
    TestServer::start(move |mut connection: TestConnection, _| {
        let ended = Arc::clone(&ended);
        async move {
            connection.head().await;
            connection.answer("503 Slow Down", "", "busy").await;
            while connection.body(1 << 20).await {}
            ended.notify_one();
        }
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn an_upload_ends_with_the_interest_in_its_answer() {
    let ended = Arc::new(Notify::new());
    let server = hasty_server(Arc::clone(&ended)).await;
    let mut exchange = client().send(put(&server.url("/"), 256 << 20)).await.unwrap();
    assert_eq!(exchange.head().status, 503);
    assert_eq!(exchange.read_to_end(4).await.unwrap(), "busy");
    let begin = Instant::now();
    drop(exchange);
    ended.notified().await;
    assert!(begin.elapsed() < SILENCE);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_nobody_takes_ends_by_itself() {
    const BYTES: usize = 256 << 20;
    let taken = Arc::new(Notify::new());
    let server = TestServer::start({
        let taken = Arc::clone(&taken);
        move |mut connection: TestConnection, _| {
            let taken = Arc::clone(&taken);
            async move {
                connection.head().await;
                connection.answer("503 Slow Down", "", "busy").await;
                sleep(2 * SILENCE).await;
                assert!(!connection.body(BYTES).await);
                taken.notify_one();
            }
        }
    })
    .await;
    let mut exchange = client().send(put(&server.url("/"), BYTES)).await.unwrap();
    assert_eq!(exchange.read_to_end(4).await.unwrap(), "busy");
    // The interest in the answer lasts, so the connection has no other reason to end.
    taken.notified().await;
    drop(exchange);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_answer_ends_its_request() {
    let ended = Arc::new(Notify::new());
    let server = TestServer::start({
        let ended = Arc::clone(&ended);
        move |mut connection: TestConnection, _| {
            let ended = Arc::clone(&ended);
            async move {
                connection.head().await;
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nab").await;
                // The end of the connection.
                connection.head().await;
                ended.notify_one();
            }
        }
    })
    .await;
    let mut exchange = client().send(get(&server.url("/"))).await.unwrap();
    assert_eq!(exchange.next().await.unwrap().unwrap(), "ab");
    drop(exchange);
    ended.notified().await;
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_connection_had_no_effect() {
    // Nobody listens at the port of a listener that is gone.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let failure = client().send(get(&url)).await.err().unwrap();
    assert!(failure.to_string().contains("refused"), "{failure}");
    assert_eq!(effect_of(failure), RequestEffect::None);

    let server = TestServer::start(|mut connection, _| async move {
        // It does not speak TLS.
        connection.body(usize::MAX).await;
    })
    .await;
    let begin = Instant::now();
    let failure = client().send(get(&server.url("/").replace("http", "https"))).await;
    let failure = failure.err().unwrap();
    assert!(begin.elapsed() >= CONNECT && begin.elapsed() < 2 * CONNECT);
    assert!(failure.to_string().contains("within 5s"), "{failure}");
    assert_eq!(effect_of(failure), RequestEffect::None);
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_leaves_the_effect_open() {
    let server = TestServer::start(|mut connection, _| async move {
        connection.head().await;
    })
    .await;
    let failure = client().send(get(&server.url("/"))).await.err().unwrap();
    assert_eq!(effect_of(failure), RequestEffect::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_plain_endpoint_with_tls_is_a_lasting_mistake() {
    let server = TestServer::start(|mut connection, _| async move {
        connection.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        connection.body(usize::MAX).await;
    })
    .await;
    let url = server.url("/").replace("http", "https");
    let failed = FailedRequest::from(client().send(get(&url)).await.err().unwrap());
    assert!(!failed.may_pass);
    let remedy = failed.problem.remedy(crate::operation::S3Operation::GetObject).unwrap();
    assert!(remedy.contains("TLS"), "{remedy}");
}

#[tokio::test(start_paused = true)]
async fn bodies_are_bounded_announced_or_not() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    ] {
        let server = server_of_one_answer(answer).await;
        let (client, url) = (client(), server.url("/"));
        let mut exchange = client.send(get(&url)).await.unwrap();
        assert_eq!(exchange.read_to_end(5).await.unwrap(), "abcde");
        let mut exchange = client.send(get(&url)).await.unwrap();
        assert!(matches!(exchange.read_to_end(4).await, Err(BodyFailure::TooLong)), "{answer}");
    }
    let server = server_of_one_answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let mut exchange = client().send(get(&server.url("/"))).await.unwrap();
    assert!(exchange.read_to_end(0).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_short_is_broken() {
    let server = TestServer::start(|mut connection, _| async move {
        connection.head().await;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd").await;
    })
    .await;
    let mut exchange = client().send(get(&server.url("/"))).await.unwrap();
    assert!(matches!(exchange.read_to_end(5).await, Err(BodyFailure::Broken(_))));
}
