//! One reactor thread, and clients that are a burden.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{CONTENT, Client, STORED, ask_download, ask_upload};
use crate::running::Running;
use crate::{MIB, content, wait_until};

/// Uploads and downloads a few files, one of them large, and says how long that took.
fn work(client: &mut Client) -> Duration {
    let start = Instant::now();
    for (name, len) in [("small", 1000), ("large", 4 * MIB), ("next", 200_000)] {
        let bytes = content(len as u64, len);
        client.upload(name, &bytes);
        assert!(client.download(name) == bytes);
    }
    start.elapsed()
}

/// The longest [`work`] may take beside the other connections. On an idle machine it takes some
/// hundredths of a second; if it were blocked by them, it would wait until they are closed, for 30
/// seconds.
const FAIR: Duration = Duration::from_secs(15);

#[test]
fn a_client_that_does_not_read_delays_no_other() {
    let server = Running::start();
    std::fs::File::create(server.path().join("big")).unwrap().set_len(512 << 20).unwrap();
    let mut slow: Vec<_> = (0..40).map(|_| server.client()).collect();
    for client in &mut slow {
        client.ask(&ask_download("big"));
        client.send(&CONTENT);
    }
    wait_until("their buffers are full", || {
        let before = server.monitor.snapshot().bytes_out;
        thread::sleep(Duration::from_millis(50));
        before > 0 && server.monitor.snapshot().bytes_out == before
    });
    let took = work(&mut server.client());
    assert!(took < FAIR, "{took:?}");
}

#[test]
fn a_client_that_does_not_write_delays_no_other() {
    let server = Running::start();
    let mut slow: Vec<_> = (0..60).map(|_| server.client()).collect();
    for (index, client) in slow.iter_mut().enumerate() {
        client.begin_upload(&format!("{index}.bin"), MIB);
        client.send_bytes(&content(1, 300_000));
    }
    let took = work(&mut server.client());
    assert!(took < FAIR, "{took:?}");
}

/// Each waits for a moment, as its staging may be detached soon; the wait must not occupy a thread.
#[test]
fn a_request_for_a_name_with_a_writer_delays_no_other() {
    let server = Running::start();
    let mut writer = server.client();
    let bytes = content(1, MIB);
    writer.begin_upload("busy.bin", bytes.len());
    writer.send_bytes(&bytes[..500_000]);
    let mut asking: Vec<_> = (0..200).map(|_| server.client()).collect();
    for client in &mut asking {
        client.send(&ask_upload("busy.bin"));
    }
    // Their requests are all there now, before this one's.
    let start = Instant::now();
    let mut client = server.client();
    client.upload("other.bin", &content(2, 300_000));
    let took = start.elapsed();
    // If each took a thread while it waits, this one would come after all of them, seconds later.
    assert!(took < Duration::from_millis(2500), "{took:?}");
    for client in &mut asking {
        client.reply();
    }
    writer.send_bytes(&bytes[500_000..]);
    assert_eq!(writer.reply(), STORED);
}

#[test]
fn a_client_with_many_small_files_delays_no_other() {
    let server = Running::start();
    let addr = server.addr;
    let is_over = Arc::new(AtomicBool::new(false));
    let crowd: Vec<_> = (0..6_u64)
        .map(|index| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let mut client = Client::connect(addr);
                // They continue for as long as the other one is delayed.
                for round in 0.. {
                    for file in 0..200 {
                        if round > 0 && is_over.load(Relaxed) {
                            return;
                        }
                        client.upload(&format!("{index}/{file}.bin"), &content(file, 2000));
                    }
                }
            })
        })
        .collect();
    let took = work(&mut server.client());
    is_over.store(true, Relaxed);
    for client in crowd {
        client.join().unwrap();
    }
    assert!(took < FAIR, "{took:?}");
    for index in 0..6 {
        for file in 0..200 {
            assert!(server.read(&format!("{index}/{file}.bin")) == content(file, 2000));
        }
    }
}

/// Small and large files, pauses between them: the connection moves to a thread of its own and back.
#[test]
fn a_connection_survives_moving_between_threads() {
    let server = Running::start();
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    for round in 0..6_u64 {
        for (index, client) in clients.iter_mut().enumerate() {
            for file in 0..5 {
                let name = format!("{index}/{file}.bin");
                let bytes = content(round, 3000);
                client.upload(&name, &bytes);
                assert!(client.download(&name) == bytes);
            }
            if round % 2 == 0 {
                let bytes = content(round, MIB);
                client.upload(&format!("{index}/large.bin"), &bytes);
                assert!(client.download(&format!("{index}/large.bin")) == bytes);
            }
        }
        if round % 3 == 0 {
            // Long enough to be a pause.
            thread::sleep(Duration::from_millis(40));
        }
    }
    // Cut while it is on a thread of its own.
    let mut client = server.client();
    for file in 0..5 {
        client.upload(&format!("{file}.bin"), b"small");
    }
    client.begin_upload("cut.bin", MIB);
    client.send_bytes(&content(1, 400_000));
    drop(client);
    // An earlier request is offered the bytes that have arrived by then.
    wait_until("all of it is received", || server.active() == clients.len());
    assert_eq!(server.client().offered("cut.bin").0, 399_999);
    drop(clients);
    wait_until("all are gone", || server.active() == 0);
}
