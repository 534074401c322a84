use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{Transport, crypto_provider};

/// The deadline of a driver. A shorter one fails no test.
const HANDSHAKE_LIMIT: Duration = Duration::from_millis(200);

/// More than the system's buffers take.
const LARGE_BYTES: usize = 24 << 20;

/// The header and the tag of a record, and the byte that tells its kind.
const RECORD_OVERHEAD_BYTES: usize = 5 + 16 + 1;

#[derive(Clone)]
struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// Those of one key, which takes time to make.
fn configs() -> Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(new_configs).clone()
}

fn new_configs() -> Configs {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    Configs { client: Arc::new(client), server: Arc::new(server) }
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Both ends of a TCP connection.
async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

/// The client's and the server's end of a TLS connection.
async fn pair() -> (Transport, Transport) {
    let (client, server) = tcp_pair().await;
    let Configs { client: client_config, server: server_config } = configs();
    let client = Transport::tcp(client).unwrap().connect_tls(client_config, name());
    let server = Transport::tcp(server).unwrap().accept_tls(server_config, BytesMut::new());
    let (client, server) = tokio::join!(client, server);
    (client.unwrap(), server.unwrap())
}

fn content(len: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_le_bytes).take(len).collect()
}

/// Writes all bytes, in two parts of which the first is short.
async fn write(transport: &Transport, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let (head, tail) = bytes.split_at(bytes.len().min(40));
        let parts = [IoSlice::new(head), IoSlice::new(tail)];
        let written = transport.write_vectored(&parts).await.unwrap();
        assert_ne!(written, 0);
        bytes = &bytes[written..];
    }
}

async fn read(transport: &Transport, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let left = len - bytes.len();
        let mut room = (&mut bytes).limit(left);
        assert_ne!(transport.read(&mut room).await.unwrap(), 0);
    }
    bytes
}

#[tokio::test]
async fn bytes_cross_in_both_directions_at_once() {
    let (client, server) = pair().await;
    let (up, down) = (content(LARGE_BYTES), content(LARGE_BYTES / 2 + 1));
    let (_, _, received_up, received_down) = tokio::join!(
        write(&client, &up),
        write(&server, &down),
        read(&server, up.len()),
        read(&client, down.len()),
    );
    assert!(received_up == up && received_down == down);
}

/// The record that the system has accepted in part is encrypted once, and counts once.
#[tokio::test]
async fn a_write_counts_what_the_system_has_accepted() {
    let (client, server) = pair().await;
    let file = content(LARGE_BYTES);
    let mut written = 0;
    loop {
        match client.try_write_vectored(&[IoSlice::new(&file[written..])]) {
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    // The peer can read all of that without another write.
    assert!(written > 0 && written < file.len(), "{written}");
    assert!(read(&server, written).await == file[..written]);
    let rest = file.len() - written;
    let (_, received) = tokio::join!(write(&client, &file[written..]), read(&server, rest));
    assert!(received == file[written..]);
}

/// Callers batch what comes at once, so a read must not stop at each record.
#[tokio::test]
async fn one_read_takes_all_records_that_have_arrived() {
    const RECORD_COUNT: usize = 20;
    let (client, server) = pair().await;
    let file = content(RECORD_COUNT * 1000);
    for record in file.chunks(1000) {
        write(&client, record).await;
    }
    let Transport::Tls(tls) = &server else { panic!() };
    // Each write has made two records.
    let ciphertext = file.len() + RECORD_COUNT * 2 * RECORD_OVERHEAD_BYTES;
    while tls.session().incoming().len() < ciphertext {
        tls.stream.readable().await.unwrap();
        let _ = tls.session().receive(&tls.stream);
    }
    let mut bytes = Vec::with_capacity(2 * file.len());
    assert_eq!(server.try_read(&mut bytes).unwrap(), file.len());
    assert!(bytes == file);
}

/// Otherwise a peer could hold the thread: such a record costs it less than its reader.
#[tokio::test]
async fn a_read_of_little_plaintext_gives_way_to_others() {
    const RECORD_COUNT: usize = 100_000;
    // Of records with one byte each, for room for all of them; and those that rustls takes at a time.
    const LIMIT_RECORDS: usize = (RECORD_COUNT + 64 * 1024) / (RECORD_OVERHEAD_BYTES + 1);
    const STEP_RECORDS: usize = 4096 / (RECORD_OVERHEAD_BYTES + 1);
    let (client, server) = pair().await;
    let file = content(RECORD_COUNT);
    for byte in &file {
        session_of(&client).encrypt(&[IoSlice::new(std::slice::from_ref(byte))], 0).unwrap();
    }
    let detached = client.detach().unwrap();
    let sending = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = detached.attach().unwrap();
            client.shut_down().await.unwrap();
            // It has not read the tickets, so its close would reset the connection.
            client.detach().unwrap()
        })
    });
    let (mut bytes, mut longest) = (Vec::with_capacity(2 * RECORD_COUNT), 0);
    while bytes.len() < RECORD_COUNT {
        server.ready(Interest::READABLE).await.unwrap();
        let mut room = (&mut bytes).limit(RECORD_COUNT);
        let read = match server.try_read(&mut room) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            read => read.unwrap(),
        };
        longest = longest.max(read);
        if read > LIMIT_RECORDS {
            let error = server.try_read(&mut bytes).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }
    sending.join().unwrap();
    assert!(bytes == file && longest <= LIMIT_RECORDS + STEP_RECORDS, "{longest}");
}

/// A read that has taken bytes returns them, and the next one reports the violation.
#[tokio::test]
async fn a_violation_is_reported_behind_bytes_before_it() {
    let (client, server) = pair().await;
    let file = content(40_000);
    write(&client, &file).await;
    let Transport::Tls(client) = &client else { panic!() };
    client.stream.writable().await.unwrap();
    client.stream.try_write(&[0x17, 3, 3, 0, 1, 0]).unwrap();
    let Transport::Tls(tls) = &server else { panic!() };
    while tls.session().incoming().len() < file.len() + 3 * RECORD_OVERHEAD_BYTES + 6 {
        tls.stream.readable().await.unwrap();
        let _ = tls.session().receive(&tls.stream);
    }
    let mut bytes = Vec::with_capacity(2 * file.len());
    let mut little = (&mut bytes).limit(100);
    assert_eq!(server.try_read(&mut little).unwrap(), 100);
    assert_eq!(server.try_read(&mut bytes).unwrap(), file.len() - 100);
    let error = server.read(&mut bytes).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(bytes == file);
}

#[tokio::test]
async fn plaintext_at_hand_moves_to_another_runtime() {
    let (client, server) = pair().await;
    write(&client, b"one and two").await;
    assert_eq!(read(&server, 3).await, b"one");
    let detached = server.detach().unwrap();
    let moved = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = detached.attach().unwrap();
            // No byte arrives that could wake it.
            assert_eq!(read(&server, 8).await, b" and two");
            write(&server, b"three").await;
        });
    });
    assert_eq!(read(&client, 5).await, b"three");
    moved.join().unwrap();
}

#[tokio::test]
async fn the_end_is_seen_behind_the_last_bytes() {
    let (client, server) = pair().await;
    write(&client, b"last").await;
    client.shut_down().await.unwrap();
    assert_eq!(read(&server, 4).await, b"last");
    let mut more = Vec::with_capacity(1);
    assert_eq!(server.read(&mut more).await.unwrap(), 0);
    assert!(server.ready(Interest::READABLE).await.unwrap().is_readable());
    // The other direction stays open until its end, although nobody reads it.
    write(&server, b"answer").await;
    drop(server);
    assert_eq!(client.read(&mut more).await.unwrap(), 0);
}

/// Bytes that were received before do not make the discarding side spin.
#[tokio::test]
async fn a_closed_side_waits_for_the_end_and_discards() {
    let (client, server) = pair().await;
    write(&server, b"one and two").await;
    assert_eq!(read(&client, 3).await, b"one");
    client.shut_down().await.unwrap();
    let mut more = Vec::with_capacity(100);
    assert_eq!(client.try_read(&mut more).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert!(!session_of(&client).has_input());
    // A close with unread bytes would reset the connection.
    assert_eq!(server.read(&mut more).await.unwrap(), 0);
    drop(server);
    assert_eq!(client.read(&mut more).await.unwrap(), 0);
    assert_eq!(more, b"");
}

fn session_of(transport: &Transport) -> MutexGuard<'_, Session> {
    let Transport::Tls(tls) = transport else { panic!("plain") };
    tls.session()
}

/// A server that answers the hello with these bytes, and closes.
async fn answered_with(answer: impl FnOnce(&[u8]) -> Vec<u8>) -> (usize, TlsHandshakeError) {
    let (client, mut server) = tcp_pair().await;
    let connecting = Transport::tcp(client).unwrap().connect_tls(configs().client, name());
    let serving = async {
        let mut hello = vec![0; 4096];
        let len = server.read(&mut hello).await.unwrap();
        server.write_all(&answer(&hello[..len])).await.unwrap();
        drop(server);
        len
    };
    let (connected, len) = tokio::join!(connecting, serving);
    (len, connected.err().unwrap())
}

#[tokio::test]
async fn an_original_server_is_recognised() {
    let (hello, error) = answered_with(|hello| [&hello[..8], &[0; 4]].concat()).await;
    assert!(matches!(error, TlsHandshakeError::OriginalServer), "{error}");
    assert!(hello < 1200, "{hello}");
    let (_, error) = answered_with(|_| vec![0; 12]).await;
    assert!(matches!(error, TlsHandshakeError::OriginalServer), "{error}");
}

#[tokio::test]
async fn other_answers_fail() {
    let (_, error) = answered_with(|_| Vec::new()).await;
    assert!(matches!(error, TlsHandshakeError::Closed | TlsHandshakeError::Io(_)), "{error}");
    let plain = b"\x89FTX\r\n\x1a\n\x01\0\0\0 and more".to_vec();
    let (_, error) = answered_with(|_| plain).await;
    assert!(matches!(error, TlsHandshakeError::Tls(_)), "{error}");
    // An alert, which is shorter than an original server's answer.
    let (_, error) = answered_with(|_| vec![0x15, 3, 3, 0, 2, 2, 40]).await;
    assert!(matches!(error, TlsHandshakeError::Tls(_)), "{error}");
}

/// Copies bytes with one bit changed at this position.
async fn copy_with_flip(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    at: usize,
) {
    let mut position = 0;
    let mut bytes = [0; 4096];
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        if let Some(byte) = at.checked_sub(position).and_then(|at| bytes[..len].get_mut(at)) {
            *byte ^= 1;
        }
        position += len;
        if to.write_all(&bytes[..len]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// A client sends a file and gets another one back, over a line that changes a bit on its way up and one
/// on its way down. Returns what server and client receive.
async fn exchanged_with_flips(file: &[u8], up: usize, down: usize) -> (Vec<u8>, Vec<u8>) {
    let ((client, mut near), (mut far, server)) = (tcp_pair().await, tcp_pair().await);
    let configs = configs();
    let client = async {
        let client = Transport::tcp(client).unwrap();
        match client.connect_tls(configs.client, name()).await {
            Ok(client) => exchange(client, file).await,
            Err(_) => Vec::new(),
        }
    };
    let server = async {
        let server = Transport::tcp(server).unwrap();
        match server.accept_tls(configs.server, BytesMut::new()).await {
            Ok(server) => exchange(server, file).await,
            Err(_) => Vec::new(),
        }
    };
    let (mut near_in, mut near_out) = near.split();
    let (mut far_in, mut far_out) = far.split();
    let up = copy_with_flip(&mut near_in, &mut far_out, up);
    let down = copy_with_flip(&mut far_in, &mut near_out, down);
    // After a longer length in the handshake each side waits for the other, until its driver's deadline.
    let ended = async { tokio::join!(server, client, up, down) };
    match tokio::time::timeout(HANDSHAKE_LIMIT, ended).await {
        Ok((at_server, at_client, ..)) => (at_server, at_client),
        Err(_) => (Vec::new(), Vec::new()),
    }
}

/// Sends a file, and receives one of the same length, or as much as comes.
async fn exchange(transport: Transport, file: &[u8]) -> Vec<u8> {
    let mut rest = file;
    while !rest.is_empty()
        && let Ok(written) = transport.write_vectored(&[IoSlice::new(rest)]).await
    {
        rest = &rest[written..];
    }
    let mut received = Vec::new();
    while received.len() < file.len()
        && let Ok(1..) = transport.read(&mut received).await
    {}
    received
}

/// Copies bytes until their end, and returns them.
async fn record(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> Vec<u8> {
    let mut recorded = Vec::new();
    let mut bytes = [0; 4096];
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        recorded.extend_from_slice(&bytes[..len]);
        to.write_all(&bytes[..len]).await.unwrap();
    }
    to.shutdown().await.unwrap();
    recorded
}

#[tokio::test]
async fn a_recorded_connection_cannot_be_replayed() {
    let ((client, mut near), (mut far, server)) = (tcp_pair().await, tcp_pair().await);
    let configs = configs();
    let client = async {
        let client = Transport::tcp(client).unwrap().connect_tls(configs.client, name()).await;
        let client = client.unwrap();
        write(&client, b"remove everything").await;
        client.shut_down().await.unwrap();
        // Until the server has answered.
        client.read(&mut Vec::new()).await
    };
    let server = async {
        let server = Transport::tcp(server).unwrap();
        let server = server.accept_tls(configs.server.clone(), BytesMut::new()).await.unwrap();
        assert_eq!(read(&server, 17).await, b"remove everything");
        server.shut_down().await.unwrap();
    };
    let (mut near_in, mut near_out) = near.split();
    let (mut far_in, mut far_out) = far.split();
    let up = record(&mut near_in, &mut far_out);
    let down = record(&mut far_in, &mut near_out);
    let (_, (), recorded, _) = tokio::join!(client, server, up, down);

    let (mut attacker, server) = tcp_pair().await;
    let replayed = async {
        attacker.write_all(&recorded).await.unwrap();
        let _ = attacker.shutdown().await;
        let _ = attacker.read_to_end(&mut Vec::new()).await;
    };
    let server = Transport::tcp(server).unwrap().accept_tls(configs.server, BytesMut::new());
    let (accepted, ()) = tokio::join!(server, replayed);
    assert!(matches!(accepted, Err(TlsHandshakeError::Tls(_))), "{accepted:?}");
}

/// Positions in a direction: each of its first bytes, which are those of the handshake, and some of the
/// file's.
fn positions() -> impl Iterator<Item = usize> {
    (0..4096).chain((4096..20_000).step_by(101))
}

/// What a flip at this position let through is the beginning of the file. Returns whether all of it came.
fn is_unnoticed(file: &[u8], received: &[u8], at: usize) -> bool {
    assert!(file.starts_with(received), "byte {at}");
    received.len() == file.len()
}

/// The bytes in the heads of records, types and versions, that rustls expects and does not believe.
const UNPROTECTED_BYTES: usize = 24;

#[tokio::test]
async fn a_bit_changed_on_the_way_up_ends_the_connection() {
    let file = content(20_000);
    let (up, down) = exchanged_with_flips(&file, usize::MAX, usize::MAX).await;
    assert!(up == file && down == file);
    let mut unnoticed = Vec::new();
    for at in positions() {
        let (received, _) = exchanged_with_flips(&file, at, usize::MAX).await;
        unnoticed.extend(is_unnoticed(&file, &received, at).then_some(at));
    }
    assert!(unnoticed.len() <= UNPROTECTED_BYTES, "{unnoticed:?}");
}

#[tokio::test]
async fn a_bit_changed_on_the_way_down_ends_the_connection() {
    let file = content(20_000);
    let mut unnoticed = Vec::new();
    for at in positions() {
        let (_, received) = exchanged_with_flips(&file, usize::MAX, at).await;
        unnoticed.extend(is_unnoticed(&file, &received, at).then_some(at));
    }
    assert!(unnoticed.len() <= UNPROTECTED_BYTES, "{unnoticed:?}");
}
