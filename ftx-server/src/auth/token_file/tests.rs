use std::fs;
use std::thread;
use std::time::UNIX_EPOCH;

use tempfile::{TempDir, tempdir};

use super::*;

const HASH: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn file() -> (TempDir, TokenFile) {
    let dir = tempdir().unwrap();
    let file = TokenFile::in_state_dir(&dir.path().join("state"));
    (dir, file)
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_700_000_000_999)
}

fn seconds(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The fault of a file with these lines behind its header, and the number of the line.
fn fault(lines: &str) -> (usize, TokenLineFault) {
    parse(format!("{HEADER}\n{lines}").as_bytes()).unwrap_err()
}

#[test]
fn a_token_is_stored_without_its_secret() {
    let (_dir, file) = file();
    assert_eq!(file.read().unwrap(), []);
    let (token, record) = file.add("Ann Lee", now(), Some(Duration::from_secs(60))).unwrap();
    assert_eq!(file.read().unwrap(), std::slice::from_ref(&record));
    assert_eq!((record.id, &*record.user), (token.id(), "Ann Lee"));
    assert_eq!(record.created, seconds(1_700_000_000));
    assert_eq!(record.expires, Some(seconds(1_700_000_060)));
    assert!(record.secret_hash.unwrap().is_of(&token));
    let text = fs::read_to_string(file.path()).unwrap();
    let secret = token.to_string()[13..77].to_owned();
    assert!(!text.contains(&secret), "{text}");
    assert!(!format!("{record:?}").contains(&record.secret_hash.unwrap().to_string()));
}

#[test]
fn the_format_stays_as_it_is() {
    let lines = format!(
        "1a2b3c4d {HASH} 2023-11-14T22:13:20Z never alice\n\
         00000000 revoked 2023-11-14T22:13:20Z 2024-01-01T00:00:00Z Ann Lee\n"
    );
    let records = parse(format!("ftx-tokens 1\n{lines}").as_bytes()).unwrap();
    assert_eq!(text(&records), format!("ftx-tokens 1\n{lines}"));
    let [alice, ann] = &*records else { panic!("{records:?}") };
    assert_eq!(alice.id, TokenId([0x1a, 0x2b, 0x3c, 0x4d]));
    assert_eq!(alice.secret_hash.unwrap().to_string(), HASH);
    assert_eq!((alice.created, alice.expires), (seconds(1_700_000_000), None));
    assert_eq!((&*ann.user, ann.secret_hash), ("Ann Lee", None));
    assert_eq!(ann.expires, Some(seconds(1_704_067_200)));
}

#[test]
fn damage_is_named_with_its_line() {
    let good = format!("1a2b3c4d {HASH} 2023-11-14T22:13:20Z never alice\n");
    for (bad, expected) in [
        (format!("{good}{}", good.replace("1a2b3c4d", "1a2b3c4")), TokenLineFault::Id),
        (format!("{good}{}", good.replace("0001", "000")), TokenLineFault::Hash),
        (format!("{good}{}", good.replace("0001", "+0+1")), TokenLineFault::Hash),
        (format!("{good}{}", good.replace("never", "soon")), TokenLineFault::Time("soon".into())),
        (format!("{good}{}", good.replace(" alice", "")), TokenLineFault::Fields),
        (format!("{good}{}", good.replace("alice", "")), UserNameError::Empty.into()),
        (format!("{good}\n"), TokenLineFault::Fields),
        (format!("{good}{}", good.trim_end()), TokenLineFault::Unended),
        (good.repeat(2), TokenLineFault::Repeated(TokenId([0x1a, 0x2b, 0x3c, 0x4d]))),
    ] {
        // The header is the first line.
        let (line, fault) = fault(&bad);
        assert_eq!((line, fault), (3, expected), "{bad:?}");
    }
    for bytes in [&b""[..], b"\n", b"ftx-tokens 1", b"ftx-tokens 2\n", b"ftx-tokens 1\r\n"] {
        assert_eq!(parse(bytes), Err((1, TokenLineFault::Header(HEADER))));
    }
    assert_eq!(parse(b"ftx-tokens 1\n\xff\n"), Err((2, TokenLineFault::NotUtf8)));
}

#[test]
fn a_damaged_file_is_not_changed() {
    let (_dir, file) = file();
    file.add("alice", now(), None).unwrap();
    let damaged = fs::read_to_string(file.path()).unwrap().replace("alice", "");
    fs::write(file.path(), &damaged).unwrap();
    for error in [file.add("bob", now(), None).unwrap_err(), file.revoke("alice").unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("line 2 of ") && text.contains("state/tokens"), "{text}");
    }
    assert_eq!(fs::read_to_string(file.path()).unwrap(), damaged);
}

#[test]
fn a_file_of_another_kind_is_not_read_to_its_end() {
    let (_dir, file) = file();
    fs::create_dir(file.path().parent().unwrap()).unwrap();
    File::create(file.path()).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert!(matches!(file.read(), Err(TokenFileError::TooLong(_))));
}

#[test]
fn a_token_is_revoked_by_its_id_and_a_user_with_all_tokens() {
    let (_dir, file) = file();
    let [first, second, third] = ["alice", "alice", "bob"].map(|user| {
        let (token, _) = file.add(user, now(), None).unwrap();
        token.id()
    });
    let ids =
        |records: Vec<TokenRecord>| records.iter().map(|record| record.id).collect::<Vec<_>>();
    assert_eq!(ids(file.revoke(&third.to_string()).unwrap()), [third]);
    for gone in [&*third.to_string(), "bob", "carol", ""] {
        let error = file.revoke(gone).unwrap_err();
        assert!(matches!(error, TokenFileError::Unknown { .. }), "{error}");
    }
    assert_eq!(ids(file.revoke("alice").unwrap()), [first, second]);
    let text = fs::read_to_string(file.path()).unwrap();
    assert_eq!(text.matches(" revoked ").count(), 3, "{text}");
}

#[test]
fn only_the_latest_revoked_tokens_are_remembered() {
    let (_dir, file) = file();
    let (kept, _) = file.add("bob", now(), None).unwrap();
    let line = |n: usize| format!("{n:08x} revoked 2023-11-14T22:13:20Z never alice\n");
    let lines: String = (0..MAX_REVOKED).map(line).collect();
    let text = fs::read_to_string(file.path()).unwrap();
    fs::write(file.path(), text.replace(&format!("{HEADER}\n"), &format!("{HEADER}\n{lines}")))
        .unwrap();
    let (latest, _) = file.add("alice", now(), None).unwrap();
    file.revoke("alice").unwrap();
    let records = file.read().unwrap();
    assert_eq!(records.len(), MAX_REVOKED + 1);
    assert_eq!(records.first().unwrap().id, TokenId([0, 0, 0, 1]));
    assert!(records.iter().any(|record| record.id == kept.id() && record.secret_hash.is_some()));
    assert_eq!(records.last().unwrap().id, latest.id());
}

#[test]
fn a_token_expires_within_the_times_that_can_be_written() {
    let (_dir, file) = file();
    for lifetime in [0, 1_000_000_000_000, u64::MAX] {
        let lifetime = Duration::from_secs(lifetime);
        let error = file.add("alice", now(), Some(lifetime)).unwrap_err();
        assert!(matches!(error, TokenFileError::Lifetime(_)), "{error}");
    }
    let error = file.add("alice", UNIX_EPOCH - Duration::from_secs(1), None).unwrap_err();
    assert!(matches!(error, TokenFileError::Clock), "{error}");
    assert!(matches!(file.add("a\nb", now(), None), Err(TokenFileError::UserName(_))));
    assert_eq!(file.read().unwrap(), []);
}

#[test]
fn writers_at_once_lose_nothing() {
    let (_dir, file) = file();
    let tokens: Vec<_> = thread::scope(|scope| {
        let add = |n: usize| {
            let file = &file;
            move || {
                (0..5)
                    .map(|_| file.add(&format!("user-{n}"), now(), None).unwrap().0.id())
                    .collect()
            }
        };
        let writers: Vec<_> = (0..8).map(|n| scope.spawn(add(n))).collect();
        writers.into_iter().flat_map(|writer| -> Vec<TokenId> { writer.join().unwrap() }).collect()
    });
    let mut stored: Vec<_> = file.read().unwrap().iter().map(|record| record.id).collect();
    let mut expected = tokens.clone();
    stored.sort_unstable();
    expected.sort_unstable();
    assert_eq!(stored, expected);
    assert_eq!(tokens.len(), 40);
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_dir, file) = file();
    file.add("alice", now(), None).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file.path()), 0o600);
    assert_eq!(mode(file.path().parent().unwrap()), 0o700);
}

#[test]
fn the_stamp_changes_with_the_content() {
    let (_dir, file) = file();
    let none = file.stamp().unwrap();
    assert_eq!(none, None);
    file.add("alice", now(), None).unwrap();
    let first = file.stamp().unwrap();
    assert_eq!(file.stamp().unwrap(), first);
    file.add("alice", now(), None).unwrap();
    assert!(first.is_some() && file.stamp().unwrap() != first);
}
